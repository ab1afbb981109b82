"""Anomalies in the lake: every signal that arrived since the last look is judged once, by day, against its baselines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from domain.anomalies.against_baseline import NO_HISTORY, detect_against_baselines
from resources.analytics.arrivals import read_arrivals
from resources.analytics.baselines import read_baselines
from resources.analytics.causal_scores import DETECTOR as CAUSAL
from resources.lake.connection import Lake
from resources.lake.marks import read_mark, write_mark

MARK = "anomalies"


@dataclass(frozen=True, slots=True)
class AnomalyResult:
    """Signals judged, anomalies found, signals without enough history; the newest anomalies for a preview."""

    judged: int
    found: int
    without_history: int


def detect_new_anomalies(lake: Lake, *, now: datetime) -> AnomalyResult:
    """Judge what was ingested since the last call by its baselines. A signal written again is judged again, its old verdict replaced."""
    mark = read_mark(lake, MARK)
    spans, newest = read_arrivals(lake, mark)
    judged, found, unknown = 0, 0, 0
    for low, high in spans:
        one = _judge_span(lake, low, high, mark=mark, now=now)
        judged, found, unknown = judged + one.judged, found + one.found, unknown + one.without_history
    if newest is not None:
        lake.write(MARK, lambda inner: write_mark(inner, MARK, newest))
    return AnomalyResult(judged, found, unknown)


def _judge_span(lake: Lake, low: datetime, high: datetime, *, mark: datetime, now: datetime) -> AnomalyResult:
    points = lake.query(
        "SELECT series_id, captured_at, metric_value FROM signals WHERE captured_at >= ? AND captured_at <= ? AND ingested_at > ?",
        [low, high, mark],
    )
    verdicts = detect_against_baselines(points, read_baselines(lake, start=low, end=high + timedelta(microseconds=1)))
    anomalies = verdicts.filter("is_anomaly").with_columns(detected_at=pl.lit(now))

    def work(inner: Lake) -> None:
        known = inner.query(
            "SELECT 1 FROM anomalies WHERE captured_at >= ? AND captured_at <= ? AND detector IS DISTINCT FROM ? LIMIT 1",
            [low, high, CAUSAL],
        )
        if known.height:
            with inner.staged("_judged", points.select("series_id", "captured_at")):
                inner.execute(
                    "DELETE FROM anomalies WHERE captured_at >= ? AND captured_at <= ? AND detector IS DISTINCT FROM ?"
                    " AND (series_id, captured_at) IN (SELECT series_id, captured_at FROM _judged)",
                    [low, high, CAUSAL],
                )
        inner.insert("anomalies", anomalies)

    lake.write(MARK, work)
    unknown = verdicts.filter(pl.col("detector") == NO_HISTORY).height
    return AnomalyResult(points.height, anomalies.height, unknown)


def refresh_incident_periods(lake: Lake, *, now: datetime) -> pl.DataFrame:
    """Suspected incidents of the last month, so that an outage does not become normal.

    A service is suspected while at least two of its metrics are anomalous in the same five minutes with a score of 0.7
    or more (4.9 σ, one signal in a million), for ten minutes or longer; breaks of up to ten minutes are bridged. Series
    coarser than five minutes do not count, nor does the echo of an incident: a signal off in the direction opposite to
    an anomaly of the same series in the same hour a week before was judged by a baseline that had learnt the incident.

    The causal detector has no say: its scores grade episodes, not points. Periods of another `source` (a person, a
    resolved incident) are left alone.
    """
    found = lake.query(_SUSPECTED, [now - timedelta(days=31)])

    def work(inner: Lake) -> None:
        inner.execute("DELETE FROM incident_periods WHERE source = 'anomalies'")
        inner.insert("incident_periods", found)

    lake.write("incident_periods", work)
    return found


_SUSPECTED = """
WITH off AS (
    SELECT a.series_id, (s.labels->>'service') AS service, s.metric_name, a.captured_at, a.score,
           a.metric_value > a.expected AS is_above, date_trunc('hour', a.captured_at) AS hour_at
    FROM anomalies AS a JOIN series AS s USING (series_id)
    WHERE a.captured_at >= ? AND a.detector IS DISTINCT FROM 'causal' AND (s.labels->>'service') IS NOT NULL AND s.step_s <= 300),
hits AS (
    SELECT service, time_bucket(INTERVAL 5 MINUTE, captured_at) AS slot, count(DISTINCT metric_name) AS metrics
    FROM off ANTI JOIN (SELECT series_id, is_above AS was_above, hour_at + INTERVAL 7 DAY AS echo_at FROM off) AS before
        ON off.series_id = before.series_id AND off.hour_at = before.echo_at AND off.is_above <> before.was_above
    WHERE score >= 0.7
    GROUP BY ALL HAVING metrics >= 2),
grouped AS (
    SELECT *, sum(is_start) OVER (PARTITION BY service ORDER BY slot) AS episode
    FROM (SELECT *, (slot - lag(slot) OVER (PARTITION BY service ORDER BY slot) <= INTERVAL 15 MINUTE) IS NOT TRUE AS is_start FROM hits))
SELECT 'suspected-' || service || '-' || strftime(min(slot), '%Y%m%dT%H%M') AS incident_id, service, min(slot) AS started_at,
       max(slot) + INTERVAL 5 MINUTE AS ended_at, 'anomalies' AS source
FROM grouped GROUP BY service, episode HAVING max(slot) - min(slot) >= INTERVAL 5 MINUTE ORDER BY started_at
"""
