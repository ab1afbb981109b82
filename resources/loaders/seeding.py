"""Rule files come in as loader versions through the same lifecycle as people's: submitted by one actor, approved by another.

A file whose content was seeded before changes nothing. Where an operator's version runs, a new file waits as PENDING.
What came from a file that is gone is archived; the file brings it back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine

from domain.access.audit_chain import AuditChange
from domain.access.permissions import Caller, Role
from domain.loaders.definition import LoaderDefinition
from domain.loaders.lifecycle import Action, archive, decide_transition
from domain.vocabulary import VersionState
from resources.access.audit_log import AuditLog
from resources.loaders.definition_codec import DefinitionCodec
from resources.loaders.records import showable
from resources.loaders.transition_rows import make_way
from resources.loaders.version_rows import (
    StoredVersion,
    hold_loaders,
    insert_versions,
    read_versions,
    update_versions,
)
from resources.postgres.engine import transaction

SEED_ACTOR = "rule-file"
SEED_APPROVER = "release"
_APPROVER = Caller(SEED_APPROVER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What seeding did with one definition: `activated`, `pending` (an operator's version runs) or `unchanged`."""

    code: str
    version: int
    action: str


@dataclass(frozen=True, slots=True)
class _Plan:
    result: SeedResult
    row: StoredVersion | None = None
    archived: StoredVersion | None = None


def seed_definitions(
    engine: Engine, codec: DefinitionCodec, audit: AuditLog, definitions: Sequence[LoaderDefinition], *, at: datetime
) -> list[SeedResult]:
    """Bring definitions in, in one transaction. Doing so again, or at the same time elsewhere, changes nothing."""
    newest = {one.code: one for one in definitions}  # of two files with one code the last counts
    codes = list(newest)
    with transaction(engine) as connection:
        hold_loaders(connection, codes, at=at)
        known: dict[str, list[StoredVersion]] = {code: [] for code in codes}
        for row in read_versions(connection, "code = ANY(:codes) ORDER BY version", codes=codes):
            known[row.code].append(row)
        plans = [_plan(one, known[one.code], codec, at=at) for one in newest.values()]
        update_versions(connection, [one.archived for one in plans if one.archived is not None])
        rows = [one.row for one in plans if one.row is not None]
        insert_versions(connection, rows)
        _record(connection, audit, rows, codec)
    return [one.result for one in plans]


def retire_vanished(
    engine: Engine, codec: DefinitionCodec, audit: AuditLog, known: Collection[str], *, at: datetime
) -> list[str]:
    """Archive the ACTIVE versions that seeding made of loaders other than `known`.

    Returns:
        The codes of the loaders that ended.
    """
    condition = "state = 'ACTIVE' AND created_by = :actor AND code <> ALL(:known) ORDER BY code"
    with transaction(engine) as connection:
        found = read_versions(connection, condition, actor=SEED_ACTOR, known=list(known))
        hold_loaders(connection, [row.code for row in found])
        rows = read_versions(connection, condition, actor=SEED_ACTOR, known=list(known))
        ended = [make_way(row, archive(row.facts), at=at) for row in rows]
        update_versions(connection, ended)
        audit.record_many(
            connection,
            [
                AuditChange(
                    SEED_ACTOR,
                    "loader.retire",
                    "loaders",
                    f"{row.code}.{row.version}",
                    _audited(row, codec),
                    {**_audited(after, codec), "reason": "its rule file is gone"},
                )
                for row, after in zip(rows, ended, strict=True)
            ],
        )
    return [row.code for row in rows]


def _plan(definition: LoaderDefinition, known: list[StoredVersion], codec: DefinitionCodec, *, at: datetime) -> _Plan:
    code, content = definition.code, codec.fingerprint(definition)
    seeded = [row for row in known if row.created_by == SEED_ACTOR]
    active = next((row for row in known if row.state == VersionState.ACTIVE), None)
    is_retired = active is None and bool(seeded) and seeded[-1].activated_at is not None
    if seeded and seeded[-1].content_hash == content and not is_retired:
        return _Plan(SeedResult(code, seeded[-1].version, "unchanged"))
    version = (known[-1].version if known else 0) + 1
    contents, secret = codec.encode(definition, version=version)
    row = StoredVersion(
        code=code,
        version=version,
        state=VersionState.PENDING.value,
        definition=contents,
        content_hash=content,
        secret=secret,
        created_by=SEED_ACTOR,
        created_at=at,
        updated_at=at,
        authors=[SEED_ACTOR],
        submitted_by=SEED_ACTOR,
        submitted_at=at,
        submitted_hash=content,
        based_on=active.version if active else None,
    )
    if active is not None and active.created_by != SEED_ACTOR:
        return _Plan(SeedResult(code, version, "pending"), row)
    return _approve(row, known, at=at)


def _approve(row: StoredVersion, known: list[StoredVersion], *, at: datetime) -> _Plan:
    others = [one.facts for one in known]
    transition = decide_transition(
        Action.APPROVE, row.facts, caller=_APPROVER, others=others, content_hash=row.content_hash
    )
    approved = replace(
        row, state=transition.becomes.state.value, revision=2, decision="APPROVED", decided_by=SEED_APPROVER,
        decided_at=at, activated_at=at,
    )  # fmt: skip
    facts = transition.archived
    archived = None
    if facts is not None:
        before = next(one for one in known if one.version == facts.version)
        archived = make_way(before, facts, at=at)
    return _Plan(SeedResult(row.code, row.version, "activated"), approved, archived)


def _record(connection: Connection, audit: AuditLog, rows: list[StoredVersion], codec: DefinitionCodec) -> None:
    names = [f"{row.code}.{row.version}" for row in rows]
    documents = [_audited(row, codec) for row in rows]
    notes = [
        AuditChange(SEED_ACTOR, "loader.seed", "loaders", name, None, document)
        for name, document in zip(names, documents, strict=True)
    ]
    audit.record_many(connection, notes)


def _audited(row: StoredVersion, codec: DefinitionCodec) -> dict[str, object]:
    document = codec.decode_document(
        row.code, row.version, body=row.definition, secret=row.secret, content_hash=row.content_hash
    )
    facts = {"version": row.version, "state": row.state, "revision": row.revision, "contentHash": row.content_hash}
    return {**showable(document), **facts, "approvedBy": row.decided_by}
