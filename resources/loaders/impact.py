"""What a version would do, before anybody approves it: a dry capture of its last due window. Nothing is stored (A6).

Bounded three ways: the loader's own timeout, a ceiling over all its queries, and so many at a time per process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from domain.answers import Answer
from domain.capture.normalise import CapturedRange, normalise_answer
from domain.capture.windows import WindowRange, floor_to_tick, to_tick
from domain.errors import ConfigurationError, ConflictError, EtlmonError, SourceError, SourceTimeoutError
from domain.loaders.definition import Connection, LoaderDefinition
from domain.loaders.readers import list_readers
from domain.loaders.schedule_words import count_captures_per_day
from domain.ports import StatisticsSource
from domain.vocabulary import SourceKind
from resources.lake.connection import Lake
from resources.secret_registry import mask_error

CEILING_S = 30.0
_AT_ONCE = 4
_MAX_POINTS = 11_000
_SAMPLE = 20
_NAMED = 20
_LOOK_BACK = timedelta(days=1)

Sources = Callable[[SourceKind], StatisticsSource]


@dataclass(frozen=True, slots=True)
class Impact:
    """What one dry capture found.

    Attributes:
        window_start, window_end: the span that was asked for; None when nothing was.
        series: how many; new_series and vanished_series name at most twenty of the differences to what was captured in the
            last day, `metric{"label":"value"}`; their numbers are new_count and vanished_count.
        sample: rows as (metric_name, labels, captured_at, metric_value), or log lines.
        quarantine: reason → rows set aside.
        error: why there is no answer; then all figures are 0.
    """

    code: str
    version: int
    window_start: datetime | None = None
    window_end: datetime | None = None
    rows: int = 0
    series: int = 0
    labels: list[str] = field(default_factory=list)
    new_count: int = 0
    vanished_count: int = 0
    new_series: list[str] = field(default_factory=list)
    vanished_series: list[str] = field(default_factory=list)
    log_lines: int = 0
    took_ms: float = 0.0
    requests: int = 0
    sample: list[dict[str, Any]] = field(default_factory=list)
    quarantine: dict[str, int] = field(default_factory=dict)
    dropped_series: int = 0
    signals_per_day: float = 0.0
    captures_per_day: float = 0.0
    captures_per_day_before: float | None = None
    readers: list[str] = field(default_factory=list)
    error: EtlmonError | None = None


class ImpactPreview:
    """Dry captures of one process. `close` when it ends."""

    def __init__(self, sources: Sources, connections: dict[str, Connection], *, ceiling_s: float = CEILING_S) -> None:
        self._sources = sources
        self._connections = connections
        self._ceiling_s = ceiling_s
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._pool = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="preview")

    def preview(
        self,
        definition: LoaderDefinition,
        *,
        version: int,
        active: LoaderDefinition | None,
        lake: Lake,
        at: datetime,
    ) -> Impact:
        """Ask the source for the last window that is over, normalise the answer, compare with what the lake has.

        Raises:
            ConflictError: too many previews run already.
        """
        found = Impact(
            definition.code,
            version,
            captures_per_day=count_captures_per_day(definition.schedule),
            captures_per_day_before=count_captures_per_day(active.schedule) if active else None,
            readers=list_readers(definition),
        )
        if definition.source is SourceKind.PUSH:
            return found  # clients push; there is nothing to ask
        windows = last_window(definition, at)
        began = time.perf_counter()
        try:
            answer, captured = self._fetch(definition, windows, at)
        except ConflictError:
            raise
        except EtlmonError as error:
            return _with(found, windows, took_ms=_since(began), error=mask_error(error))
        known = _captured_series(lake, definition.code, since=windows.start - _LOOK_BACK)
        return _with(found, windows, took_ms=_since(began), **_figures(answer, captured, known, windows))

    def close(self) -> None:
        """Take no more; what runs ends by its own timeout."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, definition: LoaderDefinition, windows: WindowRange, at: datetime) -> tuple[Answer, CapturedRange]:
        if not self._places.acquire(blocking=False):
            raise ConflictError(f"{_AT_ONCE} previews are running", suggestion="try again in a minute")
        work = self._pool.submit(self._ask, definition, windows, at)
        work.add_done_callback(lambda _: self._places.release())
        try:
            return work.result(timeout=self._ceiling_s)
        except FutureTimeoutError:
            raise SourceTimeoutError(
                f"{definition.code}: no complete answer within {self._ceiling_s:.0f} s",
                suggestion="make the queries cheaper, or the window shorter",
            ) from None

    def _ask(self, definition: LoaderDefinition, windows: WindowRange, at: datetime) -> tuple[Answer, CapturedRange]:
        bounded = definition.model_copy(update={"timeout_s": min(definition.timeout_s, self._ceiling_s)})
        try:
            source, connection = self._sources(definition.source), self._connection(definition)
            answer = source.fetch(bounded, connection, start=windows.start, end=windows.end)
            return answer, normalise_answer(bounded, answer, windows=windows, now=at)
        except EtlmonError:
            raise
        except Exception as error:
            raise SourceError(
                f"{definition.code}: unexpected {type(error).__name__}", suggestion="please report this defect"
            ) from error

    def _connection(self, definition: LoaderDefinition) -> Connection:
        if isinstance(definition.connection, Connection):
            return definition.connection
        if definition.connection not in self._connections:
            raise ConfigurationError(
                f"{definition.code} uses the connection {definition.connection!r}, which is not configured",
                suggestion="add it to HOME/connections.yaml, or correct the name",
            )
        return self._connections[definition.connection]


