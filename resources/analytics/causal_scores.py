"""The causal score in the lake: signals that arrived since the last look, judged online; anomalies, state and mark in one
transaction, so that a killed run repeats nothing and loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from domain.anomalies.continuing import Standing, continue_scoring, forget_silent, start_standing
from domain.errors import StorageError
from resources.analytics.arrivals import read_arrivals
from resources.analytics.causal_states import load_standing, remove_others, save_standing
from resources.lake.connection import Lake
from resources.lake.marks import read_mark, write_mark

DETECTOR, MARK = "causal", "causal_scores"
#: A series without a row for so long is forgotten.
SILENT_FOR = timedelta(days=30)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CausalResult:
    """Signals judged, anomalies found, signals too late to be judged; series with a state, and its size."""

    judged: int
    found: int
    late: int
    series: int
    state_bytes: int


@dataclass(frozen=True, slots=True)
class _Look:
    """What a run starts from. `file` is None before the first state; `is_anew`: history is to be judged again."""

    standing: Standing
    file: str | None
    mark: datetime
    is_anew: bool


def detect_causal_anomalies(lake: Lake, *, folder: Path, now: datetime) -> CausalResult:
    """Judge what was ingested since the last call and add what is anomalous to `anomalies` with detector `causal`.

    A signal at or before the last judged instant of its series came too late, or was captured again: it is not judged a
    second time. Where the state is missing, damaged or of another version, all kept signals are judged again, oldest first,
    and replace the causal anomalies of before: the same rows give the same scores.

    Args:
        folder: of the platform's state files, on this machine.

    """
    look = _read_look(lake, folder)
    spans, newest = read_arrivals(lake, look.mark)
    if newest is None:
        return CausalResult(0, 0, 0, look.standing.series_id.size, look.standing.size_bytes)
    judged, found, late = 0, 0, 0
    mark = look.mark
    for number, (low, high) in enumerate(spans, 1):
        points = lake.query(
            "SELECT series_id, captured_at, metric_value FROM signals"
            " WHERE captured_at >= ? AND captured_at <= ? AND ingested_at > ? AND ingested_at <= ?",
            [low, high, mark, newest],
        )
        done = continue_scoring(look.standing, points)
        anomalies = done.judged.filter("is_anomaly").with_columns(detector=pl.lit(DETECTOR), detected_at=pl.lit(now))
        standing = forget_silent(done.standing, since=high - SILENT_FOR)
        reached = newest if number == len(spans) else None
        look = _commit(lake, folder, look, standing=standing, anomalies=anomalies, reached=reached, now=now)
        judged, found, late = judged + done.judged.height, found + anomalies.height, late + done.late
    return CausalResult(judged, found, late, look.standing.series_id.size, look.standing.size_bytes)


def forget_causal_state(lake: Lake) -> None:
    """Let the next run judge all kept signals again."""
    lake.write(MARK, lambda inner: inner.execute("DELETE FROM causal_states"))


def _read_look(lake: Lake, folder: Path) -> _Look:
    rows = lake.query("SELECT file FROM causal_states")
    file = rows["file"][0] if rows.height else None
    standing = load_standing(folder, file) if file else None
    if standing is None:
        return _Look(start_standing(), file, _NEVER, is_anew=True)
    return _Look(standing, file, read_mark(lake, MARK), is_anew=False)


def _commit(
    lake: Lake,
    folder: Path,
    look: _Look,
    *,
    standing: Standing,
    anomalies: pl.DataFrame,
    reached: datetime | None,
    now: datetime,
) -> _Look:
    name = save_standing(folder, standing)
    named = pl.DataFrame(
        {"file": [name], "series": [standing.series_id.size], "bytes": [standing.size_bytes], "saved_at": [now]}
    )

    def work(inner: Lake) -> None:
        rows = inner.query("SELECT file FROM causal_states")
        if (rows["file"][0] if rows.height else None) != look.file:
            raise StorageError(
                "another run has judged these signals meanwhile", suggestion="nothing is lost; run the asset again"
            )
        if look.is_anew:
            inner.execute("DELETE FROM anomalies WHERE detector = ?", [DETECTOR])
            write_mark(inner, MARK, _NEVER)
        inner.execute("DELETE FROM causal_states")
        inner.insert("causal_states", named)
        inner.insert("anomalies", anomalies)
        if reached is not None:
            write_mark(inner, MARK, reached)

    lake.write(MARK, work)
    remove_others(folder, name)
    return _Look(standing, name, look.mark, is_anew=False)
