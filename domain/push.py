"""Pushed batches: what a client may send, and which rows are refused with which reason (A17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl

from domain.errors import InputDataError
from domain.loaders.definition import LoaderDefinition
from domain.signals import TIMESTAMP

#: A validated batch.
PUSHED_SCHEMA: dict[str, pl.DataType] = {
    "metric_name": pl.String(),
    "labels": pl.String(),
    "captured_at": TIMESTAMP,
    "metric_value": pl.Float64(),
}
_FIELDS = {"metric_name", "labels", "captured_at", "metric_value"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Instead of labels with a NUL character, which no JSON document ever is.
_HAS_NUL = "\0"
_NAME = r"^[a-z][a-z0-9_]{0,127}$"


@dataclass(frozen=True, slots=True)
class ParsedBatch:
    """Good rows in columns, and the refused ones: (row number from 0, field, reason)."""

    good: pl.DataFrame
    refused: list[tuple[int, str, str]]
    received: int


def parse_batch(
    body: bytes, loader: LoaderDefinition, *, now: datetime, max_rows: int, max_age: timedelta
) -> ParsedBatch:
    """Read `{"signals": [{"metric_name", "labels", "metric_value", "captured_at"}, …]}`.

    `captured_at` is an ISO 8601 instant with zone, or a Unix time in seconds; absent means now. `labels` is an object of
    texts. Other fields are refused: a misspelt `captured_at` must not become now. Rows are judged one by one in columns; the
    batch is usable while one row is good.

    Raises:
        InputDataError: not JSON, not of that shape, or too many rows.
    """
    rows = _read_rows(body, max_rows=max_rows)
    raw = pl.DataFrame(
        {
            "row": range(len(rows)),
            "metric_name": [
                row.get("metric_name") if isinstance(row.get("metric_name"), str) else None for row in rows
            ],
            "labels": [_labels_text(row.get("labels", {})) for row in rows],
            "metric_value": [_number(row.get("metric_value")) for row in rows],
            "captured_at": [_instant_us(row.get("captured_at"), now) for row in rows],
            "stranger": [None if row.keys() <= _FIELDS else min(row.keys() - _FIELDS) for row in rows],
        },
        schema={
            "row": pl.Int64,
            "metric_name": pl.String,
            "labels": pl.String,
            "metric_value": pl.Float64,
            "captured_at": pl.Int64,
            "stranger": pl.String,
        },
        strict=False,
    ).with_columns(pl.col("captured_at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    judged = raw.with_columns(problem=_problem(loader, now=now, max_age=max_age))
    refused = judged.filter(pl.col("problem").is_not_null()).select("row", "problem").rows()
    good = judged.filter(pl.col("problem").is_null()).select(list(PUSHED_SCHEMA))
    split = [(row, *problem.split(": ", 1)) for row, problem in refused]
    return ParsedBatch(good=good, refused=[(row, field, reason) for row, field, reason in split], received=len(rows))


def _read_rows(body: bytes, *, max_rows: int) -> list[dict[str, Any]]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputDataError(f"the body is not JSON: {error}", suggestion='send {"signals": [...]}') from None
    rows = document.get("signals") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputDataError(
            "the body has no list `signals` of objects", suggestion='send {"signals": [{"metric_name": …}]}'
        )
    if not rows:
        raise InputDataError("the batch is empty", suggestion="send at least one signal")
    if len(rows) > max_rows:
        raise InputDataError(f"{len(rows)} signals in one batch, at most {max_rows}", suggestion="split the batch")
    return rows


def _labels_text(labels: object) -> str | None:
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        return None
    if any("\0" in text for pair in labels.items() for text in pair):
        return _HAS_NUL
    return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _instant_us(value: object, now: datetime) -> int | None:
    """Microseconds since the epoch; None for what is no instant."""
    try:
        if value is None:
            return (now - _EPOCH) // _MICROSECOND
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return None if at.tzinfo is None else (at - _EPOCH) // _MICROSECOND
        number = _number(value)
        return None if number is None else round(number * 1_000_000)
    except (ValueError, OverflowError):
        return None


def _problem(loader: LoaderDefinition, *, now: datetime, max_age: timedelta) -> pl.Expr:
    name, value, at = pl.col("metric_name"), pl.col("metric_value"), pl.col("captured_at")
    known = [metric.metric_name for metric in loader.push]
    latest = now + timedelta(seconds=loader.future_tolerance_s)
    is_foreign = pl.lit(value=False) if loader.accepts_any_metric else ~name.is_in(known)
    return (
        pl.when(pl.col("stranger").is_not_null())
        .then(
            pl.format("{}: no field of a signal; these are metric_name, labels, metric_value, captured_at", "stranger")
        )
        .when(name.is_null() | ~name.str.contains(_NAME))
        .then(pl.lit(f"metric_name: text matching {_NAME} is expected"))
        .when(is_foreign)
        .then(pl.lit(f"metric_name: {loader.code} accepts only {', '.join(known)}"))
        .when(pl.col("labels").is_null())
        .then(pl.lit("labels: an object of texts is expected"))
        .when(pl.col("labels") == _HAS_NUL)
        .then(pl.lit("labels: no name or value may hold a NUL character"))
        .when(value.is_null())
        .then(pl.lit("metric_value: a number is expected"))
        .when(~value.is_finite())
        .then(pl.lit("metric_value: a finite number is expected"))
        .when(at.is_null())
        .then(pl.lit("captured_at: ISO 8601 with zone, or Unix seconds, is expected"))
        .when(at > latest)
        .then(pl.lit("captured_at: lies in the future; check the clock of the sender"))
        .when(at < now - max_age)
        .then(pl.lit(f"captured_at: older than the {max_age.days} days that raw signals are kept"))
    )
