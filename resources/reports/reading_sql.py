"""The SELECTs behind a report. `$start` and `$stop` bound the days, `$known_by` bounds when something was computed."""

from __future__ import annotations

_OF = "coalesce(nullif(array_to_string(json_extract_string(series.labels, '$.*'), ' · '), ''), '(all)') AS subject"

AVAILABILITY = """
SELECT
    subject_kind, subject, hour_at::DATE AS day,
    sum(numerator) FILTER (NOT is_maintenance) AS numerator,
    sum(denominator) FILTER (NOT is_maintenance) AS denominator,
    count(*) FILTER (is_maintenance) AS excluded_hours
FROM marts.hourly_availability
WHERE hour_at >= $start AND hour_at < $stop
GROUP BY ALL ORDER BY ALL
"""

REQUESTS = """
SELECT service, day_at AS day, requests, errors
FROM marts.daily_error_rates
WHERE day_at >= $start::DATE AND day_at < $stop::DATE AND requests IS NOT NULL
ORDER BY ALL
"""

LATENCY = """
SELECT
    subject AS service, hour_at::DATE AS day, sum(total) AS total, sum(points)::BIGINT AS points, max(maximum) AS maximum
FROM marts.subject_hours
WHERE role = 'latency_p99_ms' AND hour_at >= $start AND hour_at < $stop
GROUP BY ALL ORDER BY ALL
"""

COMPLETENESS = """
SELECT
    loader_code, day_at AS day, windows_expected AS expected, windows_captured AS captured, windows_late AS late,
    windows_empty AS empty, windows_missing AS missing, quarantined_rows AS quarantined
FROM marts.capture_completeness
WHERE day_at >= $start::DATE AND day_at < $stop::DATE
ORDER BY ALL
"""

#: a point that several detectors called is one anomalous point
ANOMALIES = f"""
SELECT replace(series.metric_name, '_', ' ') AS metric_name, {_OF}, anomalies.captured_at::DATE AS day,
    count(DISTINCT (anomalies.series_id, anomalies.captured_at)) AS anomalies
FROM anomalies JOIN series USING (series_id)
WHERE anomalies.is_anomaly AND anomalies.captured_at >= $start AND anomalies.captured_at < $stop
GROUP BY ALL ORDER BY ALL
"""

SIGNALS = """
WITH raw AS (
    SELECT captured_at::DATE AS day, count(*) AS signals FROM signals
    WHERE captured_at >= $start AND captured_at < $stop GROUP BY ALL
), rolled AS (
    SELECT hour_at::DATE AS day, sum(points)::BIGINT AS signals FROM signals_hourly
    WHERE hour_at >= $start AND hour_at < $stop GROUP BY ALL
)
SELECT day, coalesce(raw.signals, rolled.signals) AS signals
FROM raw FULL JOIN rolled USING (day) ORDER BY day
"""

CAPACITY = f"""
WITH newest AS (
    SELECT * FROM capacity WHERE computed_at < $known_by
    QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY computed_at DESC) = 1
)
SELECT replace(series.metric_name, '_', ' ') AS metric_name, {_OF}, coalesce(series.unit, '') AS unit, newest.current,
    newest.limit_value, newest.reaches_at, newest.lower, newest.upper, newest.growth_per_day, newest.recommendation
FROM newest JOIN series USING (series_id)
ORDER BY ALL
"""

FORECASTS = f"""
WITH scores AS (
    SELECT * FROM forecast_scores WHERE computed_at < $known_by
    QUALIFY row_number() OVER (PARTITION BY series_id, model ORDER BY computed_at DESC) = 1
), runs AS (
    SELECT series_id, computed_at, model, avg(forecast) AS mean, min(lower) AS lower, max(upper) AS upper,
        max(epoch(forecast_at) - epoch(computed_at)) / 86400 AS days
    FROM forecasts WHERE computed_at < $known_by GROUP BY series_id, computed_at, model
), newest AS (
    SELECT runs.*, scores.smape, scores.coverage, scores.origins
    FROM runs LEFT JOIN scores USING (series_id, model)
    QUALIFY row_number() OVER (
        PARTITION BY runs.series_id ORDER BY runs.computed_at DESC, coalesce(scores.is_chosen, FALSE) DESC, scores.mase, model
    ) = 1
)
SELECT replace(series.metric_name, '_', ' ') AS metric_name, {_OF}, coalesce(series.unit, '') AS unit, newest.model,
    newest.mean, newest.lower, newest.upper, newest.days, newest.smape, newest.coverage, newest.origins,
    coalesce(list_position(['requests', 'errors', 'latency_p99_ms', 'loader_runs'], roles.role), 9) AS priority
FROM newest JOIN series USING (series_id) LEFT JOIN marts.metric_roles AS roles ON roles.metric_name = series.metric_name
ORDER BY priority, metric_name, subject
"""
