"""Log templates on the loghub samples (C5): accuracy against the corrected labels, and speed.

Scores as published by Khan et al. (ICSE 2022) and Jiang et al. (LogPub, ISSTA 2024): grouping accuracy is the share of lines
whose group is exactly the labelled group; F1 of groups counts groups that are exactly a labelled group; template accuracy
is the share of lines whose template text is exactly the labelled one, template F1 the same over groups.
Run: python -m tests.benchmarks.bench_templates
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from api.cli import templates
from domain.log_patterns.miner import MinerState, mine_templates
from tests.benchmarks.benchmark_data import absent_row, find_data

TITLE = "Log templates: 8 loghub systems, corrected labels, one setting"
BATCH_LINES = 100_000
SPEED_LINES = 800_000
CLI_LINES = 10_000_000


class Speed(NamedTuple):
    """Lines per second of wall time, which counts, and of CPU time, which tells how busy the machine was."""

    wall: float
    cpu: float


class Score(NamedTuple):
    grouping_accuracy: float
    group_f1: float
    template_accuracy: float
    template_f1: float


def load_systems(folder: Path) -> dict[str, pl.DataFrame]:
    files = sorted(folder.glob("*/*_2k.log_structured_corrected.csv.gz"))
    frames = {path.parent.name: pl.read_csv(path, infer_schema=False) for path in files}
    return {name: f.select(pl.col("Content").fill_null(""), label="EventTemplate") for name, f in frames.items()}


def predict(contents: pl.Series) -> pl.DataFrame:
    """Frame (group, template): what `etlmon templates --no-header` gives for these lines."""
    state, rows = mine_templates(contents, MinerState())
    named = rows.join(state.templates(), on="template_id", how="left", maintain_order="left")
    return named.select(group="template_id", template="template")


def predict_by_command(contents: pl.Series) -> pl.DataFrame:
    """The same by `etlmon templates` with its defaults, which look for a header although these lines have none."""
    with tempfile.TemporaryDirectory() as folder:
        log, out = Path(folder) / "content.log", Path(folder) / "out.parquet"
        log.write_text("".join(line + "\n" for line in contents))
        templates.app([str(log), "-o", str(out)], standalone_mode=False)
        return pl.read_parquet(out).select(group="template_id", template="template")


def score(frame: pl.DataFrame) -> Score:
    """Scores of a frame (label, group, template)."""
    labels = frame.group_by("label").agg(label_lines=pl.len())
    groups = frame.group_by("group").agg(
        pl.col("label", "template").first(), lines=pl.len(), labels=pl.col("label").n_unique()
    )
    exact = groups.join(labels, on="label").filter((pl.col("labels") == 1) & (pl.col("lines") == pl.col("label_lines")))
    either = groups.height + labels.height
    return Score(
        exact["lines"].sum() / frame.height,
        2 * exact.height / either,
        (frame["label"] == frame["template"]).mean(),
        2 * exact.filter(pl.col("label") == pl.col("template")).height / either,
    )


def freshen(lines: list[str], repeats: int) -> list[str]:
    """The lines over and over, each time with other digits in every number of two digits or more."""
    chosen = random.Random(11)
    number = re.compile(r"\d{2,}")
    return [
        number.sub(lambda m: str(chosen.randrange(10 ** (len(m[0]) - 1), 10 ** len(m[0]))), line)
        for _ in range(repeats)
        for line in lines
    ]


def measure_speed(lines: pl.Series) -> Speed:
    """Speed of the miner from an empty state, in batches."""
    state = MinerState()
    started, cpu_started = time.perf_counter(), time.process_time()
    for start in range(0, len(lines), BATCH_LINES):
        mine_templates(lines.slice(start, BATCH_LINES), state)
    return Speed(len(lines) / (time.perf_counter() - started), len(lines) / (time.process_time() - cpu_started))


#: The command, which then says its own peak memory (MB) and CPU seconds on stderr.
_MEASURED = """
import os, sys
from api.cli.main import main
from tests.benchmarks.peak_memory import peak_mb
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
times = os.times()
print(peak_mb(), times.user + times.system, file=sys.stderr)
"""


def measure_command(lines: list[str], count: int) -> tuple[Speed, float]:
    """Speed and peak GiB of `etlmon templates` on a raw log of `count` lines."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "raw.log"
        text = "".join(line + "\n" for line in lines)
        with log.open("w") as stream:
            for _ in range(count // len(lines)):
                stream.write(text)
        command = [sys.executable, "-c", _MEASURED, "templates", str(log), "-o", f"{folder}/out.parquet"]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - started
        peak, cpu = map(float, done.stderr.split()[-2:])
    mined = count // len(lines) * len(lines)
    return Speed(mined / seconds, mined / cpu), peak / 1024


def run() -> list[dict]:
    folder = find_data("loghub")
    if folder is None:
        return [absent_row("log templates", "loghub")]
    systems = load_systems(folder)
    return [
        *accuracy_rows(systems, predict, "miner"),
        *accuracy_rows(systems, predict_by_command, "etlmon templates as it is called"),
        *speed_rows(systems, folder),
    ]


def accuracy_rows(systems: dict[str, pl.DataFrame], guess: Callable[[pl.Series], pl.DataFrame], way: str) -> list[dict]:
    scores = {name: score(pl.concat([f, guess(f["Content"])], how="horizontal")) for name, f in systems.items()}
    rows = [row(f"{name}, {way}", " / ".join(f"{value:.3f}" for value in one)) for name, one in scores.items()]
    for work, field, peer, target in (
        ("mean grouping accuracy", "grouping_accuracy", "library 0.77, tuned Brain 0.98, Drain 0.87", 0.95),
        ("mean F1 of groups", "group_f1", "library 0.77", 0.93),
        ("mean template accuracy (lines)", "template_accuracy", "library 0.50", 0.75),
        ("mean template F1 (groups)", "template_f1", "library 0.50", 0.75),
    ):
        mean = sum(getattr(one, field) for one in scores.values()) / len(scores)
        rows.append(row(f"{work}, {way}", f"{mean:.3f}", peer, f"{target}", mean >= target))
    return rows


def speed_rows(systems: dict[str, pl.DataFrame], folder: Path) -> list[dict]:
    lines = [line for frame in systems.values() for line in frame["Content"]]
    repeats = SPEED_LINES // len(lines)
    raw = [line for path in sorted(folder.glob("*/*_2k.log")) for line in read_raw(path)]
    command_speed, peak_gib = measure_command(freshen(raw, 20), CLI_LINES)
    found = {
        "miner, lines repeated as they are": measure_speed(pl.Series(lines * repeats)),
        "miner, fresh numbers in every line": measure_speed(pl.Series(freshen(lines, repeats))),
        f"etlmon templates on {CLI_LINES:,} raw lines": command_speed,
    }
    rows = [
        row(
            work,
            f"{speed.wall:,.0f} lines/s ({speed.cpu:,.0f} per CPU second)",
            "library 60,000-140,000",
            "100,000 lines/s",
            speed.wall >= 100_000,
        )
        for work, speed in found.items()
    ]
    return [*rows, row("its peak memory", f"{peak_gib:.2f} GiB", "", "under 1.86 GiB (2 GB)", peak_gib * 2**30 < 2e9)]


def read_raw(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def row(work: str, ours: str, peer: str = "", target: str = "", met: bool | None = None) -> dict:
    return {"work": work, "ours": ours, "peer": peer, "target": target, "met": met}


if __name__ == "__main__":
    print(TITLE)
    for one in run():
        print(f"{one['work']:46} {one['ours']:50} {one['target']:24} {one['met']}   {one['peer']}")
