"""A platform of a benchmark's own: embedded PostgreSQL and lake in a temporary folder, removed afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from resources.lake.connection import open_lake
from resources.platform import prepare_storage
from resources.postgres.embedded import remove_server_data, running_postgres
from resources.settings import Settings
from tests.fakes.platform import Platform


@contextmanager
def bench_platform(*, memory: str = "2GB") -> Iterator[Platform]:
    """Fresh and migrated; real durability settings."""
    home = Path(tempfile.mkdtemp(prefix="etlmon-bench-"))
    try:
        with running_postgres(home) as url:
            settings = Settings(home=home, database_url=SecretStr(url.render()), lake_memory=memory, _env_file=None)
            prepare_storage(settings, url)
            with open_lake(settings, url) as lake:
                yield Platform(settings, url, lake)
        remove_server_data(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
