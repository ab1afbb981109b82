"""What a source hands to capture: series and their points in columns, what it had to set aside, and what it cost.

This is the contract between the source adapters in resources/ and `domain.capture`. Adapters translate, they do not
judge: NaN, infinities, duplicates and caps are handled by `domain.capture` for all sources alike. Only what cannot be
expressed as a point (text where a number belongs, no timestamp) is quarantined by the adapter itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from domain.signals import TIMESTAMP
from domain.vocabulary import QuarantineReason

#: Points of an answer: `series_index` points into `Answer.series`.
ANSWER_POINTS_SCHEMA: dict[str, pl.DataType] = {
    "series_index": pl.UInt32(),
    "captured_at": TIMESTAMP,
    "metric_value": pl.Float64(),
}

#: Log lines of an answer (Elasticsearch loaders with `log_lines`). `doc_id` makes a repeated capture idempotent.
LOG_LINES_SCHEMA: dict[str, pl.DataType] = {
    "doc_id": pl.String(),
    "logged_at": TIMESTAMP,
    "service": pl.String(),
    "level": pl.String(),
    "message": pl.String(),
    "correlation_id": pl.String(),
}


@dataclass(frozen=True, slots=True)
class AnswerSeries:
    """One series of an answer, before it has an id."""

    metric_name: str
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A row set aside, with everything needed to mend and replay it."""

    metric_name: str
    labels: dict[str, str]
    captured_at: datetime | None
    raw_value: str
    reason: QuarantineReason
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything one loader got from its source for one contiguous range.

    Attributes:
        series: distinct series, referenced by `points.series_index`.
        points: frame of ANSWER_POINTS_SCHEMA, in any order.
        quarantined: rows the adapter could not express as points.
        log_lines: frame of LOG_LINES_SCHEMA, empty for statistics loaders.
        requests: how many calls to the source it took.
        effective_step_s: the resolution really used where the source forced a coarser one, else None.
        dropped_series: how many further series the source reported but the adapter did not fetch, because a guard of the
            loader (`max_series`) stopped it; 0 when everything was fetched.
        batch_ids: push inbox batches contained in this answer; they are removed once the lake has committed.
    """

    series: list[AnswerSeries]
    points: pl.DataFrame
    quarantined: list[QuarantinedRow] = field(default_factory=list)
    log_lines: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LOG_LINES_SCHEMA))
    requests: int = 0
    effective_step_s: float | None = None
    dropped_series: int = 0
    batch_ids: list[str] = field(default_factory=list)


def empty_answer() -> Answer:
    """An answer that says: the source is well and has nothing for this range."""
    return Answer(series=[], points=pl.DataFrame(schema=ANSWER_POINTS_SCHEMA))
