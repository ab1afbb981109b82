-- The signals and everything derived from them. One statement per semicolon. All instants are UTC.

CREATE TABLE series (
    series_id BIGINT, loader_code VARCHAR, metric_name VARCHAR, labels JSON,
    kind VARCHAR, unit VARCHAR, limit_value DOUBLE, lead_time_days DOUBLE, step_s DOUBLE, first_seen_at TIMESTAMPTZ);

CREATE TABLE signals (
    series_id BIGINT, captured_at TIMESTAMPTZ, metric_value DOUBLE, ingested_at TIMESTAMPTZ);
ALTER TABLE signals SET PARTITIONED BY (year(captured_at), month(captured_at), day(captured_at));
ALTER TABLE signals SET SORTED BY (series_id ASC, captured_at ASC);

-- every attempt to capture one window of one loader; the view capture_ledger shows the last word on each window
CREATE TABLE capture_attempts (
    loader_code VARCHAR, loader_version INTEGER, window_start TIMESTAMPTZ, window_end TIMESTAMPTZ,
    outcome VARCHAR, is_backfill BOOLEAN, signal_rows BIGINT, late_rows BIGINT, series_count BIGINT,
    quarantined_rows BIGINT, dropped_series BIGINT, counter_resets BIGINT, digest UBIGINT, effective_step_s DOUBLE,
    error_type VARCHAR, reason VARCHAR, suggestion VARCHAR, duration_ms DOUBLE, run_id VARCHAR, correlation_id VARCHAR,
    recorded_at TIMESTAMPTZ);
ALTER TABLE capture_attempts SET PARTITIONED BY (year(window_start), month(window_start));
ALTER TABLE capture_attempts SET SORTED BY (loader_code ASC, window_start ASC);

CREATE TABLE watermarks (loader_code VARCHAR, complete_until TIMESTAMPTZ, updated_at TIMESTAMPTZ);

CREATE TABLE quarantine (
    loader_code VARCHAR, metric_name VARCHAR, labels JSON, captured_at TIMESTAMPTZ, raw_value VARCHAR, reason VARCHAR,
    detail VARCHAR, quarantined_at TIMESTAMPTZ, correlation_id VARCHAR);
ALTER TABLE quarantine SET PARTITIONED BY (year(quarantined_at), month(quarantined_at), day(quarantined_at));

CREATE TABLE log_lines (
    loader_code VARCHAR, doc_id VARCHAR, logged_at TIMESTAMPTZ, service VARCHAR, level VARCHAR, message VARCHAR,
    correlation_id VARCHAR, ingested_at TIMESTAMPTZ);
ALTER TABLE log_lines SET PARTITIONED BY (year(logged_at), month(logged_at), day(logged_at));

-- rollups: hourly while raw is kept and after it, daily for ever
CREATE TABLE signals_hourly (
    series_id BIGINT, hour_at TIMESTAMPTZ, points BIGINT, mean DOUBLE, std DOUBLE, minimum DOUBLE, maximum DOUBLE,
    p50 DOUBLE, p95 DOUBLE, last_value DOUBLE, total DOUBLE);
ALTER TABLE signals_hourly SET PARTITIONED BY (year(hour_at), month(hour_at));
ALTER TABLE signals_hourly SET SORTED BY (series_id ASC, hour_at ASC);
CREATE TABLE signals_daily (
    series_id BIGINT, day_at TIMESTAMPTZ, points BIGINT, mean DOUBLE, minimum DOUBLE, maximum DOUBLE, last_value DOUBLE, total DOUBLE);
ALTER TABLE signals_daily SET PARTITIONED BY (year(day_at));

-- how far each maintenance step has come, by ingestion time
CREATE TABLE progress_marks (name VARCHAR, reached_at TIMESTAMPTZ);

-- periods to leave out of baselines; service NULL means everything
CREATE TABLE incident_periods (incident_id VARCHAR, service VARCHAR, started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, source VARCHAR);

-- one file per set, so not partitioned: that would triple the cost of writing two million rows.
-- spread: standard error of a prediction; expected at t: mean + slope_per_day * (days from computed_at to t + age_days)
CREATE TABLE baselines (
    series_id BIGINT, level VARCHAR, bucket SMALLINT, points UINTEGER, mean DOUBLE, std DOUBLE, median DOUBLE, mad DOUBLE,
    spread DOUBLE, robust_spread DOUBLE, degrees REAL, slope_per_day DOUBLE, slope_std DOUBLE, age_days REAL,
    computed_at TIMESTAMPTZ);

