"""The capture run: which windows are due, fetched concurrently per loader, committed in groups by one writer.

A slow or broken source delays and fails only its own loader: its windows stay due, the error is a row of the ledger.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.answers import Answer
from domain.capture.normalise import normalise_answer
from domain.capture.windows import (
    WindowRange,
    compute_due_windows,
    compute_windows_touching,
    extend_back,
    floor_to_tick,
    split_windows,
)
from domain.errors import (
    ConfigurationError,
    EtlmonError,
    SourceError,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)
from domain.loaders.definition import Connection, LoaderDefinition
from domain.ports import StatisticsSource
from domain.vocabulary import SourceKind
from resources.capture.commit import SIGNALS_LOCK, commit_pieces
from resources.capture.locks import LoaderLocks, hold_loader_locks
from resources.capture.outcomes import CaptureRun, Failed, Fetched, LoaderOutcome, Piece
from resources.clock import utc_now
from resources.json_logs import correlated
from resources.lake.connection import Lake
from resources.postgres.loaders_repository import ActiveLoader
from resources.postgres.url import DatabaseUrl
from resources.secret_registry import mask_error, mask_secrets

_MAX_POINTS_PER_SERIES = 11_000
_MAX_SPAN_S = 31 * 86_400.0
_MAX_GROUP_SIGNALS = 2_000_000
_QUEUE_LENGTH = 32

Progress = Callable[[LoaderOutcome], None]


@dataclass(frozen=True, slots=True)
class CaptureContext:
    """What identifies a run in ledger and logs."""

    now: datetime
    run_id: str = ""
    correlation_id: str = ""


class CaptureEngine:
    """Captures loaders into a lake."""

    def __init__(
        self,
        lake: Lake,
        url: DatabaseUrl,
        *,
        sources: Callable[[SourceKind], StatisticsSource],
        connections: dict[str, Connection],
        concurrency: int = 16,
        on_committed: Callable[[list[Answer]], None] = lambda _: None,
    ) -> None:
        self._lake = lake
        self._url = url
        self._sources = sources
        self._connections = connections
        self._concurrency = concurrency
        self._on_committed = on_committed

    def capture_due(
        self, loaders: list[ActiveLoader], context: CaptureContext, *, progress: Progress | None = None
    ) -> CaptureRun:
        """Every window that is due and not captured, oldest first per loader.

        Raises:
            StorageUnavailableError, StorageFullError: nothing more can be written; what was committed stays.
        """
        with hold_loader_locks(self._url, [one.definition.code for one in loaders]) as locks:
            marks = self._read_watermarks()
            plans: dict[str, list[Piece]] = {}
            unplannable: dict[str, EtlmonError] = {}
            for one in (loader for loader in loaders if loader.definition.code in locks.codes):
                code = one.definition.code
                try:
                    plans[code] = list(_plan_due(one, marks.get(code), context.now))
                except ValueError as error:  # a definition that cannot be planned fails alone
                    unplannable[code] = ConfigurationError(
                        f"{code}: {error}", suggestion="correct the loader's schedule"
                    )
            run = self._run(plans, context, locks=locks, progress=progress)
        for one in loaders:
            code = one.definition.code
            outcome = run.outcomes.setdefault(code, LoaderOutcome(code, one.version, watermark=marks.get(code)))
            outcome.is_busy = code not in locks.codes
            outcome.error = outcome.error or unplannable.get(code)
        return run

    def capture_range(
        self,
        loaders: list[ActiveLoader],
        context: CaptureContext,
        *,
        start: datetime,
        end: datetime,
        progress: Progress | None = None,
    ) -> CaptureRun:
        """Every window touching [start, end) that is over by now, captured again; equal content changes nothing.

        Waits for captures of the same loaders elsewhere. Watermarks stay where they are.
        """
        with hold_loader_locks(self._url, [one.definition.code for one in loaders], is_waiting=True) as locks:
            plans = {one.definition.code: list(_plan_range(one, start, end, context.now)) for one in loaders}
            run = self._run(plans, context, locks=locks, progress=progress)
        for one in loaders:
            run.outcomes.setdefault(one.definition.code, LoaderOutcome(one.definition.code, one.version))
        return run

    def _read_watermarks(self) -> dict[str, datetime]:
        rows = self._lake.query("SELECT loader_code, complete_until FROM watermarks")
        return dict(zip(rows["loader_code"].to_list(), rows["complete_until"].to_list(), strict=True))

    def _run(
        self, plans: dict[str, list[Piece]], context: CaptureContext, *, locks: LoaderLocks, progress: Progress | None
    ) -> CaptureRun:
        run = CaptureRun()
        results: queue.Queue[Fetched | Failed | None] = queue.Queue(maxsize=_QUEUE_LENGTH)
        is_stopped = threading.Event()
        busy = [pieces for pieces in plans.values() if pieces]
        with ThreadPoolExecutor(max_workers=min(self._concurrency, max(1, len(busy)))) as pool:
            for pieces in busy:
                # the trace goes with it into the thread
                pool.submit(copy_context().run, self._fetch_loader, pieces, context, results, is_stopped)
            try:
                for group in _groups(results, expected=len(busy)):
                    for outcome in self._commit(group, context, locks).values():
                        _merge(run, outcome)
                        if progress:
                            progress(run.outcomes[outcome.code])
            except BaseException:
                is_stopped.set()
                _drain(results, pool)
                raise
        return run

    def _fetch_loader(
        self,
        pieces: list[Piece],
        context: CaptureContext,
        results: queue.Queue[Fetched | Failed | None],
        is_stopped: threading.Event,
    ) -> None:
        """All pieces of one loader in order, in one thread; the first failure ends it, the rest stays due."""
        try:
            with correlated(context.correlation_id):
                for piece in pieces:
                    if is_stopped.is_set():
                        return
                    result = self._fetch_piece(piece, context.now)
                    results.put(result)
                    if isinstance(result, Failed):
                        return
        finally:
            results.put(None)

    def _fetch_piece(self, piece: Piece, now: datetime) -> Fetched | Failed:
        started = time.perf_counter()
        definition = piece.loader.definition
        try:
            connection = self._resolve(definition)
            source = self._sources(definition.source)
            answer = source.fetch(definition, connection, start=piece.windows.start, end=piece.windows.end)
            windows, latest = piece.windows, now
            if definition.source is SourceKind.PUSH:  # acceptance has judged the instants; what was accepted is kept
                windows = _windows_of_push(piece, answer)
                latest = max(now, windows.end)
            captured = normalise_answer(definition, answer, windows=windows, now=latest)
        except EtlmonError as error:
            return Failed(piece, mask_error(error), (time.perf_counter() - started) * 1000)
        except Exception as error:  # noqa: BLE001 - isolation: a defect in one adapter must not fail the other loaders
            wrapped = SourceError(
                f"{definition.code}: unexpected {type(error).__name__}: {mask_secrets(str(error))[:300]}",
                suggestion="please report this defect",
            )
            wrapped.__cause__ = error
            return Failed(piece, wrapped, (time.perf_counter() - started) * 1000)
        return Fetched(replace(piece, windows=windows), answer, captured, (time.perf_counter() - started) * 1000)

    def _resolve(self, definition: LoaderDefinition) -> Connection:
        if definition.source is SourceKind.PUSH:
            return Connection(url="push:")
        if isinstance(definition.connection, Connection):
            return definition.connection
        if definition.connection not in self._connections:
            raise ConfigurationError(
                f"{definition.code} uses the connection {definition.connection!r}, which is not configured",
                suggestion=f"add `{definition.connection}: {{url: …}}` to HOME/connections.yaml or set "
                f"ETLMON_{definition.connection.upper()}_URL",
            )
        return self._connections[definition.connection]

    def _commit(
        self, group: list[Fetched | Failed], context: CaptureContext, locks: LoaderLocks
    ) -> dict[str, LoaderOutcome]:
        fetched = [one for one in group if isinstance(one, Fetched)]
        failed = [one for one in group if isinstance(one, Failed)]

        def work(lake: Lake) -> dict[str, LoaderOutcome]:
            locks.assert_held()
            # the clock is read inside the lock: what is committed later was ingested later, and no reader's mark passes it by
            return commit_pieces(
                lake,
                fetched,
                failed,
                now=context.now,
                ingested_at=utc_now(),
                run_id=context.run_id,
                correlation_id=context.correlation_id,
            )

        try:
            outcomes = self._lake.write(SIGNALS_LOCK, work)
        except (StorageUnavailableError, StorageFullError):
            raise
        except StorageError as error:
            if len(group) == 1:
                if fetched:  # what cannot be stored is a failure of that loader alone, and it is recorded
                    return self._commit([Failed(fetched[0].piece, error, fetched[0].duration_ms)], context, locks)
                raise
            merged = CaptureRun()
            for one in group:
                for outcome in self._commit([one], context, locks).values():
                    _merge(merged, outcome)
            return merged.outcomes
        self._on_committed([one.answer for one in fetched])
        return outcomes


def _plan_due(loader: ActiveLoader, watermark: datetime | None, now: datetime) -> Iterator[Piece]:
    definition = loader.definition
    is_first = watermark is None
    begin = watermark or floor_to_tick(definition.schedule, now - timedelta(seconds=definition.history_s))
    if definition.source is SourceKind.PUSH:
        edges = compute_windows_touching(definition.schedule, start=now - timedelta(seconds=60), end=now)
        if edges:
            yield Piece(loader, edges, floor_to_tick(definition.schedule, now), is_backfill=False, moves_watermark=True)
        return
    due = compute_due_windows(
        definition.schedule, watermark=begin, now=now, expected_latency_s=definition.due_latency_s
    )
    if due is None:
        return
    for index, part in enumerate(split_windows(due, max_span_s=_span(definition))):
        windows = part
        if index == 0 and not is_first:
            windows = extend_back(definition.schedule, part, lookback_s=definition.late_lookback_s)
        yield Piece(loader, windows, part.start, is_backfill=is_first, moves_watermark=True)


def _plan_range(loader: ActiveLoader, start: datetime, end: datetime, now: datetime) -> Iterator[Piece]:
    definition = loader.definition
    if definition.source is SourceKind.PUSH:
        return  # pushed signals have no source to ask again
    ready_until = now - timedelta(seconds=definition.due_latency_s)
    touching = compute_windows_touching(definition.schedule, start=start, end=min(end, ready_until))
    if touching is None:
        return
    over = touching.edges[touching.edges.astype("datetime64[s]").astype("int64") <= ready_until.timestamp()]
    if len(over) < 2:
        return
    for part in split_windows(WindowRange(over), max_span_s=_span(definition)):
        yield Piece(loader, part, part.start, is_backfill=True, moves_watermark=False)


def _span(definition: LoaderDefinition) -> float:
    return min(_MAX_SPAN_S, definition.step_s * _MAX_POINTS_PER_SERIES)


def _windows_of_push(piece: Piece, answer: Answer) -> WindowRange:
    """Pushed rows say themselves which windows they touch: from the oldest to the newest of them."""
    if answer.points.is_empty():
        return piece.windows
    low, high = answer.points["captured_at"].min(), answer.points["captured_at"].max()
    assert isinstance(low, datetime)
    assert isinstance(high, datetime)
    schedule = piece.loader.definition.schedule
    start, end = min(low, piece.windows.start), max(high + timedelta(microseconds=1), piece.windows.end)
    return compute_windows_touching(schedule, start=start, end=end) or piece.windows


def _groups(results: queue.Queue[Fetched | Failed | None], *, expected: int) -> Iterator[list[Fetched | Failed]]:
    """Whatever has arrived while the last group was written, in one group, until every loader has ended."""
    ended = 0
    while ended < expected:
        group: list[Fetched | Failed] = []
        size = 0
        item = results.get()
        while True:
            if item is None:
                ended += 1
            else:
                group.append(item)
                size += item.captured.signals.height if isinstance(item, Fetched) else 0
            if size >= _MAX_GROUP_SIGNALS:
                break
            try:
                item = results.get_nowait()
            except queue.Empty:
                break
        if group:
            yield group


def _drain(results: queue.Queue[Fetched | Failed | None], pool: ThreadPoolExecutor) -> None:
    """Let blocked fetchers end after a failed commit; what they fetched stays due."""
    pool.shutdown(wait=False, cancel_futures=True)
    stopper = threading.Thread(target=lambda: _swallow(results), daemon=True)
    stopper.start()


def _swallow(results: queue.Queue[Fetched | Failed | None]) -> None:
    while True:
        try:
            results.get(timeout=60)
        except queue.Empty:
            return


def _merge(run: CaptureRun, outcome: LoaderOutcome) -> None:
    before = run.outcomes.get(outcome.code)
    if before is None:
        run.outcomes[outcome.code] = outcome
        return
    for name in (
        "windows",
        "unchanged_windows",
        "missing_windows",
        "signals",
        "late_rows",
        "log_lines",
        "quarantined",
        "duration_ms",
    ):
        setattr(before, name, getattr(before, name) + getattr(outcome, name))
    before.series = max(before.series, outcome.series)
    before.dropped_series = max(before.dropped_series, outcome.dropped_series)
    before.watermark = outcome.watermark or before.watermark
    before.error = outcome.error or before.error
