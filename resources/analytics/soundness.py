"""What must never be true of a derived table, one SELECT per check: it counts the rows that break the rule."""

from __future__ import annotations

from dataclasses import dataclass

from resources.lake.connection import Lake


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a table: what must hold, in words, and the count of rows for which it does not."""

    name: str
    text: str
    sql: str


RULES: dict[str, list[Rule]] = {
    "log_lines": [
        Rule("uniqueness", "No document is there twice (last day).",
             "SELECT count(*) - count(DISTINCT (loader_code, doc_id)) FROM log_lines WHERE logged_at >= now() - INTERVAL 1 DAY"),
    ],
    "quarantine": [
        Rule("reasons", "Every row says why it was set aside.", "SELECT count(*) FROM quarantine WHERE reason IS NULL OR detail IS NULL"),
    ],
    "incident_periods": [
        Rule("range", "Every period ends after it began.", "SELECT count(*) FROM incident_periods WHERE ended_at <= started_at"),
    ],
    "control_charts": [
        Rule("uniqueness", "One verdict per series, chart and instant.",
             "SELECT count(*) - count(DISTINCT (series_id, chart, captured_at)) FROM control_charts"),
    ],
    "log_patterns": [
        Rule("completeness", "Every line that was mined is counted once.",
             "SELECT abs((SELECT coalesce(sum(lines), 0) FROM log_template_counts)::BIGINT - (SELECT count(*) FROM log_lines WHERE"
             " ingested_at <= coalesce((SELECT max(reached_at) FROM miner_state), '1970-01-01')))"),
    ],
    "seasonality": [
        Rule("range", "Strengths lie between 0 and 1, periods are longer than a step.",
             "SELECT count(*) FROM seasonality WHERE strength < 0 OR strength > 1.000001 OR period_steps < 2"),
    ],
    "forecasts": [
        Rule("range", "Every forecast lies inside its own interval.",
             "SELECT count(*) FROM forecasts WHERE isnan(forecast) OR lower > forecast + 1e-9 * (1 + abs(forecast))"
             " OR upper < forecast - 1e-9 * (1 + abs(forecast))"),
    ],
    "capacity": [
        Rule("range", "Dates lie inside their interval and in the future; probabilities between 0 and 1.",
             "SELECT count(*) FROM capacity WHERE probability < 0 OR probability > 1 OR (reaches_at IS NOT NULL AND current < limit_value"
             " AND (reaches_at < computed_at OR lower > reaches_at OR upper < reaches_at))"),
    ],
}  # fmt: skip


def count_violations(lake: Lake, rule: Rule) -> int:
    """Rows that break the rule; 0 when all is well."""
    return int(lake.query(rule.sql).row(0)[0])
