"""Field policies as rows: read by everything that shows a document, changed by an admin at run time (A4)."""

from __future__ import annotations

import threading
import time
from typing import Any

from sqlalchemy import Engine, text

from domain.access.field_protection import Effect, FieldPolicy, compute_effects, protect
from domain.access.permissions import Role
from resources.postgres.engine import transaction

_TTL_S = 1.0


class FieldPolicies:
    """The policies of the database, read again after a second: a change holds in every process by then."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._policies: list[FieldPolicy] = []
        self._read_at = float("-inf")

    def list_policies(self) -> list[FieldPolicy]:
        """All rows, at most a second old."""
        with self._lock:
            if time.monotonic() - self._read_at > _TTL_S:
                with transaction(self._engine) as connection:
                    rows = connection.execute(text("SELECT resource, field, role, effect FROM field_policies")).all()
                self._policies = [FieldPolicy(r.resource, r.field, Role(r.role), Effect(r.effect)) for r in rows]
                self._read_at = time.monotonic()
            return self._policies

    def effects(self, resource: str, role: Role) -> dict[str, Effect]:
        """Field path → effect of one resource for one role."""
        return compute_effects(self.list_policies(), resource=resource, role=role)

    def show(self, resource: str, document: Any, role: Role) -> Any:
        """The document as this role may see it. Every answer, page, export and diff passes here."""
        return protect(document, self.effects(resource, role))
