"""The signals that the shipped loaders would capture from the synthetic estate, computed in memory: no servers, no lake.

Prometheus loaders of steps up to an hour, and the counts of log lines; the same queries, grids and stamps as capture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
import yaml

from domain.loaders.definition import LoaderDefinition, PrometheusQuery
from domain.signals import POINTS_SCHEMA, TIMESTAMP, canonical_labels, compute_series_id
from resources.rule_files import shipped_rules
from resources.simulator.fault_model import FaultWindow, load_fault_catalogue
from resources.simulator.grid import DAY_MS, last_index_at
from resources.simulator.log_lines import LogBook, load_log_messages
from resources.simulator.promql.memo import Memo
from resources.simulator.promql.query import evaluate_range
from resources.simulator.promql.values import Vector
from resources.simulator.sample_store import SampleStore
from resources.simulator.topology import load_topology

SEED = 7
_SLOWEST_S = 3600.0
#: series, points
_Part = tuple[pl.DataFrame, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class EstateSignals:
    """series: as in the lake, with step_s; points: POINTS_SCHEMA; lines: at, service, level, error_type, message."""

    series: pl.DataFrame
    points: pl.DataFrame
    lines: pl.DataFrame


def read_loaders() -> list[LoaderDefinition]:
    """The shipped loaders."""
    paths = sorted((shipped_rules() / "loaders").glob("*.yaml"))
    return [LoaderDefinition.model_validate(yaml.safe_load(path.read_text())) for path in paths]


def compute_estate_signals(
    begin_ms: int, end_ms: int, faults: Sequence[FaultWindow] = (), *, metrics: Iterable[str] | None = None
) -> EstateSignals:
    """All signals of (begin, end].

    Args:
        metrics: names; None: all.
    """
    wanted = set(metrics) if metrics is not None else None
    store = SampleStore(load_topology(), load_fault_catalogue(), seed=SEED, begin_ms=begin_ms - DAY_MS)
    store.replace_windows(list(faults))
    memo = Memo()
    asked = [
        (loader, query)
        for loader in read_loaders()
        for query in loader.prometheus
        if loader.step_s <= _SLOWEST_S and (wanted is None or query.metric_name in wanted)
    ]
    parts = [_ask(store, *one, begin_ms=begin_ms, end_ms=end_ms, memo=memo) for one in asked]
    lines = read_log_lines(begin_ms, end_ms, tuple(faults))
    parts += _count_lines(lines, wanted)
    return EstateSignals(*(pl.concat([one[place] for one in parts]) for place in (0, 1)), lines)


def _ask(
    store: SampleStore, loader: LoaderDefinition, query: PrometheusQuery, *, begin_ms: int, end_ms: int, memo: Memo
) -> _Part:
    step_ms = int(loader.step_s * 1000)
    start_ms = begin_ms + step_ms
    newest = int(last_index_at(end_ms))
    answer = evaluate_range(
        store, query.promql, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms, newest_index=newest, memo=memo
    )
    assert isinstance(answer, Vector)
    at = pl.Series(np.arange(start_ms, end_ms + 1, step_ms)).cast(pl.Datetime("ms", "UTC")).cast(TIMESTAMP)
    series, points = [], []
    for labels, values, present in zip(answer.labels, answer.values, answer.present, strict=True):
        text = canonical_labels({name: labels[name] for name in query.labels if name in labels})
        series_id = compute_series_id(loader.code, query.metric_name, text)
        series.append((series_id, loader.code, query.metric_name, text, loader.step_s))
        kept = present & np.isfinite(values)
        points.append(
            pl.DataFrame({"captured_at": at.filter(pl.Series(kept)), "metric_value": values[kept]}).select(
                pl.lit(series_id, pl.Int64).alias("series_id"), "captured_at", "metric_value"
            )
        )
    return _series(series), pl.concat([pl.DataFrame(schema=POINTS_SCHEMA), *points])


def _count_lines(lines: pl.DataFrame, wanted: set[str] | None) -> list[_Part]:
    by = {"log_lines_5m": ["service", "level"], "log_error_types_5m": ["service", "error_type"]}
    parts = []
    for metric, names in by.items():
        if wanted is not None and metric not in wanted:
            continue
        counted = lines.filter(pl.all_horizontal(pl.col(names) != "")).group_by(
            *names, pl.col("at").dt.truncate("5m").alias("captured_at")
        )
        counts = counted.agg(metric_value=pl.len().cast(pl.Float64))
        series = []
        for labels in counts.select(names).unique().iter_rows(named=True):
            text = canonical_labels(labels)
            series.append((compute_series_id("LOGS", metric, text), "LOGS", metric, text, 300.0, *labels.values()))
        named = pl.DataFrame(
            series, schema=["series_id", "loader_code", "metric_name", "labels", "step_s", *names], orient="row"
        )
        points = counts.join(named, on=names).select(list(POINTS_SCHEMA))
        parts.append((_series([row[:5] for row in series]), points))
    return parts


def read_log_lines(begin_ms: int, end_ms: int, faults: tuple[FaultWindow, ...]) -> pl.DataFrame:
    """at, service, level, error_type, message of every line."""
    book = LogBook(load_topology(), load_log_messages(), load_fault_catalogue(), seed=SEED)
    rows = [
        (
            datetime.fromtimestamp(line.at_s, UTC),
            line.document["service"]["name"],
            line.document["level"],
            line.document.get("error", {}).get("type", ""),
            line.document["message"],
        )
        for day in range(begin_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1)
        for line in book.compute_day(day, faults)
        if begin_ms <= line.at_s * 1000 < end_ms
    ]
    types = {"at": TIMESTAMP, "service": pl.String, "level": pl.String, "error_type": pl.String, "message": pl.String}
    return pl.DataFrame(rows, schema=types, orient="row")


def _series(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    text = pl.String()
    names = {"series_id": pl.Int64(), "loader_code": text, "metric_name": text, "labels": text, "step_s": pl.Float64()}
    return pl.DataFrame(rows, schema=names, orient="row")