CREATE TABLE anomalies (
    series_id BIGINT, captured_at TIMESTAMPTZ, metric_value DOUBLE, expected DOUBLE, lower DOUBLE, upper DOUBLE, score DOUBLE,
    detector VARCHAR, is_anomaly BOOLEAN, level VARCHAR, detected_at TIMESTAMPTZ);
ALTER TABLE anomalies SET PARTITIONED BY (year(captured_at), month(captured_at), day(captured_at));

CREATE TABLE control_charts (
    series_id BIGINT, captured_at TIMESTAMPTZ, chart VARCHAR, statistic DOUBLE, center DOUBLE, lower DOUBLE, upper DOUBLE,
    is_out_of_control BOOLEAN, computed_at TIMESTAMPTZ);
ALTER TABLE control_charts SET PARTITIONED BY (year(captured_at), month(captured_at), day(captured_at));

CREATE TABLE seasonality (
    series_id BIGINT, period_s DOUBLE, period_steps DOUBLE, strength DOUBLE, rank INTEGER, computed_at TIMESTAMPTZ);

CREATE TABLE peak_periods (
    series_id BIGINT, cycle VARCHAR, weekday TINYINT, hour TINYINT, peak_mean DOUBLE, mean DOUBLE, peak_ratio DOUBLE,
    observations UINTEGER, computed_at TIMESTAMPTZ);

CREATE TABLE forecasts (
    series_id BIGINT, computed_at TIMESTAMPTZ, model VARCHAR, step INTEGER, forecast_at TIMESTAMPTZ, forecast DOUBLE,
    lower DOUBLE, upper DOUBLE);
CREATE TABLE forecast_scores (
    series_id BIGINT, model VARCHAR, mase DOUBLE, smape DOUBLE, coverage DOUBLE, origins INTEGER, weight DOUBLE, is_chosen BOOLEAN,
    computed_at TIMESTAMPTZ);

CREATE TABLE forecast_refusals (series_id BIGINT, reason VARCHAR, computed_at TIMESTAMPTZ);

CREATE TABLE capacity (
    series_id BIGINT, computed_at TIMESTAMPTZ, current DOUBLE, limit_value DOUBLE, reaches_at TIMESTAMPTZ, lower TIMESTAMPTZ,
    upper TIMESTAMPTZ, growth_per_day DOUBLE, probability DOUBLE, recommendation VARCHAR, capacity_factor DOUBLE,
    recommend_at TIMESTAMPTZ);
CREATE TABLE capacity_refusals (series_id BIGINT, reason VARCHAR, computed_at TIMESTAMPTZ);

CREATE TABLE log_templates (
    template_id VARCHAR, template VARCHAR, name VARCHAR, lines BIGINT, first_seen_at TIMESTAMPTZ, last_seen_at TIMESTAMPTZ);
CREATE TABLE log_template_counts (
    template_id VARCHAR, window_start TIMESTAMPTZ, service VARCHAR, lines BIGINT);
CREATE TABLE log_pattern_findings (
    template_id VARCHAR, window_start TIMESTAMPTZ, service VARCHAR, kind VARCHAR, lines BIGINT, expected DOUBLE, score DOUBLE,
    reason VARCHAR, detected_at TIMESTAMPTZ);
CREATE TABLE miner_state (name VARCHAR, state VARCHAR, reached_at TIMESTAMPTZ);

-- the columns of the proposal
CREATE VIEW signals_wide AS
SELECT s.loader_code, s.metric_name, s.labels, g.metric_value, g.captured_at, g.series_id, g.ingested_at
FROM signals AS g JOIN series AS s USING (series_id);

-- the last word on each window: a success outlives every failure, the newest success wins
CREATE VIEW capture_ledger AS
SELECT *, window_end <= now() AS is_expected FROM capture_attempts
QUALIFY row_number() OVER (PARTITION BY loader_code, window_start ORDER BY (outcome <> 'missing') DESC, recorded_at DESC) = 1;
