"""A process of its own for faults that would hit the whole test worker: a disk that takes no more."""

from __future__ import annotations

import random
import resource
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from pydantic import SecretStr

from domain.errors import EtlmonError
from resources.capture.engine import CaptureContext, CaptureEngine
from resources.lake.connection import open_lake
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings
from tests.fakes.computed_source import ComputedSource
from tests.fakes.crash_workers import START, pulled_loader

SERIES = 2_000


def noisy(index: int, at: object) -> float:
    """Values that do not compress, the same at every call."""
    return random.Random(f"{index} {at}").random()


def capture_on_a_full_disk(home: str, url: str, pipe: Connection) -> None:
    """Capture with room, without, and with room again, in one process; says on the pipe what each attempt came to.

    No room is a limit on the size of files: it needs no rights, and the kernel refuses the write as it does on a full disk.
    """
    settings = Settings(home=Path(home), database_url=SecretStr(url), lake_threads=1, _env_file=None)
    address = DatabaseUrl.parse(url)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with open_lake(settings, address) as lake:
        engine = CaptureEngine(
            lake, address, sources=lambda _: ComputedSource(noisy, series=SERIES), connections={}, concurrency=2
        )
        for minute, room in ((1, hard), (2, 16_384), (3, 16_384), (3, hard)):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
            try:
                run = engine.capture_due([pulled_loader()], CaptureContext(now=START + timedelta(minutes=minute)))
                pipe.send(("done", run.signals, len(run.failed)))
            except EtlmonError as error:
                pipe.send((error.error_type, error.reason, error.suggestion))