def last_window(definition: LoaderDefinition, at: datetime) -> WindowRange:
    """The newest window that is complete at the source; of a very long one its end, as far as one request reaches."""
    end = floor_to_tick(definition.schedule, at - timedelta(seconds=definition.due_latency_s))
    start = floor_to_tick(definition.schedule, end - timedelta(seconds=1))
    start = max(start, end - timedelta(seconds=max(definition.step_s * _MAX_POINTS, 60.0)))
    return WindowRange(np.array([to_tick(start), to_tick(end)]))


def _captured_series(lake: Lake, code: str, *, since: datetime) -> pl.DataFrame:
    """metric_name and labels of the series of the loader that have a value since then."""
    return lake.query(
        "SELECT series_id, metric_name, CAST(labels AS VARCHAR) AS labels FROM series WHERE loader_code = ? AND series_id IN"
        " (SELECT series_id FROM signals WHERE captured_at >= ?)",
        [code, since],
    )


def _figures(answer: Answer, captured: CapturedRange, known: pl.DataFrame, windows: WindowRange) -> dict[str, Any]:
    fresh = captured.series.join(known, on="series_id", how="anti")
    gone = known.join(captured.series, on="series_id", how="anti")
    days = max((windows.end - windows.start).total_seconds(), 1.0) / 86_400
    rows = captured.signals.height
    return {
        "rows": rows,
        "series": captured.series.height,
        "labels": sorted({name for one in answer.series for name in one.labels}),
        "new_count": fresh.height,
        "vanished_count": gone.height,
        "new_series": _names(fresh),
        "vanished_series": _names(gone),
        "log_lines": answer.log_lines.height,
        "requests": answer.requests,
        "sample": _sample(answer, captured),
        "quarantine": dict(captured.quarantine.group_by("reason").len().sort("reason").iter_rows()),
        "dropped_series": captured.dropped_series,
        "signals_per_day": (rows or answer.log_lines.height) / days,
    }


def _names(series: pl.DataFrame) -> list[str]:
    named = series.sort("metric_name", "labels").head(_NAMED)
    return named.select(pl.concat_str("metric_name", pl.col("labels").cast(pl.String)))["metric_name"].to_list()


def _sample(answer: Answer, captured: CapturedRange) -> list[dict[str, Any]]:
    if not answer.log_lines.is_empty():
        return answer.log_lines.head(_SAMPLE).drop("doc_id").to_dicts()
    rows = captured.signals.head(_SAMPLE).join(captured.series, on="series_id", how="left", maintain_order="left")
    return rows.select("metric_name", "labels", "captured_at", "metric_value").to_dicts()


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1_000, 1)


def _with(found: Impact, windows: WindowRange, **figures: Any) -> Impact:
    return replace(found, window_start=windows.start, window_end=windows.end, **figures)
