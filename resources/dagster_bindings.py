"""The only place where our plain classes become Dagster resources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import ConfigurableResource

from resources.lake.connection import Lake
from resources.platform import open_platform
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings, load_settings


class PlatformResource(ConfigurableResource):  # type: ignore[type-arg]
    """Settings from the environment, and the storage they name. Opens nothing until it is asked."""

    def settings(self) -> Settings:
        """The settings of this process."""
        return load_settings()

    @contextmanager
    def open(self, *, is_read_only: bool = False) -> Iterator[tuple[DatabaseUrl, Lake]]:
        """Database and lake for the length of a step."""
        with open_platform(self.settings(), is_read_only=is_read_only) as opened:
            yield opened
