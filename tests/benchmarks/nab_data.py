"""The labelled series of the Numenta Anomaly Benchmark, where the benchmark data are present. Names only label the rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from domain.signals import TIMESTAMP


@dataclass(frozen=True)
class NabSeries:
    """One file: its rows in order and its windows as row numbers, inclusive."""

    name: str
    points: pl.DataFrame
    windows: list[tuple[int, int]]


def load_nab(folder: Path) -> list[NabSeries]:
    """All series of the folder `nab`; `series_id` is the position in the list."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    files = sorted((folder / "data").glob("*/*.csv.gz"))
    return [_load(file, labels, index) for index, file in enumerate(files)]


def _load(file: Path, labels: dict[str, list[list[str]]], index: int) -> NabSeries:
    name = f"{file.parent.name}/{file.name.removesuffix('.gz')}"
    frame = pl.read_csv(file).with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S").cast(TIMESTAMP))
    times = frame["timestamp"].to_physical().to_numpy()
    bounds = [pl.Series(pair).str.slice(0, 19).str.to_datetime().cast(TIMESTAMP) for pair in labels[name]]
    edges = [pair.to_physical().to_numpy() for pair in bounds]
    windows = [(int(np.flatnonzero(times == a)[0]), int(np.flatnonzero(times == b)[-1])) for a, b in edges]
    points = frame.select(
        pl.lit(index, pl.Int64).alias("series_id"),
        pl.col("timestamp").alias("captured_at"),
        pl.col("value").cast(pl.Float64).alias("metric_value"),
    )
    return NabSeries(name, points, windows)
