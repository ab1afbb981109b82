"""The watchdog of the API: asks every minute whether Dagster ticks, in a thread of its own (`resources.duty.dagster_watch`)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from domain.errors import EtlmonError
from resources.clock import utc_now
from resources.duty.dagster_watch import SILENT_AFTER_S, watch_dagster
from resources.json_logs import get_logger
from resources.settings import Settings

_EVERY_S = 60.0


@contextmanager
def watching(settings: Settings, engine: Engine, *, after_s: float = SILENT_AFTER_S) -> Iterator[None]:
    """Watch until the block ends; not before `after_s`, in which Dagster may start too."""
    is_over = threading.Event()
    thread = threading.Thread(target=_watch, args=(settings, engine, is_over, after_s), name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(timeout=5)


def _watch(settings: Settings, engine: Engine, is_over: threading.Event, after_s: float) -> None:
    wait = after_s
    while not is_over.wait(wait):
        wait = _EVERY_S
        try:
            silent = watch_dagster(settings, engine, now=utc_now())
        except EtlmonError as error:  # a database that is away now may be there in a minute
            get_logger(__name__).warning("Dagster could not be watched", error=error)
            continue
        if silent:
            get_logger(__name__).error("Dagster does not tick", sensors=silent)
