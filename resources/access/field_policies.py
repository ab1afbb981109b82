"""Field policies as rows: read by everything that shows a document, changed by an admin at run time (A4)."""

from __future__ import annotations

import threading
import time
from typing import Any

from sqlalchemy import Engine, text

from domain.access.field_paths import check_field
from domain.access.field_protection import Effect, FieldPolicy, compute_effects, protect
from domain.access.permissions import Role
from domain.errors import NotFoundError
from resources.access.audit_log import AuditLog
from resources.clock import utc_now
from resources.postgres.engine import transaction

#: Another process acts on a change after this long at most; the one that made it acts at once.
_TTL_S = 0.5
_UPSERT = text(
    "INSERT INTO field_policies (resource, field, role, effect, updated_by, updated_at)"
    " VALUES (:resource, :field, :role, :effect, :actor, :at) ON CONFLICT (resource, field, role)"
    " DO UPDATE SET effect = excluded.effect, updated_by = excluded.updated_by, updated_at = excluded.updated_at"
)
_KEY = "resource = :resource AND field = :field AND role = :role"


class FieldPolicies:
    """The policies of the database, read again after half a second: a change holds in every process within a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._policies: list[FieldPolicy] = []
        self._effects: dict[tuple[str, Role], dict[str, Effect]] = {}
        self._read_at = float("-inf")

    def list_policies(self) -> list[FieldPolicy]:
        """All rows by resource, field and role, at most half a second old.

        Raises:
            StorageUnavailableError: nothing is shown on the word of policies that cannot be read.
        """
        with self._lock:
            if time.monotonic() - self._read_at > _TTL_S:
                asked_at = time.monotonic()
                with transaction(self._engine) as connection:
                    rows = connection.execute(
                        text("SELECT resource, field, role, effect FROM field_policies ORDER BY resource, field, role")
                    ).all()
                self._policies = [FieldPolicy(r.resource, r.field, Role(r.role), Effect(r.effect)) for r in rows]
                self._effects = {}
                self._read_at = asked_at
            return self._policies

    def effects(self, resource: str, role: Role) -> dict[str, Effect]:
        """Field path → effect of one resource for one role."""
        policies = self.list_policies()
        found = self._effects.get((resource, role))
        if found is None:
            found = self._effects[(resource, role)] = compute_effects(policies, resource=resource, role=role)
        return found

    def show(self, resource: str, document: Any, role: Role) -> Any:
        """The document as this role may see it. Every answer, page, export and diff passes here."""
        return protect(document, self.effects(resource, role))

    def put(self, policy: FieldPolicy, audit: AuditLog, *, actor: str) -> None:
        """Set how a field looks to a role. The strictest of several policies on one field counts.

        Raises:
            InputDataError: no such resource, or a path that no document of it has.
        """
        check_field(policy.resource, policy.field)
        self._change(policy, audit, actor=actor, effect=policy.effect)

    def delete(self, policy: FieldPolicy, audit: AuditLog, *, actor: str) -> None:
        """Take one back: the field is visible again, a secret one masked.

        Raises:
            NotFoundError: there is no such row.
        """
        self._change(policy, audit, actor=actor, effect=None)

    def _change(self, policy: FieldPolicy, audit: AuditLog, *, actor: str, effect: Effect | None) -> None:
        key = {"resource": policy.resource, "field": policy.field, "role": policy.role.value}
        with transaction(self._engine) as connection:
            connection.execute(text("LOCK TABLE field_policies IN SHARE ROW EXCLUSIVE MODE"))
            before = connection.execute(
                text(f"SELECT effect FROM field_policies WHERE {_KEY}"), key
            ).scalar_one_or_none()
            if effect is None and before is None:
                raise NotFoundError(
                    f"no policy on {policy.field} of {policy.resource} for {policy.role}",
                    suggestion="GET /api/v1/field-policies lists all of them",
                )
            if effect is None:
                connection.execute(text(f"DELETE FROM field_policies WHERE {_KEY}"), key)
            else:
                connection.execute(_UPSERT, {**key, "effect": effect.value, "actor": actor, "at": utc_now()})
            audit.record(
                connection,
                actor=actor,
                action="field-policy.delete" if effect is None else "field-policy.set",
                resource="field-policies",
                resource_id=f"{policy.resource}/{policy.field}/{policy.role.value}",
                before={"effect": before} if before else None,
                after={"effect": effect.value} if effect else None,
            )
        with self._lock:
            self._read_at = float("-inf")
