"""Assembling a capture run from settings: active loaders, sources, engine. One function for Dagster, CLI and tests alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from domain.errors import NotFoundError
from domain.ports import StatisticsSource
from domain.vocabulary import SourceKind
from resources.breakers_postgres import shared_breakers
from resources.capture.engine import CaptureContext, CaptureEngine, Progress
from resources.capture.outcomes import CaptureRun
from resources.encryption import load_cipher
from resources.lake.connection import Lake
from resources.postgres.engine import make_engine
from resources.postgres.loaders_repository import ActiveLoader, LoadersRepository
from resources.postgres.url import DatabaseUrl
from resources.push_inbox import PushInbox
from resources.settings import Settings

Sources = Callable[[SourceKind], StatisticsSource]


def capture(
    settings: Settings,
    url: DatabaseUrl,
    lake: Lake,
    context: CaptureContext,
    *,
    codes: list[str] | None = None,
    period: tuple[datetime, datetime] | None = None,
    sources: Sources | None = None,
    progress: Progress | None = None,
) -> CaptureRun:
    """Capture what is due, or a stated period again.

    Args:
        codes: only these loaders; None means all ACTIVE ones.
        period: [start, end) to capture again instead of what is due.

    Raises:
        NotFoundError: a code has no ACTIVE version.
        StorageUnavailableError, StorageFullError: the run ended early; what was committed stays.
    """
    engine = make_engine(url)
    try:
        inbox = PushInbox(engine)
        loaders = _select(LoadersRepository(engine, load_cipher(settings.home)).list_active(), codes)
        capture_engine = CaptureEngine(
            lake,
            url,
            sources=_with_push(sources or _default_sources(), inbox),
            connections=settings.connections,
            concurrency=settings.capture_concurrency,
            on_committed=inbox.forget,
        )
        with shared_breakers(settings, url):
            if period is None:
                return capture_engine.capture_due(loaders, context, progress=progress)
            return capture_engine.capture_range(loaders, context, start=period[0], end=period[1], progress=progress)
    finally:
        engine.dispose()


def _default_sources() -> Sources:
    from resources.sources import source_for

    return source_for


def _with_push(sources: Sources, inbox: PushInbox) -> Sources:
    return lambda kind: inbox if kind is SourceKind.PUSH else sources(kind)


def _select(loaders: list[ActiveLoader], codes: list[str] | None) -> list[ActiveLoader]:
    if codes is None:
        return loaders
    known = {loader.definition.code: loader for loader in loaders}
    unknown = [code for code in codes if code not in known]
    if unknown:
        raise NotFoundError(
            f"no ACTIVE loader {', '.join(unknown)}", suggestion=f"the active ones are {', '.join(known) or 'none'}"
        )
    return [known[code] for code in codes]
