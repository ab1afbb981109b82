"""Small questions that assets and pages ask of derived tables, to show and to check them."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from domain.anomalies.against_baseline import detect_against_baselines
from resources.lake.connection import Lake
from resources.lake.marks import read_mark

_DAY = timedelta(days=1)


def read_rollup_gap(lake: Lake, *, now: datetime) -> int:
    """Signals of the last two days, as far as the rollup has come, that are not in its counts; 0 when all is well."""
    since = (now - 2 * _DAY).replace(minute=0, second=0, microsecond=0)
    raw = lake.query(
        "SELECT count(*) AS n FROM signals WHERE captured_at >= ? AND ingested_at <= ?",
        [since, read_mark(lake, "rollup")],
    )["n"][0]
    rolled = lake.query("SELECT coalesce(sum(points), 0)::BIGINT AS n FROM signals_hourly WHERE hour_at >= ?", [since])[
        "n"
    ][0]
    return abs(int(raw) - int(rolled))


def count_bad_baselines(lake: Lake) -> int:
    """Baselines of the newest set with a negative or infinite spread."""
    rows = lake.query(
        "SELECT count(*) AS n FROM baselines WHERE computed_at = (SELECT max(computed_at) FROM baselines)"
        " AND (std < 0 OR mad < 0 OR isinf(std) OR isinf(mean) OR isnan(mean))"
    )
    return int(rows["n"][0])


def read_series_names(lake: Lake) -> pl.DataFrame:
    """series_id, loader_code, metric_name, labels as text."""
    return lake.query("SELECT series_id, loader_code, metric_name, labels::VARCHAR AS labels FROM series")


def read_newest_anomalies(lake: Lake, *, limit: int = 12) -> pl.DataFrame:
    """The newest anomalies with their series."""
    return lake.query(
        "SELECT a.captured_at, s.metric_name, s.labels::VARCHAR AS labels, a.metric_value, a.expected, a.score, a.detector"
        " FROM anomalies AS a JOIN series AS s USING (series_id) ORDER BY a.captured_at DESC, a.score DESC LIMIT ?",
        [limit],
    )


def read_anomaly_rate(lake: Lake, *, now: datetime) -> float:
    """Anomalies per hundred signals of the last day; 0 when there were no signals."""
    rows = lake.query(
        "SELECT (SELECT count(*) FROM anomalies WHERE captured_at >= ?) AS found, count(*) AS n FROM signals WHERE captured_at >= ?",
        [now - _DAY, now - _DAY],
    )
    found, judged = rows.row(0)
    return 100.0 * found / judged if judged else 0.0


def read_loudest_series(lake: Lake, *, now: datetime) -> pl.DataFrame:
    """The last day of the series with the most anomalies, beside its baseline band: captured_at, metric_value, expected,
    lower, upper, title. Any series when there are no anomalies; empty without signals.
    """
    since = now - _DAY
    chosen = lake.query(
        """
        SELECT series_id FROM (
            SELECT series_id, 1 AS weight FROM anomalies WHERE captured_at >= ?
            UNION ALL (SELECT DISTINCT series_id, 0 AS weight FROM signals WHERE captured_at >= ? ORDER BY series_id LIMIT 1))
        GROUP BY series_id ORDER BY sum(weight) DESC, series_id LIMIT 1
        """,
        [since, since],
    )
    if chosen.is_empty():
        return pl.DataFrame()
    return read_series_with_baseline(lake, chosen["series_id"][0], since=since, until=now)


def read_series_with_baseline(lake: Lake, series_id: int, *, since: datetime, until: datetime) -> pl.DataFrame:
    """One series with the band that judges it: captured_at, metric_value, expected, lower, upper, title; empty without signals."""
    points = lake.query(
        "SELECT series_id, captured_at, metric_value FROM signals WHERE series_id = ? AND captured_at >= ? AND captured_at < ?",
        [series_id, since, until],
    )
    sets = lake.query(
        "SELECT * FROM baselines WHERE series_id = ? AND computed_at >= ? AND computed_at < ?",
        [series_id, since - 2 * _DAY, until],
    )
    name = lake.query(
        "SELECT metric_name || ' ' || labels::VARCHAR AS title FROM series WHERE series_id = ?", [series_id]
    )
    verdicts = detect_against_baselines(points, sets).select(
        "captured_at", "metric_value", "expected", "lower", "upper"
    )
    return verdicts.with_columns(title=pl.lit(name["title"][0] if name.height else ""))


def read_out_of_control(lake: Lake) -> pl.DataFrame:
    """Series whose newest chart rows are out of control."""
    return lake.query(
        """
        SELECT s.metric_name, s.labels::VARCHAR AS labels, c.chart, c.captured_at, c.statistic, c.lower, c.upper
        FROM control_charts AS c JOIN series AS s USING (series_id)
        WHERE c.is_out_of_control
        QUALIFY row_number() OVER (PARTITION BY c.series_id, c.chart ORDER BY c.captured_at DESC) = 1
        ORDER BY c.captured_at DESC, abs(c.statistic) DESC LIMIT 15
        """
    )


def read_forecast_picture(lake: Lake, *, now: datetime) -> pl.DataFrame:
    """Three days of observations and the newest forecast of the best-forecast seasonal series: shown_at, observed, forecast, …"""
    return lake.query(
        """
        WITH newest AS (SELECT max(computed_at) AS newest_at FROM forecasts),
        chosen AS (
            SELECT series_id FROM forecast_scores JOIN seasonality USING (series_id)
            WHERE is_chosen AND mase IS NOT NULL AND forecast_scores.computed_at = (SELECT newest_at FROM newest)
            ORDER BY strength DESC, series_id LIMIT 1)
        SELECT h.hour_at AS shown_at, h.mean AS observed, NULL::DOUBLE AS forecast, NULL::DOUBLE AS lower, NULL::DOUBLE AS upper,
               s.metric_name || ' ' || s.labels::VARCHAR AS title
        FROM signals_hourly AS h JOIN chosen USING (series_id) JOIN series AS s USING (series_id) WHERE h.hour_at >= ?
        UNION ALL
        SELECT f.forecast_at, NULL, f.forecast, f.lower, f.upper, s.metric_name || ' ' || s.labels::VARCHAR
        FROM forecasts AS f JOIN chosen USING (series_id) JOIN series AS s USING (series_id)
        WHERE f.computed_at = (SELECT newest_at FROM newest)
        ORDER BY shown_at
        """,
        [now - 3 * _DAY],
    )


def read_capacity(lake: Lake) -> pl.DataFrame:
    """Gauges by the date they reach their limit, soonest first."""
    return lake.query(
        "SELECT s.metric_name, s.labels::VARCHAR AS labels, c.current, c.limit_value, c.reaches_at, c.lower, c.upper,"
        " c.growth_per_day, c.probability, c.recommendation FROM capacity AS c JOIN series AS s USING (series_id)"
        " ORDER BY c.reaches_at NULLS LAST, c.current / c.limit_value DESC LIMIT 15"
    )
