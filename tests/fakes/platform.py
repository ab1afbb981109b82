"""What a test of the whole storage gets: settings, addresses and an open lake of its own."""

from __future__ import annotations

from dataclasses import dataclass

from resources.lake.connection import Lake
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings


@dataclass(frozen=True)
class Platform:
    settings: Settings
    url: DatabaseUrl
    lake: Lake
