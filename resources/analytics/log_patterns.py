"""Log templates in the lake (C5): lines captured since the last look are mined, counted and judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from domain.log_patterns.bursts import detect_new_and_bursting
from domain.log_patterns.miner import mine_templates
from domain.log_patterns.state import MinerState
from resources.lake.connection import Lake

_WINDOW = timedelta(minutes=15)
_LOOK_BACK = timedelta(days=7)
_NAME = "log_lines"


@dataclass(frozen=True, slots=True)
class LogPatternResult:
    """Lines mined now, templates known, findings of this look."""

    lines: int
    templates: int
    findings: pl.DataFrame


def refresh_log_patterns(lake: Lake, *, now: datetime) -> LogPatternResult:
    """Mine new lines, add to the counts per template, service and quarter of an hour, look for new and bursting ones."""
    state, mark = _read_state(lake)
    lines = lake.query(
        "SELECT message, service, logged_at, ingested_at FROM log_lines WHERE ingested_at > ? ORDER BY ingested_at, logged_at",
        [mark],
    )
    if lines.is_empty():
        return LogPatternResult(0, len(_templates(state)), pl.DataFrame())
    state, ids = mine_templates(lines["message"].fill_null(""), state)
    placed = lines.with_columns(template_id=ids["template_id"], window_start=pl.col("logged_at").dt.truncate("15m"))
    counts = placed.group_by("template_id", "window_start", pl.col("service").fill_null("")).agg(
        lines=pl.len().cast(pl.Int64)
    )
    seen = placed.group_by("template_id").agg(first=pl.col("logged_at").min(), last=pl.col("logged_at").max())
    reached = lines["ingested_at"].max()
    assert isinstance(reached, datetime)
    first_window = placed["window_start"].min()
    assert isinstance(first_window, datetime)

    def work(inner: Lake) -> pl.DataFrame:
        inner.insert("log_template_counts", counts)
        _write_templates(inner, state, seen)
        findings = _judge(inner, state, since=first_window, now=now)
        inner.execute("DELETE FROM miner_state WHERE name = ?", [_NAME])
        inner.execute("INSERT INTO miner_state VALUES (?, ?, ?)", [_NAME, state.to_json(), reached])
        return findings

    findings = lake.write("log_patterns", work)
    return LogPatternResult(lines.height, len(_templates(state)), findings)


def _templates(state: MinerState) -> pl.DataFrame:
    return state.templates()


def _read_state(lake: Lake) -> tuple[MinerState, datetime]:
    rows = lake.query("SELECT state, reached_at FROM miner_state WHERE name = ?", [_NAME])
    if rows.is_empty():
        return MinerState(), datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return MinerState.from_json(rows["state"][0]), rows["reached_at"][0]


def _write_templates(lake: Lake, state: MinerState, seen: pl.DataFrame) -> None:
    known = lake.query("SELECT template_id, first_seen_at, last_seen_at FROM log_templates")
    frame = (
        _templates(state)
        .join(known, on="template_id", how="left")
        .join(seen, on="template_id", how="left")
        .select(
            "template_id",
            pl.col("typed_template").alias("template"),
            "name",
            pl.col("count").alias("lines"),
            first_seen_at=pl.min_horizontal("first_seen_at", "first"),
            last_seen_at=pl.max_horizontal("last_seen_at", "last"),
        )
    )
    lake.execute("DELETE FROM log_templates")
    lake.insert("log_templates", frame)


def _judge(lake: Lake, state: MinerState, *, since: datetime, now: datetime) -> pl.DataFrame:
    counts = lake.query(
        "SELECT template_id, window_start, service, sum(lines)::BIGINT AS count FROM log_template_counts"
        " WHERE window_start >= ? GROUP BY ALL",
        [since - _LOOK_BACK],
    )
    aliases = state.aliases()
    if aliases.height:
        counts = (
            counts.join(aliases, on="template_id", how="left")
            .with_columns(template_id=pl.coalesce("current_template_id", "template_id"))
            .drop("current_template_id")
        )
    findings = (
        detect_new_and_bursting(counts, since=since).rename({"count": "lines"}).with_columns(detected_at=pl.lit(now))
    )
    lake.execute("DELETE FROM log_pattern_findings WHERE window_start >= ?", [since])
    lake.insert("log_pattern_findings", findings)
    return findings
