"""From an answer to signals: the stated rules for every value that is not simply good, the same for all sources.

Rules, in this order:
- a label value longer than `max_label_bytes` is shortened to a prefix and a hash (identity stays unique); the full value
  goes to quarantine as LABEL_TOO_LONG and the series is kept;
- null and NaN → quarantine NOT_A_NUMBER; ±Inf → INFINITE;
- later than now + `future_tolerance_s` → IN_THE_FUTURE; outside the windows asked for → OUTSIDE_WINDOW;
- the same instant twice in a series: equal values collapse, otherwise the last delivered stays, the others go to
  quarantine as DUPLICATE_TIMESTAMP;
- more than `max_series` series: the ones with the largest sum of |value| stay (ties by id), the rest is counted and named
  in one quarantine row as SERIES_CAP;
- a counter that falls is kept as it is (the reset is truth; `increase` over it is the reader's) and counted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from domain.answers import Answer, AnswerSeries, QuarantinedRow
from domain.capture.windows import WindowRange
from domain.loaders.definition import LoaderDefinition
from domain.signals import canonical_labels, compute_series_id
from domain.vocabulary import MetricKind, QuarantineReason

QUARANTINE_SCHEMA: dict[str, pl.DataType] = {
    "metric_name": pl.String(),
    "labels": pl.String(),
    "captured_at": pl.Datetime("us", "UTC"),
    "raw_value": pl.String(),
    "reason": pl.String(),
    "detail": pl.String(),
}
_MAX_RAW = 65_536


@dataclass(frozen=True, slots=True)
class CapturedRange:
    """What one answer became.

    Attributes:
        series: series_id, metric_name, labels, kind, unit, limit_value, lead_time_days — one row per kept series.
        signals: series_id, captured_at, metric_value, window (index into the window range), sorted by series and time.
        quarantine: QUARANTINE_SCHEMA.
        windows: one row per window: window, signal_rows, series_count, quarantined_rows, counter_resets, digest. The digest
            is equal if and only if the window's signals are (up to hash collisions), whatever range it was fetched in.
        dropped_series: series cut off by the cap, by the adapter or here.
    """

    series: pl.DataFrame
    signals: pl.DataFrame
    quarantine: pl.DataFrame
    windows: pl.DataFrame
    dropped_series: int


def normalise_answer(
    definition: LoaderDefinition, answer: Answer, *, windows: WindowRange, now: datetime
) -> CapturedRange:
    """Apply the rules above to everything a source answered for the given windows.

    No data gives empty frames and one row of zeros per window.
    """
    series, label_quarantine = _identify(definition, answer.series)
    # per row only numbers: names and labels of two million rows would cost hundreds of megabytes
    index = answer.points["series_index"]
    points = answer.points.with_row_index("delivery").with_columns(
        series_id=series["series_id"].gather(index),
        is_counter=(series["kind"] == MetricKind.COUNTER.value).gather(index),
    )
    latest = now + timedelta(seconds=definition.future_tolerance_s)
    points, rejected = _reject(points, series, windows=windows, latest=latest)
    points, duplicates = _drop_duplicates(points, series)
    kept, capped = _cap_series(points, max_series=definition.max_series)
    signals = _with_window(kept, windows).select("series_id", "captured_at", "metric_value", "window", "is_counter")
    quarantine = pl.concat(
        [
            rejected,
            duplicates,
            _adapter_rows(answer.quarantined),
            label_quarantine,
            *_cap_row(capped, answer, definition),
        ]
    )
    kept_series = series.join(signals.select("series_id").unique(), on="series_id", how="semi")
    return CapturedRange(
        series=kept_series.drop("series_index").unique("series_id", keep="first", maintain_order=True),
        signals=signals.drop("is_counter"),
        quarantine=quarantine,
        windows=_describe_windows(signals, quarantine, windows),
        dropped_series=capped.height + answer.dropped_series,
    )


def _identify(definition: LoaderDefinition, answered: list[AnswerSeries]) -> tuple[pl.DataFrame, pl.DataFrame]:
    names, texts, ids = [], [], []
    long_labels: list[dict[str, Any]] = []
    for one in answered:  # per distinct series, not per row: identity is a hash of text
        labels = {k: _shorten(v, definition.max_label_bytes) for k, v in one.labels.items()}
        text = canonical_labels(labels)
        names.append(one.metric_name)
        texts.append(text)
        ids.append(compute_series_id(definition.code, one.metric_name, text))
        long_labels.extend(
            _quarantine_row(
                one.metric_name,
                text,
                at=None,
                raw=value[:_MAX_RAW],
                reason=QuarantineReason.LABEL_TOO_LONG,
                detail=f"label {name!r} has {len(value.encode())} bytes; kept shortened to {definition.max_label_bytes}",
            )
            for name, value in one.labels.items()
            if labels[name] != value
        )
    series = pl.DataFrame(
        {"series_id": ids, "metric_name": names, "labels": texts},
        schema={"series_id": pl.Int64, "metric_name": pl.String, "labels": pl.String},
    ).with_row_index("series_index")
    described = series.join(_metric_facts(definition), on="metric_name", how="left", maintain_order="left")
    return (
        described.with_columns(
            pl.col("kind").fill_null(MetricKind.GAUGE.value), pl.col("unit").fill_null("")
        ),  # pushed metrics that the definition does not list
        pl.DataFrame(long_labels, schema=QUARANTINE_SCHEMA),
    )


def _metric_facts(definition: LoaderDefinition) -> pl.DataFrame:
    """What the definition says of each metric: kind, unit, limit and lead time."""
    rows = [
        {
            "metric_name": metric.metric_name,
            "kind": metric.kind.value,
            "unit": metric.unit,
            "limit_value": metric.limit.value * metric.limit.warn_at_pct / 100 if metric.limit else None,
            "lead_time_days": metric.limit.lead_time_days if metric.limit else None,
        }
        for metric in definition.metrics
    ]
    schema = {
        "metric_name": pl.String(),
        "kind": pl.String(),
        "unit": pl.String(),
        "limit_value": pl.Float64(),
        "lead_time_days": pl.Float64(),
    }
    return pl.DataFrame(rows, schema=schema).unique("metric_name", keep="last")


def _shorten(value: str, max_bytes: int) -> str:
    raw = value.encode()
    if len(raw) <= max_bytes:
        return value
    digest = hashlib.blake2b(raw, digest_size=6).hexdigest()
    return raw[: max(1, max_bytes - 15)].decode(errors="ignore") + "…" + digest


def _quarantine_row(
    metric_name: str, labels: str, *, at: datetime | None, raw: str, reason: QuarantineReason, detail: str
) -> dict[str, Any]:
    return {
        "metric_name": metric_name,
        "labels": labels,
        "captured_at": at,
        "raw_value": raw,
        "reason": reason.value,
        "detail": detail,
    }


def _adapter_rows(rows: list[QuarantinedRow]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            _quarantine_row(
                r.metric_name,
                canonical_labels(r.labels),
                at=r.captured_at,
                raw=r.raw_value,
                reason=r.reason,
                detail=r.detail,
            )
            for r in rows
        ],
        schema=QUARANTINE_SCHEMA,
    )


def _reject(
    points: pl.DataFrame, series: pl.DataFrame, *, windows: WindowRange, latest: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    value, at = pl.col("metric_value"), pl.col("captured_at")
    is_good = value.is_finite() & (at >= windows.start) & (at < windows.end) & (at <= latest)
    mask = points.select(is_good.fill_null(value=False)).to_series()
    if mask.all():
        return points, pl.DataFrame(schema=QUARANTINE_SCHEMA)
    reason = (
        pl.when(value.is_null() | value.is_nan())
        .then(pl.lit(QuarantineReason.NOT_A_NUMBER.value))
        .when(value.is_infinite())
        .then(pl.lit(QuarantineReason.INFINITE.value))
        .when(at.is_null())
        .then(pl.lit(QuarantineReason.MISSING_TIMESTAMP.value))
        .when(at > latest)
        .then(pl.lit(QuarantineReason.IN_THE_FUTURE.value))
        .otherwise(pl.lit(QuarantineReason.OUTSIDE_WINDOW.value))
    )
    detail = pl.lit(
        f"asked for [{windows.start.isoformat()}, {windows.end.isoformat()}), accepted until {latest.isoformat()}"
    )
    return points.filter(mask), _as_quarantine(points.filter(~mask).with_columns(reason=reason), series, detail)


def _as_quarantine(bad: pl.DataFrame, series: pl.DataFrame, detail: pl.Expr) -> pl.DataFrame:
    named = bad.join(
        series.select("series_index", "metric_name", "labels"), on="series_index", how="left", maintain_order="left"
    )
    return named.select(
        "metric_name",
        "labels",
        "captured_at",
        raw_value=pl.col("metric_value").cast(pl.String),
        reason=pl.col("reason"),
        detail=detail,
    ).cast(QUARANTINE_SCHEMA)  # type: ignore[arg-type]


def _drop_duplicates(points: pl.DataFrame, series: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    ordered = points.sort("series_id", "captured_at", "delivery")
    differs = (pl.col("series_id") != pl.col("series_id").shift(-1)) | (
        pl.col("captured_at") != pl.col("captured_at").shift(-1)
    )
    is_last = ordered.select(differs.fill_null(value=True)).to_series()
    if is_last.all():
        return ordered, pl.DataFrame(schema=QUARANTINE_SCHEMA)
    marked = ordered.with_columns(is_last=is_last)
    winner = pl.col("metric_value").filter(pl.col("is_last")).first().over("series_id", "captured_at")
    losers = (
        marked.with_columns(winner=winner)
        .filter(~pl.col("is_last") & (pl.col("metric_value") != pl.col("winner")))
        .with_columns(reason=pl.lit(QuarantineReason.DUPLICATE_TIMESTAMP.value))
    )
    detail = pl.format("the later delivered value {} was kept", pl.col("winner"))
    return ordered.filter(is_last), _as_quarantine(losers, series, detail)


def _cap_series(points: pl.DataFrame, *, max_series: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    totals = points.group_by("series_id").agg(weight=pl.col("metric_value").abs().sum())
    if totals.height <= max_series:
        return points, totals.clear()
    ranked = totals.sort(["weight", "series_id"], descending=[True, False])
    dropped = ranked.tail(ranked.height - max_series)
    return points.join(dropped, on="series_id", how="anti"), dropped


def _cap_row(capped: pl.DataFrame, answer: Answer, definition: LoaderDefinition) -> list[pl.DataFrame]:
    dropped = capped.height + answer.dropped_series
    if not dropped:
        return []
    detail = (
        f"{dropped} series over max_series={definition.max_series} were not kept; the ones with the largest values were. "
        "Aggregate the query (sum by …) or raise max_series"
    )
    row = _quarantine_row("", "{}", at=None, raw=str(dropped), reason=QuarantineReason.SERIES_CAP, detail=detail)
    return [pl.DataFrame([row], schema=QUARANTINE_SCHEMA)]


def _window_index(at: pl.Series, windows: WindowRange) -> np.ndarray[Any, Any]:
    seconds = at.dt.epoch("us").to_numpy()
    edges = windows.edges.astype("datetime64[us]").astype(np.int64)
    return np.searchsorted(edges, seconds, side="right") - 1


def _with_window(points: pl.DataFrame, windows: WindowRange) -> pl.DataFrame:
    return points.with_columns(window=pl.Series(_window_index(points["captured_at"], windows), dtype=pl.Int32))


def _describe_windows(signals: pl.DataFrame, quarantine: pl.DataFrame, windows: WindowRange) -> pl.DataFrame:
    falls = (
        (pl.col("metric_value").diff() < 0)
        & (pl.col("series_id") == pl.col("series_id").shift(1))
        & pl.col("is_counter")
    )
    counted = (
        signals.with_columns(fell=falls.fill_null(value=False))
        .group_by("window")
        .agg(
            signal_rows=pl.len(),
            series_count=pl.col("series_id").n_unique(),
            counter_resets=pl.col("fell").sum().cast(pl.Int64),
            digest=pl.struct("series_id", "captured_at", "metric_value").hash(seed=0).sum(),
        )
    )
    at = quarantine.filter(pl.col("captured_at").is_not_null())
    inside = at.filter((pl.col("captured_at") >= windows.start) & (pl.col("captured_at") < windows.end))
    rejected = _with_window(inside, windows).group_by("window").agg(quarantined_rows=pl.len())
    every = pl.DataFrame({"window": np.arange(windows.count, dtype=np.int32)})
    return (
        every.join(counted, on="window", how="left")
        .join(rejected, on="window", how="left")
        .with_columns(
            pl.col("signal_rows", "series_count", "quarantined_rows").fill_null(0).cast(pl.Int64),
            pl.col("counter_resets").fill_null(0),
            pl.col("digest").fill_null(0),
        )
        .sort("window")
    )
