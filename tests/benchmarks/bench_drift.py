"""Drift: stated and simulated run lengths of the control charts, how soon they see shifts, what they say of cloud machines."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.control_charts.calibration import compute_scores
from tests.benchmarks.benchmark_data import absent_row, find_data
from tests.benchmarks.noise_kinds import KINDS, make_noise
from tests.benchmarks.run_lengths import (
    REFERENCE,
    STATED,
    TOLERANCE,
    chart_noise,
    chart_through_baselines,
    measure,
    run_charts,
)

Floats = NDArray[np.float64]

TITLE = "Drift"
SERIES, LENGTH = 600, 6000
#: Height of the daily season in the noise that goes through baselines; its run within an hour is in the residuals.
SEASON = 3.0
#: Of the machine series: the points that limits are learnt from (four months), and blocks of the resampled ones.
MACHINE_REFERENCE, BLOCK, REPLICAS = 1000, 50, 300
_STATED = " / ".join(f"{length:.0f}" for length in STATED.values())


def run() -> list[dict]:
    """Simulations always; rows of the machines, or one that says so where the data folder is absent."""
    folder = find_data("drift")
    machines = _machines(folder) if folder else [absent_row("charts of cloud machines", "drift")]
    return [_speed(), *_in_control(), *_through_baselines(), *_shifts(), *machines]


def _in_control() -> list[dict]:
    rows = []
    for kind in KINDS:
        noise = make_noise(kind, (SERIES, REFERENCE + LENGTH), seed=1)
        known = (noise - noise[:, :REFERENCE].mean(axis=1, keepdims=True)) / noise[:, :REFERENCE].std(
            axis=1, keepdims=True
        )
        plain = compute_scores(known[:, REFERENCE:], np.zeros(SERIES, dtype=np.int64))
        naive = {chart.name: measure(chart) for chart in run_charts(plain)}
        rows.append(_run_length(f"run length in control, {kind}", chart_noise(noise), naive))
    return rows


def _through_baselines() -> list[dict]:
    length, daily = 288 * 30, SEASON * np.sin(2 * np.pi * np.arange(288 * 30) / 288)
    rows = []
    for kind in ("normal", "AR(1) 0.7", "AR(1) 0.9", "exponential", "gamma 2", "lognormal 1", "Poisson 20"):
        noise = make_noise(kind, (SERIES // 3, length), seed=2) + daily
        rows.append(
            _run_length(f"the same on baselines of a daily season of ± 3, {kind}", chart_through_baselines(noise), None)
        )
    return rows


def _shifts() -> list[dict]:
    rows = []
    for kind in ("normal", "AR(1) 0.5", "AR(1) 0.9", "exponential"):
        noise = make_noise(kind, (SERIES, REFERENCE + 2000), seed=3)
        for shift in (0.5, 1.0, 2.0):
            found = [chart_noise(noise, shift=side * shift) for side in (1, -1)]
            text = ", ".join(f"{name} {_mean(found[0], name)} up {_mean(found[1], name)} down" for name in STATED)
            rows.append(_row(f"points until a shift of {shift:g} σ is seen, {kind}", text, "", "", met=None))
    return rows


def _machines(folder: Path) -> list[dict]:
    rows = []
    for path in sorted(folder.glob("*.parquet")):
        runs = pl.read_parquet(path).with_columns(pl.col("starttime").str.to_datetime(strict=False)).sort("starttime")
        for machine in range(3):
            values = runs.filter(pl.col("VM_id") == machine)["value"].to_numpy()
            metric = "PostgreSQL" if "postgresql" in path.name else "system calls"
            rows.append(_machine(f"{metric}, machine {machine}", values))
    return rows


def _machine(name: str, values: Floats) -> dict:
    reference = np.array([MACHINE_REFERENCE])
    charts = run_charts(compute_scores(values[None] / np.median(values), reference))
    fall = 100 * (np.median(values[-1000:]) / np.median(values[:MACHINE_REFERENCE]) - 1)
    texts = [f"last thousand {fall:+.1f} %"]
    for chart in charts:
        is_out = np.abs(chart.statistic[0]) > chart.limit[0]
        side = "down" if np.median(chart.statistic[0][is_out]) < 0 else "up"
        first = (
            f"first after {is_out.argmax() + 1}, {100 * is_out.mean():.0f} % out, {side}" if is_out.any() else "calm"
        )
        texts.append(f"{chart.name} {first}")
    fixed = np.abs(values[200:] - values[:200].mean()) > 3 * values[:200].std()
    replicas = run_charts(compute_scores(_resample(values[:MACHINE_REFERENCE]), np.repeat(reference, REPLICAS)))
    calm = " / ".join(f"{measure(chart).mean():.0f}" for chart in replicas)
    peer = f"3 σ of the first 200: {100 * fixed.mean():.1f} % out"
    return _row(f"{name}", "; ".join(texts), peer, f"run length without drift, resampled: {calm}", met=None)


def _resample(values: Floats) -> Floats:
    """Replicas without drift: a stationary bootstrap (Politis and Romano 1994) of the reference."""
    rng, shape = np.random.default_rng(0), (REPLICAS, MACHINE_REFERENCE + 4000)
    is_start = rng.random(shape) < 1 / BLOCK
    is_start[:, 0] = True
    at = np.arange(shape[1])
    begun = np.maximum.accumulate(np.where(is_start, at, 0), axis=1)
    start = np.take_along_axis(rng.integers(0, values.size, shape), begun, axis=1)
    return values[(start + at - begun) % values.size] / np.median(values)


def _speed() -> dict:
    noise = make_noise("AR(1) 0.5", (1000, REFERENCE + 576), seed=0)
    began = time.perf_counter()
    for _ in range(10):
        run_charts(compute_scores(noise, np.full(1000, REFERENCE)))
    seconds = time.perf_counter() - began
    work = "limits from a week and charts of two days, 10,000 series × 5 min (after the baselines)"
    return _row(work, f"{seconds:.1f} s", "", "under 30 s", met=seconds < 30)


def _run_length(work: str, found: dict[str, Floats], naive: dict[str, Floats] | None) -> dict:
    ours = " / ".join(_mean(found, name) for name in STATED)
    peer = "limits as of independent normal noise " + " / ".join(_mean(naive, name) for name in STATED) if naive else ""
    is_met = all(abs(found[name].mean() / stated - 1) <= TOLERANCE for name, stated in STATED.items())
    return _row(work, ours, peer, f"{_STATED} ± 20 %", met=is_met)


def _mean(found: dict[str, Floats], name: str) -> str:
    return f"{found[name].mean():.0f}"


def _row(work: str, ours: str, peer: str, target: str, *, met: bool | None) -> dict:
    return {"work": work, "ours": ours, "peer": peer, "target": target, "met": met}


if __name__ == "__main__":
    print(pl.DataFrame(run()).write_csv(separator="|"))
