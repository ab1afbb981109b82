"""The signal behind an alert, as its page draws it: samples with the band that judges them, thinned so that no extreme is lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast

import polars as pl

from resources.analytics.views import read_series_with_baseline
from resources.lake.connection import Lake

_MOST_POINTS = 700
_BEFORE, _AFTER, _LONGEST = timedelta(hours=2), timedelta(minutes=30), timedelta(hours=24)


_ABOUT = "SELECT metric_name, labels::VARCHAR AS labels, coalesce(unit, '') AS unit, step_s FROM series WHERE series_id = ? LIMIT 1"


class Questions(Protocol):
    """Any lake that answers: an open one, or the one that a server keeps."""

    def query(self, sql: str, parameters: list[object] | None = None) -> pl.DataFrame:
        """Rows of a SELECT."""
        ...


@dataclass(frozen=True, slots=True)
class Signal:
    """One series over a stretch of time; `where` are its labels in words.

    `frame`: captured_at, metric_value, expected, lower, upper; the last three are null without a baseline.
    `step_s` is None where it is not known.
    """

    series_id: int
    metric_name: str
    where: str
    unit: str
    step_s: float | None
    frame: pl.DataFrame


def choose_stretch(
    onset_at: datetime, over_at: datetime | None, *, now: datetime, is_whole: bool
) -> tuple[datetime, datetime]:
    """From two hours before the fault to half an hour after its end; a day at most unless the whole is wanted."""
    since = min(onset_at, now) - _BEFORE
    until = max(min(now, (over_at or now) + _AFTER), since + _AFTER)
    return since, until if is_whole else min(until, since + _LONGEST)


def read_signal(lake: Questions, series_id: int, *, since: datetime, until: datetime) -> Signal | None:
    """The series in [since, until); None where the lake has no sample of it there.

    Raises:
        StorageError: the lake does not answer.
    """
    frame = read_series_with_baseline(cast("Lake", lake), series_id, since=since, until=until)
    if frame.is_empty():
        return None
    known = lake.query(_ABOUT, [series_id])
    name, labels, unit, step_s = known.row(0) if known.height else ("signal", "{}", "", None)
    where = ", ".join(f"{key}={value}" for key, value in json.loads(labels).items())
    return Signal(series_id, name, where, unit, step_s, _thin(frame.drop("title").sort("captured_at")))


def _thin(frame: pl.DataFrame) -> pl.DataFrame:
    """At most `_MOST_POINTS` rows: of neighbours the one that is furthest from the middle of all."""
    size = -(-frame.height // _MOST_POINTS)
    if size <= 1:
        return frame
    distance = (pl.col("metric_value") - pl.col("metric_value").median()).abs()
    chosen = frame.with_columns(group=pl.int_range(pl.len()) // size, distance=distance).filter(
        pl.col("distance").arg_max().over("group") == pl.int_range(pl.len()).over("group")
    )
    return chosen.drop("group", "distance")
