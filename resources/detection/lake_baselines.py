"""The baselines of watched series for the hours of a window, read once per evaluation."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from domain.baselines.levels import BaselineLevel, hour_of_like_day, hour_of_week
from domain.baselines.matching import match_baselines
from domain.signals import TIMESTAMP
from resources.lake.connection import Lake

_BASELINE_AGE = timedelta(days=14)
_HOUR = timedelta(hours=1)
EXPECTED_SCHEMA: dict[str, pl.DataType] = {"series_id": pl.Int64(), "captured_at": TIMESTAMP, "expected": pl.Float64()}


class LakeBaselines:
    """What is expected of points in [since, now].

    Args:
        series: series_id of all series that may be asked for.
    """

    def __init__(self, lake: Lake, series: pl.DataFrame, *, since: datetime, now: datetime) -> None:
        self._lake, self._series, self._since, self._now = lake, series, since, now

    def expected(self, points: pl.DataFrame) -> pl.DataFrame:
        """EXPECTED_SCHEMA: the median of the baseline; points without one are left out."""
        inside = points.filter(pl.col("captured_at") >= self._since)
        if inside.is_empty() or self._rows.is_empty():
            return pl.DataFrame(schema=EXPECTED_SCHEMA)
        mine = self._rows.join(inside.select("series_id").unique(), on="series_id", how="semi")
        matched = match_baselines(inside, mine).filter(pl.col("median").is_not_null())
        return matched.select("series_id", "captured_at", expected=pl.col("median"))

    @cached_property
    def _rows(self) -> pl.DataFrame:
        hours = pl.DataFrame(
            {"captured_at": pl.datetime_range(self._since - _HOUR, self._now + _HOUR, "1h", eager=True)}
        ).with_columns(pl.col("captured_at").cast(TIMESTAMP))
        of_week, of_day = (hours.select(one).to_series().unique() for one in (hour_of_week(), hour_of_like_day()))
        with self._lake.staged("_with_baseline", self._series.select("series_id").unique()):
            return self._lake.query(
                "SELECT b.* FROM baselines AS b SEMI JOIN _with_baseline USING (series_id)"
                " WHERE computed_at >= coalesce((SELECT max(computed_at) FROM baselines WHERE computed_at <= ?), ?) AND computed_at <= ?"
                " AND (level = ? OR (level = ? AND list_contains(?, bucket)) OR (level = ? AND list_contains(?, bucket)))",
                [
                    self._since,
                    self._since - _BASELINE_AGE,
                    self._now,
                    BaselineLevel.OVERALL.value,
                    BaselineLevel.TIME_OF_WEEK.value,
                    of_week.to_list(),
                    BaselineLevel.TIME_OF_DAY.value,
                    of_day.to_list(),
                ],
            )
