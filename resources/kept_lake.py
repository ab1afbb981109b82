"""A lake kept open for small questions of a server: read-only, one thread, little memory, reopened after a failure."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from domain.errors import StorageError
from resources.lake.connection import Lake, open_lake
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

if TYPE_CHECKING:
    import polars as pl


class KeptLake:
    """Opened at the first question. Questions of several threads wait for one another."""

    def __init__(self, settings: Settings, url: DatabaseUrl) -> None:
        self._settings = settings.model_copy(update={"lake_threads": 1, "lake_memory": "256MB"})
        self._url = url
        self._lock = threading.Lock()
        self._lake: Lake | None = None

    def query(self, sql: str, parameters: list[Any] | None = None) -> pl.DataFrame:
        """Rows of a SELECT.

        Raises:
            StorageError and its subclasses; the next question opens the lake anew.
        """
        with self._lock:
            try:
                if self._lake is None:
                    self._lake = open_lake(self._settings, self._url, is_read_only=True)
                return self._lake.query(sql, parameters)
            except StorageError:
                self._forget()
                raise

    def close(self) -> None:
        """Give it back."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._lake is not None:
            self._lake.close()
            self._lake = None
