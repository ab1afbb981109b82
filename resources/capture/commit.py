"""One lake transaction for many captured pieces: signals, series, quarantine, ledger and watermarks together.

A window is written when it is new or when its digest differs from what the ledger holds; then its old rows are replaced.
So a window is there once, whoever captures it how often, and a kill at any point leaves either all of a group or nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from domain.capture.windows import Ticks
from domain.loaders.definition import LoaderDefinition
from domain.vocabulary import SourceKind, WindowOutcome
from resources.capture.outcomes import Failed, Fetched, LoaderOutcome
from resources.lake.connection import Lake

#: Tables of this lock: series, signals, log_lines, quarantine, capture_attempts, watermarks.
SIGNALS_LOCK = "signals"
_LATE_GRACE_S = 300.0


def commit_pieces(
    lake: Lake,
    fetched: list[Fetched],
    failed: list[Failed],
    *,
    now: datetime,
    ingested_at: datetime,
    run_id: str,
    correlation_id: str,
) -> dict[str, LoaderOutcome]:
    """Write a group; returns one outcome per loader. Runs inside `Lake.write(SIGNALS_LOCK, …)`."""
    attempts = _attempts(fetched, failed)
    known = _known_windows(lake, attempts)
    attempts = _judge(attempts.join(known, on=["loader_code", "window_start"], how="left"), now=now)
    changed = attempts.filter("is_written")
    _replace_signals(lake, fetched, changed, now=ingested_at)
    _add_series(lake, fetched, now=now)
    lines = _add_log_lines(lake, fetched, now=ingested_at)
    _add_quarantine(lake, fetched, changed, now=now, correlation_id=correlation_id)
    columns = (
        pl.lit(run_id).alias("run_id"),
        pl.lit(correlation_id).alias("correlation_id"),
        pl.lit(now).alias("recorded_at"),
    )
    stored = changed.with_columns(*columns).drop(
        "due_at",
        "period_s",
        "is_new",
        "is_written",
        "known_rows",
        "known_digest",
        "known_quarantined",
        "known_outcome",
        "is_push",
        "piece",
    )
    lake.insert("capture_attempts", stored)
    _move_watermarks(lake, fetched, now=now)
    return _outcomes(fetched, failed, attempts, lines)


def _attempts(fetched: list[Fetched], failed: list[Failed]) -> pl.DataFrame:
    frames = [_fetched_attempts(index, one) for index, one in enumerate(fetched)]
    frames += [_failed_attempts(one) for one in failed]
    return pl.concat(frames, how="diagonal")


def _windows_frame(one: Fetched | Failed) -> pl.DataFrame:
    piece = one.piece
    definition = piece.loader.definition
    edges = _instants(piece.windows.edges)
    return pl.DataFrame({"window_start": edges[:-1], "window_end": edges[1:]}).with_columns(
        loader_code=pl.lit(definition.code),
        loader_version=pl.lit(piece.loader.version, dtype=pl.Int32),
        is_backfill=pl.lit(piece.is_backfill),
        duration_ms=pl.lit(one.duration_ms),
        due_at=pl.col("window_end") + pl.duration(milliseconds=int(definition.due_latency_s * 1000)),
        period_s=(pl.col("window_end") - pl.col("window_start")).dt.total_seconds(),
        is_push=pl.lit(definition.source is SourceKind.PUSH),
        is_new=pl.col("window_start") >= piece.due_start,
    )


def _fetched_attempts(index: int, one: Fetched) -> pl.DataFrame:
    windows = pl.concat([_windows_frame(one), one.captured.windows.drop("window")], how="horizontal")
    frame = windows.with_columns(
        piece=pl.lit(index, dtype=pl.Int32),
        dropped_series=pl.lit(one.captured.dropped_series, dtype=pl.Int64),
        effective_step_s=pl.lit(one.answer.effective_step_s, dtype=pl.Float64),
        error_type=pl.lit(None, dtype=pl.String),
        reason=pl.lit(None, dtype=pl.String),
        suggestion=pl.lit(None, dtype=pl.String),
    )
    if (
        one.piece.loader.definition.source is SourceKind.PUSH
    ):  # a pushed batch adds to windows, it does not describe them
        frame = frame.filter((pl.col("signal_rows") > 0) | (pl.col("quarantined_rows") > 0))
    return frame


def _failed_attempts(one: Failed) -> pl.DataFrame:
    return (
        _windows_frame(one)
        .filter("is_new")
        .with_columns(
            piece=pl.lit(-1, dtype=pl.Int32),
            signal_rows=pl.lit(0, dtype=pl.Int64),
            series_count=pl.lit(0, dtype=pl.Int64),
            quarantined_rows=pl.lit(0, dtype=pl.Int64),
            counter_resets=pl.lit(0, dtype=pl.Int64),
            dropped_series=pl.lit(0, dtype=pl.Int64),
            digest=pl.lit(0, dtype=pl.UInt64),
            effective_step_s=pl.lit(None, dtype=pl.Float64),
            error_type=pl.lit(one.error.error_type),
            reason=pl.lit(one.error.reason[:1000]),
            suggestion=pl.lit(one.error.suggestion),
        )
    )


def _known_windows(lake: Lake, attempts: pl.DataFrame) -> pl.DataFrame:
    bounds = attempts.select(low=pl.col("window_start").min(), high=pl.col("window_start").max()).row(0)
    codes = attempts["loader_code"].unique().to_list()
    return lake.query(
        """
        SELECT loader_code, window_start, arg_max(signal_rows, (outcome <> 'missing', recorded_at)) AS known_rows,
               arg_max(digest, (outcome <> 'missing', recorded_at)) AS known_digest,
               arg_max(quarantined_rows, (outcome <> 'missing', recorded_at)) AS known_quarantined,
               arg_max(outcome, (outcome <> 'missing', recorded_at)) AS known_outcome
        FROM capture_attempts
        WHERE window_start >= ? AND window_start <= ? AND list_contains(?, loader_code)
        GROUP BY ALL
        """,
        [*bounds, codes],
    )


def _judge(attempts: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """Add outcome, late_rows and whether the window has to be written."""
    is_failed = pl.col("piece") < 0
    was_captured = pl.col("known_outcome").is_not_null() & (pl.col("known_outcome") != WindowOutcome.MISSING.value)
    differs = (pl.col("digest") != pl.col("known_digest")) | (pl.col("quarantined_rows") != pl.col("known_quarantined"))
    # a source that came back empty must not erase what was captured: a look-back only adds; capturing a stated range replaces
    shrinks = ~pl.col("is_backfill") & (pl.col("signal_rows") < pl.col("known_rows"))
    grace = pl.max_horizontal(pl.lit(_LATE_GRACE_S), 2.0 * pl.col("period_s"))
    is_late = ~pl.col("is_backfill") & ((pl.lit(now) - pl.col("due_at")).dt.total_seconds() > grace)
    outcome = (
        pl.when(is_failed)
        .then(pl.lit(WindowOutcome.MISSING.value))
        .when(pl.col("signal_rows") == 0)
        .then(pl.lit(WindowOutcome.EMPTY.value))
        .when(was_captured)
        .then(
            pl.when(pl.col("known_outcome") == WindowOutcome.EMPTY.value)
            .then(pl.lit(WindowOutcome.LATE.value))
            .otherwise(pl.col("known_outcome"))
        )
        .when(is_late)
        .then(pl.lit(WindowOutcome.LATE.value))
        .otherwise(pl.lit(WindowOutcome.CAPTURED.value))
    )
    fresh_rows = (pl.col("signal_rows") - pl.col("known_rows")).clip(lower_bound=0)
    judged = attempts.with_columns(
        outcome=outcome,
        late_rows=pl.when(was_captured & ~is_failed)
        .then(pl.when("is_push").then(pl.col("signal_rows")).otherwise(fresh_rows))
        .otherwise(0)
        .cast(pl.Int64),
        is_written=pl.when(is_failed)
        .then(pl.col("known_outcome").is_null())
        .otherwise(~was_captured | (differs & ~shrinks) | pl.col("is_push")),
    )
    totals = (
        pl.when(pl.col("is_push") & was_captured)
        .then(pl.col("signal_rows") + pl.col("known_rows"))
        .otherwise("signal_rows")
    )
    return judged.with_columns(signal_rows=totals)


def _replace_signals(lake: Lake, fetched: list[Fetched], changed: pl.DataFrame, *, now: datetime) -> None:
    new = [_changed_signals(index, one, changed) for index, one in enumerate(fetched)]
    incoming = pl.concat(new) if new else pl.DataFrame()
    pulled = changed.filter(~pl.col("is_push") & (pl.col("piece") >= 0) & (pl.col("known_rows") > 0))
    if pulled.height:
        with lake.staged("_windows", pulled.select("loader_code", "window_start", "window_end")):
            low, high = pulled["window_start"].min(), pulled["window_end"].max()
            lake.execute(
                """
                DELETE FROM signals WHERE captured_at >= ? AND captured_at < ? AND (series_id, captured_at) IN (
                    SELECT g.series_id, g.captured_at FROM signals AS g JOIN series AS s USING (series_id)
                    JOIN _windows AS w ON w.loader_code = s.loader_code
                     AND g.captured_at >= w.window_start AND g.captured_at < w.window_end
                    WHERE g.captured_at >= ? AND g.captured_at < ?)
                """,
                [low, high, low, high],
            )
    pushed = [one for index, one in enumerate(new) if fetched[index].piece.loader.definition.source is SourceKind.PUSH]
    if pushed and (keys := pl.concat(pushed)).height:
        with lake.staged("_keys", keys.select("series_id", "captured_at")):
            lake.execute(
                "DELETE FROM signals WHERE captured_at >= ? AND captured_at <= ?"
                " AND (series_id, captured_at) IN (SELECT series_id, captured_at FROM _keys)",
                [keys["captured_at"].min(), keys["captured_at"].max()],
            )
    if incoming.height:
        lake.insert("signals", incoming.with_columns(ingested_at=pl.lit(now)))


def _changed_signals(index: int, one: Fetched, changed: pl.DataFrame) -> pl.DataFrame:
    signals = one.captured.signals
    starts = changed.filter(pl.col("piece") == index)["window_start"]
    if starts.len() < one.piece.windows.count:
        is_changed = _starts(one).is_in(starts.implode())
        signals = signals.filter(is_changed.gather(signals["window"]))
    return signals.select("series_id", "captured_at", "metric_value")


def _starts(one: Fetched) -> pl.Series:
    return _instants(one.piece.windows.edges[:-1])


def _instants(ticks: Ticks) -> pl.Series:
    return pl.Series(ticks.astype("datetime64[us]"), dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")


def _add_series(lake: Lake, fetched: list[Fetched], *, now: datetime) -> None:
    frames = [
        _series_rows(one.piece.loader.definition, one.captured.series) for one in fetched if one.captured.series.height
    ]
    if not frames:
        return
    incoming = pl.concat(frames).unique("series_id", keep="last", maintain_order=True)
    with lake.staged("_series", incoming):
        known = lake.query("SELECT s.* FROM series AS s JOIN _series USING (series_id)")
        facts = ["kind", "unit", "limit_value", "lead_time_days", "step_s"]
        moved = incoming.join(known, on="series_id", how="inner", suffix="_known").filter(
            pl.any_horizontal([pl.col(f).ne_missing(pl.col(f"{f}_known")) for f in facts])
        )
        if moved.height:  # the definition changed what it says of a series: unit, kind, limit
            lake.execute("DELETE FROM series WHERE list_contains(?, series_id)", [moved["series_id"].to_list()])
        first_seen = known.select("series_id", "first_seen_at").filter(
            pl.col("series_id").is_in(moved["series_id"].implode())
        )
        fresh = incoming.join(known, on="series_id", how="anti").with_columns(first_seen_at=pl.lit(now))
        again = incoming.join(first_seen, on="series_id", how="inner")
    lake.insert("series", pl.concat([fresh, again], how="diagonal_relaxed"))


def _series_rows(definition: LoaderDefinition, series: pl.DataFrame) -> pl.DataFrame:
    return series.with_columns(loader_code=pl.lit(definition.code), step_s=pl.lit(definition.step_s))


def _add_log_lines(lake: Lake, fetched: list[Fetched], *, now: datetime) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in fetched:
        lines = one.answer.log_lines
        if lines.is_empty():
            continue
        code = one.piece.loader.definition.code
        low, high = lines["logged_at"].min(), lines["logged_at"].max()
        known = lake.query(
            "SELECT doc_id FROM log_lines WHERE loader_code = ? AND logged_at >= ? AND logged_at <= ?",
            [code, low, high],
        )
        fresh = lines.unique("doc_id", keep="last", maintain_order=True).join(known, on="doc_id", how="anti")
        counts[code] = counts.get(code, 0) + lake.insert(
            "log_lines", fresh.with_columns(loader_code=pl.lit(code), ingested_at=pl.lit(now))
        )
    return counts


def _add_quarantine(
    lake: Lake, fetched: list[Fetched], changed: pl.DataFrame, *, now: datetime, correlation_id: str
) -> None:
    frames = []
    for index, one in enumerate(fetched):
        mine = changed.filter(pl.col("piece") == index)
        rows = one.captured.quarantine
        if rows.is_empty() or mine.is_empty():
            continue
        spans = mine.select("window_start", "window_end").sort("window_start")
        placed = rows.sort("captured_at", nulls_last=True).join_asof(
            spans, left_on="captured_at", right_on="window_start", strategy="backward"
        )
        inside = pl.col("window_start").is_not_null() & (pl.col("captured_at") < pl.col("window_end"))
        outside = (
            pl.col("captured_at").is_null()
            | (pl.col("captured_at") < one.piece.windows.start)
            | (pl.col("captured_at") >= one.piece.windows.end)
        )
        kept = placed.filter(inside | outside).drop("window_start", "window_end")
        frames.append(kept.with_columns(loader_code=pl.lit(one.piece.loader.definition.code)))
    if frames:
        lake.insert(
            "quarantine",
            pl.concat(frames).with_columns(quarantined_at=pl.lit(now), correlation_id=pl.lit(correlation_id)),
        )


def _move_watermarks(lake: Lake, fetched: list[Fetched], *, now: datetime) -> None:
    ends: dict[str, datetime] = {}
    for one in fetched:
        if one.piece.moves_watermark:
            code = one.piece.loader.definition.code
            ends[code] = max(ends.get(code, one.piece.complete_until), one.piece.complete_until)
    if not ends:
        return
    lake.execute("DELETE FROM watermarks WHERE list_contains(?, loader_code)", [list(ends)])
    lake.insert(
        "watermarks",
        pl.DataFrame(
            {"loader_code": list(ends), "complete_until": list(ends.values()), "updated_at": [now] * len(ends)}
        ),
    )


def _outcomes(
    fetched: list[Fetched], failed: list[Failed], attempts: pl.DataFrame, lines: dict[str, int]
) -> dict[str, LoaderOutcome]:
    found: dict[str, LoaderOutcome] = {}
    sums: dict[tuple[str], dict[str, Any]] = {
        (row["loader_code"],): row
        for row in attempts.group_by("loader_code")
        .agg(
            windows=(pl.col("is_written") & (pl.col("piece") >= 0)).sum(),
            unchanged_windows=(~pl.col("is_written") & (pl.col("piece") >= 0)).sum(),
            missing_windows=(pl.col("piece") < 0).sum(),
            signals=pl.col("signal_rows").filter("is_written").sum(),
            late_rows=pl.col("late_rows").filter("is_written").sum(),
            quarantined=pl.col("quarantined_rows").filter("is_written").sum(),
        )
        .to_dicts()
    }
    every: list[Fetched | Failed] = [*fetched, *failed]
    for one in every:
        loader = one.piece.loader
        code = loader.definition.code
        outcome = found.setdefault(
            code,
            LoaderOutcome(
                code,
                loader.version,
                **{k: v for k, v in sums.get((code,), {}).items() if k != "loader_code"},
                log_lines=lines.get(code, 0),
            ),
        )
        outcome.duration_ms += one.duration_ms
        if isinstance(one, Failed):
            outcome.error = one.error
            continue
        outcome.series = max(outcome.series, one.captured.series.height)
        outcome.dropped_series = max(outcome.dropped_series, one.captured.dropped_series)
        if one.piece.moves_watermark:
            outcome.watermark = one.piece.complete_until
    return found
