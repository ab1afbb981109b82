"""Forecasts: accuracy, interval coverage and speed on the M4 series, with the library models and Prophet beside ours."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import numpy as np
import polars as pl

from domain.forecasts import ForecastResult, forecast_series
from domain.signals import TIMESTAMP
from tests.benchmarks.benchmark_data import absent_row, find_data

TITLE = "Forecasts"
START_US = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1e6)
SAMPLE = 6


def run() -> list[dict]:
    """Rows per data set; one row that says so where the data folder is absent."""
    folder = find_data("forecasting")
    if folder is None:
        return [absent_row("forecasts on M4", "forecasting")]
    hourly = pl.read_parquet(folder / "m4_hourly.parquet").cast({"series": pl.String})
    weekly = pl.read_parquet(folder / "m4_weekly.parquet").cast({"series": pl.String})
    return [*_hourly(hourly), *_weekly(weekly), _peer_speed(hourly)]


def _hourly(data: pl.DataFrame) -> list[dict]:
    result, seconds = _forecast(data, step_s=3600, horizon=48)
    smape, mase, coverage = _judge(data, result, season=24)
    series = data["series"].n_unique()
    return [
        _row(
            "M4 hourly, 48 steps: sMAPE",
            f"{smape:.2f}",
            "published best 8.9, seasonal naive 13.9",
            "9.5",
            met=smape <= 9.5,
        ),
        _row(
            "M4 hourly, 48 steps: MASE",
            f"{mase:.3f}",
            "published best 0.80, seasonal naive 1.19",
            "0.85",
            met=mase <= 0.85,
        ),
        _coverage("hourly", coverage),
        _row(
            f"M4 hourly, {series} series: speed",
            f"{series / seconds:.0f} series/s",
            "Prophet 3.7 series/s",
            "20 series/s",
            met=series / seconds >= 20,
        ),
    ]


def _weekly(data: pl.DataFrame) -> list[dict]:
    result, _ = _forecast(data, step_s=604_800, horizon=13)
    smape, _, coverage = _judge(data, result, season=1)
    work = "M4 weekly, 13 steps: sMAPE"
    return [
        _row(work, f"{smape:.2f}", "published best 6.6, naive 9.2", "7.2", met=smape <= 7.2),
        _coverage("weekly", coverage),
    ]


def _peer_speed(data: pl.DataFrame) -> dict:
    """Prophet in our own harness, one origin more than needed: fits are what cost."""
    few = data.filter(pl.col("series").is_in(data["series"].unique().sort().head(SAMPLE).implode()))
    slow, seconds = _forecast(few, step_s=3600, horizon=48, models=("prophet",))
    fits = SAMPLE * 6
    ours, _ = _forecast(few, step_s=3600, horizon=48)
    errors = [_judge(few, answer, season=24)[0] for answer in (ours, slow)]
    work = f"{SAMPLE} of these series, default models against naive and Prophet: sMAPE"
    return _row(work, f"{errors[0]:.2f}", f"{errors[1]:.2f} at {fits / seconds:.1f} fits/s", "", met=None)


def _forecast(data: pl.DataFrame, *, step_s: int, horizon: int, **options: object) -> tuple[ForecastResult, float]:
    at = (START_US + pl.col("t").cast(pl.Int64) * step_s * 1_000_000).cast(TIMESTAMP)
    points = data.filter(pl.col("part") == "train").select(
        series_id=pl.col("series").rank("dense").cast(pl.Int64), captured_at=at, metric_value="value"
    )
    began = time.perf_counter()
    result = forecast_series(points, horizon=horizon, **options)  # type: ignore[arg-type]
    return result, time.perf_counter() - began


def _judge(data: pl.DataFrame, result: ForecastResult, *, season: int) -> tuple[float, float, float]:
    """sMAPE, MASE and coverage as the M4 competition defines them, means over the series."""
    coded = data.with_columns(series_id=pl.col("series").rank("dense").cast(pl.Int64)).sort("series_id", "t")
    scale = (
        coded.filter(pl.col("part") == "train")
        .group_by("series_id")
        .agg(scale=(pl.col("value") - pl.col("value").shift(season)).abs().mean())
    )
    test = coded.filter(pl.col("part") == "test").with_columns(step=pl.int_range(1, pl.len() + 1).over("series_id"))
    both = test.join(result.forecasts, on=["series_id", "step"]).join(scale, on="series_id")
    assert both.height == test.height
    miss = (pl.col("forecast") - pl.col("value")).abs()
    per_series = both.group_by("series_id").agg(
        smape=(200 * miss / (pl.col("forecast").abs() + pl.col("value").abs())).mean(),
        mase=(miss / pl.col("scale")).mean(),
        inside=pl.col("value").is_between(pl.col("lower"), pl.col("upper")).mean(),
    )
    smape, mase, inside = (np.mean(per_series[name].to_numpy()) for name in ("smape", "mase", "inside"))
    return float(smape), float(mase), float(inside)


def _coverage(name: str, coverage: float) -> dict:
    met = 0.75 <= coverage <= 0.85
    return _row(f"M4 {name}: coverage of the 80 % interval", f"{100 * coverage:.0f} %", "", "75-85 %", met=met)


def _row(work: str, ours: str, peer: str, target: str, *, met: bool | None) -> dict:
    return {"work": work, "ours": ours, "peer": peer, "target": target, "met": met}


if __name__ == "__main__":
    print(pl.DataFrame(run()).write_csv(separator="|"))
