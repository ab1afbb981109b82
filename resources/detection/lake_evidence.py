"""What rule conditions ask for beside the samples, from the lake. Each question is asked once per evaluation at most."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from resources.analytics.anomalies import MARK as ANOMALIES_MARK
from resources.analytics.causal_scores import DETECTOR as CAUSAL
from resources.analytics.causal_scores import MARK as CAUSAL_MARK
from resources.detection.lake_baselines import LakeBaselines
from resources.lake.connection import Lake
from resources.lake.marks import read_mark

_DAY = timedelta(days=1)
#: Usual way of a sample from its instant to its row.
_INGESTION = timedelta(minutes=1)


def _us(at: datetime) -> int:
    return int(at.timestamp() * 1e6)


class LakeEvidence:
    """`domain.detection.window.Evidence` for samples of [since, now]; `series`: series_id of those that need a baseline."""

    def __init__(
        self, lake: Lake, series: pl.DataFrame, *, since: datetime, now: datetime, is_history: bool = False
    ) -> None:
        self._lake = lake
        self._baselines = LakeBaselines(lake, series, since=since, now=now)
        self._since = since
        self._now = now
        self._is_history = is_history

    def expected(self, points: pl.DataFrame) -> pl.DataFrame:
        """The median that the baseline of each series expects; rows without a baseline are left out."""
        return self._baselines.expected(points)

    def anomalies(self) -> pl.DataFrame:
        """Anomalous values of the window."""
        return self._anomalies

    def control_charts(self) -> pl.DataFrame:
        """Values of the window that are out of control."""
        return self._charts

    def forecast_bounds(self) -> pl.DataFrame:
        """Of each hour the newest forecast that was made before it."""
        return self._bounds

    def log_findings(self) -> pl.DataFrame:
        """New and bursting log templates of the window."""
        return self._findings

    def last_seen(self) -> pl.DataFrame:
        """The newest sample of every series within the last day."""
        return self._last_seen

    def capacity(self) -> pl.DataFrame:
        """The newest capacity forecasts."""
        return self._capacity

    def reach_us(self, kind: str) -> int:
        """Up to which samples "baseline", "causal" or "control_chart" have judged."""
        return self._reaches.get(kind, 2**62)

    @cached_property
    def _reaches(self) -> dict[str, int]:
        """Anomalies are judged by ingestion: what was ingested by then was captured a little before."""
        if self._is_history:
            return {}
        judged = {"baseline": ANOMALIES_MARK, "causal": CAUSAL_MARK}
        reached = {kind: _us(read_mark(self._lake, mark) - _INGESTION) for kind, mark in judged.items()}
        charted = self._lake.query("SELECT max(computed_at) AS at FROM control_charts")["at"][0]
        return {**reached, "control_chart": _us(charted - _INGESTION) if charted else 0}

    @cached_property
    def _capacity(self) -> pl.DataFrame:
        return self._lake.query(
            "SELECT series_id, computed_at, reaches_at, probability, current, limit_value, growth_per_day FROM capacity"
            " WHERE computed_at <= ?",
            [self._now],
        )

    @cached_property
    def _anomalies(self) -> pl.DataFrame:
        return self._lake.query(
            "SELECT series_id, captured_at, if(detector = ?, 'causal', 'baseline') AS detector, max(score) AS score,"
            " any_value(metric_value > expected) AS is_above FROM anomalies"
            " WHERE captured_at >= ? AND captured_at <= ? AND is_anomaly GROUP BY ALL",
            [CAUSAL, self._since, self._now],
        )

    @cached_property
    def _charts(self) -> pl.DataFrame:
        return self._lake.query(
            "SELECT DISTINCT series_id, captured_at, chart FROM control_charts WHERE captured_at >= ? AND captured_at <= ?"
            " AND is_out_of_control",
            [self._since, self._now],
        )

    @cached_property
    def _bounds(self) -> pl.DataFrame:
        return self._lake.query(
            "SELECT series_id, forecast_at, forecast, lower, upper FROM forecasts WHERE forecast_at >= ? AND forecast_at <= ?"
            " AND computed_at <= forecast_at QUALIFY row_number() OVER (PARTITION BY series_id, forecast_at ORDER BY computed_at DESC) = 1",
            [self._since - timedelta(hours=1), self._now],
        )

    @cached_property
    def _findings(self) -> pl.DataFrame:
        return self._lake.query(
            "SELECT f.template_id, t.template, f.service, f.kind, f.lines, f.score, f.window_start, f.detected_at"
            " FROM log_pattern_findings AS f LEFT JOIN log_templates AS t USING (template_id)"
            " WHERE f.window_start >= ? AND f.window_start <= ?",
            [self._since - _DAY, self._now],
        )

    @cached_property
    def _last_seen(self) -> pl.DataFrame:
        return self._lake.query(
            "SELECT series_id, max(captured_at) AS last_at FROM signals WHERE captured_at >= ? AND captured_at <= ?"
            " GROUP BY series_id",
            [self._now - _DAY, self._now],
        )
