"""Loader versions as a service: each method is one transaction that holds the loader, decides by `domain.loaders.lifecycle`,
writes the rows and leaves its audit entry. For the API, its pages, the command line, imports and seeding alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from domain.access.permissions import Caller
from domain.errors import ConflictError, InputDataError, NotFoundError
from domain.loaders.definition import LoaderDefinition
from domain.loaders.lifecycle import (
    Action,
    Transition,
    VersionFacts,
    compute_authors,
    decide_transition,
    require_no_draft,
    require_permission,
)
from domain.loaders.parsing import parse_definition
from domain.vocabulary import VersionState
from resources.access.audit_log import AuditLog, load_audit_log
from resources.access.field_policies import FieldPolicies
from resources.clock import utc_now
from resources.encryption import Cipher, load_cipher
from resources.loaders.bulk import put_definitions
from resources.loaders.definition_codec import DefinitionCodec
from resources.loaders.previous_release import rewrite_old_rows
from resources.loaders.records import PutResult, VersionRecord, showable
from resources.loaders.seeding import SeedResult, retire_vanished, seed_definitions
from resources.loaders.transition_rows import follow, make_way, move
from resources.loaders.version_reading import VersionReader
from resources.loaders.version_rows import (
    StoredVersion,
    hold_loaders,
    insert_versions,
    read_facts,
    update_versions,
)
from resources.postgres.engine import transaction
from resources.secret_files import load_secret_file

_RESOURCE = "loaders"


def load_fingerprint_key(home: Path) -> bytes:
    """The key of content fingerprints; never rotated: approvals are bound to them."""
    return load_secret_file(home, "fingerprint.key", secrets.token_bytes(32))


def load_loader_versions(
    home: Path, engine: Engine, *, cipher: Cipher | None = None, audit: AuditLog | None = None
) -> LoaderVersions:
    """The service with the keys of a home."""
    return LoaderVersions(
        engine, cipher or load_cipher(home), audit or load_audit_log(home), load_fingerprint_key(home)
    )


class LoaderVersions(VersionReader):
    """`control.loaders`. Safe to use from many threads and processes at once."""

    def __init__(self, engine: Engine, cipher: Cipher, audit: AuditLog, fingerprint_key: bytes) -> None:
        super().__init__(engine, DefinitionCodec(cipher, fingerprint_key))
        self._audit = audit
        self._policies = FieldPolicies(engine)

    # drafts -------------------------------------------------------------------------------------------------------------

    def create_draft(
        self,
        body: Mapping[str, Any],
        *,
        caller: Caller,
        based_on: int | None = None,
        is_new_loader: bool = False,
        at: datetime | None = None,
    ) -> VersionRecord:
        """A new DRAFT of the loader named by `body["code"]`; the loader is made where it does not exist.

        Masked values are taken from the version it is based on; unsaid, that is the ACTIVE one.

        Args:
            is_new_loader: refuse when the loader exists.

        Raises:
            InputDataError: naming the field. ConflictError: there is a DRAFT. NotFoundError: no such base.
        """
        require_permission(caller, "edit")
        now = at or utc_now()
        code = body.get("code")
        if not isinstance(code, str) or not code.isascii() or "\0" in code:
            parse_definition({**body, "code": code if isinstance(code, str) else None})
            raise InputDataError("field code: not a code", suggestion="write for example ORDERS-ERRORS", field="code")
        with transaction(self._engine) as connection:
            hold_loaders(connection, [code], at=now)
            known = read_facts(connection, code)
            if is_new_loader and known:
                raise ConflictError(
                    f"the loader {code} exists already",
                    suggestion=f"make a draft of it: POST /api/v1/loaders/{code}/drafts",
                )
            return self._insert_draft(connection, body, known, caller=caller, based_on=based_on, at=now)

    def copy_draft(self, code: str, *, caller: Caller, based_on: int, at: datetime | None = None) -> VersionRecord:
        """A new DRAFT with the content of any version, its secrets included.

        Raises:
            NotFoundError: no such version. ConflictError: there is a DRAFT.
        """
        require_permission(caller, "edit")
        now = at or utc_now()
        with transaction(self._engine) as connection:
            hold_loaders(connection, [code])
            known = read_facts(connection, code)
            base = self._document(self._row(connection, code, based_on))
            return self._insert_draft(connection, base, known, caller=caller, based_on=based_on, at=now)

    def edit(
        self,
        code: str,
        version: int,
        body: Mapping[str, Any],
        *,
        caller: Caller,
        revision: int,
        at: datetime | None = None,
    ) -> VersionRecord:
        """Replace the content of a DRAFT, or of a PENDING version, which becomes a DRAFT: its submission is void.

        Raises:
            StaleEditError: changed since `revision`. ConflictError: not from its state. InputDataError: naming the field.
        """
        now = at or utc_now()
        with transaction(self._engine) as connection:
            row, others = self._hold(connection, code, version)
            decide_transition(Action.EDIT, row.facts, caller=caller, others=others, revision=revision)
            if body.get("code", code) != code:
                raise InputDataError(
                    f"field code: the version belongs to {code}",
                    suggestion="a code never changes; make a new loader",
                    field="code",
                )
            definition = parse_definition(
                {**body, "code": code},
                stored=self._document(row),
                effects=self._policies.effects(_RESOURCE, caller.role),
            )
            transition = decide_transition(
                Action.EDIT,
                row.facts,
                caller=caller,
                others=others,
                content_hash=self.codec.fingerprint(definition),
            )
            contents, secret = self.codec.encode(definition, version=version)
            following = replace(move(row, transition, at=now), definition=contents, secret=secret)
            update_versions(connection, [following], has_new_contents=True)
            self._note(connection, Action.EDIT, row, following, caller=caller)
            return self._record(following)

    # decisions ----------------------------------------------------------------------------------------------------------

    def submit(self, code: str, version: int, *, caller: Caller, revision: int | None = None) -> VersionRecord:
        """DRAFT → PENDING, bound to its present content."""
        return self._change(Action.SUBMIT, code, version, caller=caller, revision=revision)

    def withdraw(self, code: str, version: int, *, caller: Caller, revision: int | None = None) -> VersionRecord:
        """PENDING → DRAFT, by its submitter."""
        return self._change(Action.WITHDRAW, code, version, caller=caller, revision=revision)

    def discard(self, code: str, version: int, *, caller: Caller, revision: int | None = None) -> VersionRecord:
        """DRAFT → ARCHIVED."""
        return self._change(Action.DISCARD, code, version, caller=caller, revision=revision)

    def approve(
        self, code: str, version: int, *, caller: Caller, content_hash: str, revision: int | None = None
    ) -> VersionRecord:
        """PENDING → ACTIVE; the ACTIVE version before it → ARCHIVED. Never by its submitter or an author."""
        return self._change(Action.APPROVE, code, version, caller=caller, revision=revision, content_hash=content_hash)

    def reject(
        self, code: str, version: int, *, caller: Caller, reason: str, revision: int | None = None
    ) -> VersionRecord:
        """PENDING → ARCHIVED with a reason; it can never be rolled back to."""
        return self._change(Action.REJECT, code, version, caller=caller, revision=revision, reason=reason)

    def rollback(
        self, code: str, version: int, *, caller: Caller, reason: str = "", revision: int | None = None
    ) -> VersionRecord:
        """A version that was ACTIVE once is so again; the present one → ARCHIVED."""
        return self._change(Action.ROLLBACK, code, version, caller=caller, revision=revision, reason=reason)

    # many at once -------------------------------------------------------------------------------------------------------

    def put_many(
        self,
        bodies: Sequence[Mapping[str, Any]],
        *,
        caller: Caller,
        target: VersionState,
        connection: Connection,
        at: datetime | None = None,
        is_dry_run: bool = False,
    ) -> list[PutResult]:
        """Bring many definitions in as DRAFT or PENDING, set-based, inside the caller's transaction; see `resources.loaders.bulk`.

        Call it once per transaction: it takes the loaders' locks and then the audit's.
        """
        return put_definitions(
            connection,
            bodies,
            caller=caller,
            target=target,
            codec=self.codec,
            audit=self._audit,
            effects=self._policies.effects(_RESOURCE, caller.role),
            at=at or utc_now(),
            is_dry_run=is_dry_run,
        )

    def seed(self, definitions: Sequence[LoaderDefinition], *, at: datetime) -> list[SeedResult]:
        """Bring the definitions of rule files in; see `resources.loaders.seeding`."""
        return seed_definitions(self._engine, self.codec, self._audit, definitions, at=at)

    def retire_vanished(self, known: Collection[str], *, at: datetime) -> list[str]:
        """Archive what came from a rule file that is gone; see `resources.loaders.seeding`."""
        return retire_vanished(self._engine, self.codec, self._audit, known, at=at)

    def rewrite_old_rows(self) -> int:
        """Bring rows of the previous release to the present form; see `resources.loaders.previous_release`."""
        return rewrite_old_rows(self._engine, self.codec)

    # inside -------------------------------------------------------------------------------------------------------------

    def _change(
        self,
        action: Action,
        code: str,
        version: int,
        *,
        caller: Caller,
        revision: int | None,
        content_hash: str | None = None,
        reason: str = "",
    ) -> VersionRecord:
        now = utc_now()
        with transaction(self._engine) as connection:
            row, others = self._hold(connection, code, version)
            transition = decide_transition(
                action,
                row.facts,
                caller=caller,
                others=others,
                revision=revision,
                content_hash=content_hash,
                reason=reason,
            )
            following = self._apply(connection, row, transition, action=action, caller=caller, reason=reason, at=now)
            self._note(connection, action, row, following, caller=caller, reason=reason)
            return self._record(following)

    def _apply(
        self,
        connection: Connection,
        row: StoredVersion,
        transition: Transition,
        *,
        action: Action,
        caller: Caller,
        reason: str,
        at: datetime,
    ) -> StoredVersion:
        if transition.archived is not None:
            made_way = self._row(connection, row.code, transition.archived.version)
            update_versions(connection, [make_way(made_way, transition.archived, at=at)])
        following = follow(row, transition, action=action, caller=caller, reason=reason, at=at)
        update_versions(connection, [following])
        return following

    def _insert_draft(
        self,
        connection: Connection,
        body: Mapping[str, Any],
        known: list[VersionFacts],
        *,
        caller: Caller,
        based_on: int | None,
        at: datetime,
    ) -> VersionRecord:
        code = str(body["code"])
        base = _base(code, known, based_on)
        stored = self._document(self._row(connection, code, base.version)) if base else None
        definition = parse_definition(body, stored=stored, effects=self._policies.effects(_RESOURCE, caller.role))
        require_no_draft(code, known)
        version = max((one.version for one in known), default=0) + 1
        contents, secret = self.codec.encode(definition, version=version)
        row = StoredVersion(
            code=code,
            version=version,
            state=VersionState.DRAFT.value,
            definition=contents,
            content_hash=self.codec.fingerprint(definition),
            secret=secret,
            created_by=caller.username,
            created_at=at,
            updated_at=at,
            authors=sorted(compute_authors(caller, base)),
            based_on=base.version if base else None,
        )
        insert_versions(connection, [row])
        self._audit.record(
            connection,
            actor=caller.username,
            action="loader.create",
            resource=_RESOURCE,
            resource_id=f"{code}.{version}",
            after=self._audited(row),
        )
        return self._record(row)

    def _hold(self, connection: Connection, code: str, version: int) -> tuple[StoredVersion, list[VersionFacts]]:
        """The row of the version and the facts of the others; nobody else changes them before the end of the transaction."""
        hold_loaders(connection, [code])
        others = [one for one in read_facts(connection, code) if one.version != version]
        return self._row(connection, code, version), others

    def _note(
        self,
        connection: Connection,
        action: Action,
        before: StoredVersion,
        after: StoredVersion,
        *,
        caller: Caller,
        reason: str = "",
    ) -> None:
        has_contents = action is Action.EDIT
        self._audit.record(
            connection,
            actor=caller.username,
            action=f"loader.{action.value}",
            resource=_RESOURCE,
            resource_id=f"{after.code}.{after.version}",
            before=self._audited(before, has_contents=has_contents),
            after=self._audited(after, has_contents=has_contents) | ({"reason": reason} if reason else {}),
        )

    def _audited(self, row: StoredVersion, *, has_contents: bool = True) -> dict[str, Any]:
        facts = {"version": row.version, "state": row.state, "revision": row.revision, "contentHash": row.content_hash}
        return {**(showable(self._document(row)) if has_contents else {"code": row.code}), **facts}


def _base(code: str, known: list[VersionFacts], based_on: int | None) -> VersionFacts | None:
    if based_on is None:
        return next((one for one in known if one.state is VersionState.ACTIVE), None)
    found = next((one for one in known if one.version == based_on), None)
    if found is None:
        raise NotFoundError(
            f"no version {based_on} of the loader {code}", suggestion="base the draft on one that exists"
        )
    return found
