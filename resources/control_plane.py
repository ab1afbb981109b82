"""The services of the control plane, assembled once per process from settings and a database: for the API, its pages and the CLI.

Each is made when first asked for, so that a command pays only for what it uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Engine

from resources.access.audit_log import AuditLog, load_audit_log
from resources.access.field_policies import FieldPolicies
from resources.encryption import Cipher, load_cipher
from resources.postgres.engine import make_engine
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings


@dataclass(frozen=True)
class ControlPlane:
    """Services over one engine. They share it; who opened the control plane disposes of it."""

    settings: Settings
    url: DatabaseUrl
    engine: Engine

    @cached_property
    def cipher(self) -> Cipher:
        """Encryption of sensitive columns."""
        return load_cipher(self.settings.home)

    @cached_property
    def audit(self) -> AuditLog:
        """Where every change leaves its entry."""
        return load_audit_log(self.settings.home)

    @cached_property
    def policies(self) -> FieldPolicies:
        """Which fields a role sees."""
        return FieldPolicies(self.engine)


@contextmanager
def open_control_plane(settings: Settings, url: DatabaseUrl) -> Iterator[ControlPlane]:
    """The services for the length of the block, on an engine of their own."""
    engine = make_engine(url, pool_size=5, max_overflow=5)
    try:
        yield ControlPlane(settings, url, engine)
    finally:
        engine.dispose()
