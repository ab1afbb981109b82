"""Many definitions at once, for imports: everything read in one query, decided in memory, written in a few statements.

Per definition: `created` (a new version), `edited` (the DRAFT that was there), `unchanged` (the content is what is ACTIVE, the
DRAFT, or for PENDING already waits), `refused` with its error. Refusals touch nothing; the caller decides about the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.access.audit_chain import AuditChange
from domain.access.field_protection import Effect
from domain.access.permissions import Caller
from domain.errors import EtlmonError, InputDataError
from domain.loaders.definition import LoaderDefinition
from domain.loaders.lifecycle import compute_authors, require_permission
from domain.loaders.parsing import parse_definition
from domain.vocabulary import VersionState
from resources.access.audit_log import AuditLog
from resources.loaders.definition_codec import DefinitionCodec
from resources.loaders.records import PutResult, showable
from resources.loaders.version_rows import StoredVersion, hold_loaders, insert_versions, read_versions, update_versions


@dataclass(frozen=True, slots=True)
class _Known:
    """What a loader has: its versions that are not archived, and the number of its newest."""

    active: StoredVersion | None = None
    draft: StoredVersion | None = None
    pending: tuple[StoredVersion, ...] = ()
    newest: int = 0


@dataclass(frozen=True, slots=True)
class _Put:
    result: PutResult
    row: StoredVersion | None = None
    before: StoredVersion | None = None


def put_definitions(
    connection: Connection,
    bodies: Sequence[Mapping[str, Any]],
    *,
    caller: Caller,
    target: VersionState,
    codec: DefinitionCodec,
    audit: AuditLog,
    effects: Mapping[str, Effect],
    at: datetime,
    is_dry_run: bool = False,
) -> list[PutResult]:
    """One result per body, in their order; one audit entry per version written.

    Args:
        is_dry_run: decide everything, write no version and no audit; the caller takes the transaction back.

    Raises:
        NotPermittedError: the caller may not import, or not submit when the target is PENDING.
    """
    require_permission(caller, "import")
    if target is not VersionState.DRAFT:
        require_permission(caller, "submit")
    usable = sorted({code for body in bodies if (code := _code_of(body))})
    hold_loaders(connection, usable, at=at)
    known = _read_known(connection, usable)
    seen: set[str] = set()
    puts = [
        _put(index, body, known, seen, caller=caller, target=target, codec=codec, effects=effects, at=at)
        for index, body in enumerate(bodies)
    ]
    if is_dry_run:
        return [one.result for one in puts]
    insert_versions(connection, [one.row for one in puts if one.row is not None and one.before is None])
    edited = [one.row for one in puts if one.row is not None and one.before is not None]
    update_versions(connection, edited, has_new_contents=True)
    _forget_empty(connection, usable)
    audit.record_many(connection, [_note(one, codec, caller.username) for one in puts if one.row is not None])
    return [one.result for one in puts]


def _code_of(body: Mapping[str, Any]) -> str:
    code = body.get("code") if isinstance(body, Mapping) else None
    return code if isinstance(code, str) and code.isascii() and "\0" not in code and len(code) <= 64 else ""


def _read_known(connection: Connection, codes: list[str]) -> dict[str, _Known]:
    newest = connection.execute(
        text("SELECT code, max(version) AS newest FROM loader_versions WHERE code = ANY(:codes) GROUP BY code"),
        {"codes": codes},
    )
    known = {row.code: _Known(newest=row.newest) for row in newest}
    for row in read_versions(connection, "code = ANY(:codes) AND state <> 'ARCHIVED'", codes=codes):
        one = known[row.code]
        if row.state == VersionState.ACTIVE:
            known[row.code] = replace(one, active=row)
        elif row.state == VersionState.DRAFT:
            known[row.code] = replace(one, draft=row)
        else:
            known[row.code] = replace(one, pending=(*one.pending, row))
    return known


def _put(
    index: int,
    body: Mapping[str, Any],
    known: Mapping[str, _Known],
    seen: set[str],
    *,
    caller: Caller,
    target: VersionState,
    codec: DefinitionCodec,
    effects: Mapping[str, Effect],
    at: datetime,
) -> _Put:
    code = _code_of(body)
    mine = known.get(code, _Known())
    base = mine.draft or mine.active
    try:
        if code in seen:
            raise InputDataError(f"field code: {code} appears twice", suggestion="keep one of the two", field="code")
        seen.add(code)
        stored = _document(codec, base) if base is not None else None
        definition = parse_definition(body, stored=stored, effects=effects)
    except EtlmonError as error:
        return _Put(PutResult(index, code, "refused", error=error))
    content = codec.fingerprint(definition)
    if (same := _same(mine, content, target)) is not None:
        return _Put(PutResult(index, code, "unchanged", version=same.version))
    row = _row(definition, content, mine, caller=caller, codec=codec, at=at)
    if target is VersionState.PENDING:
        row = replace(row, state="PENDING", submitted_by=caller.username, submitted_at=at, submitted_hash=content)
    action = "edited" if mine.draft is not None else "created"
    return _Put(PutResult(index, code, action, version=row.version), row, mine.draft)


def _same(mine: _Known, content: str, target: VersionState) -> StoredVersion | None:
    """The version that makes the import needless. A DRAFT of that content still has to be submitted when PENDING is wanted."""
    waiting = mine.pending if target is VersionState.PENDING else (mine.draft,)
    return next((one for one in (mine.active, *waiting) if one is not None and one.content_hash == content), None)


def _row(
    definition: LoaderDefinition,
    content: str,
    mine: _Known,
    *,
    caller: Caller,
    codec: DefinitionCodec,
    at: datetime,
) -> StoredVersion:
    version = mine.draft.version if mine.draft is not None else mine.newest + 1
    contents, secret = codec.encode(definition, version=version)
    if mine.draft is not None:
        return replace(
            mine.draft,
            definition=contents,
            content_hash=content,
            secret=secret,
            revision=mine.draft.revision + 1,
            authors=sorted({*mine.draft.authors, caller.username}),
            updated_at=at,
            decision=None,
            decided_by=None,
            decided_at=None,
            decision_reason=None,
        )
    base = mine.active
    return StoredVersion(
        code=definition.code,
        version=version,
        state=VersionState.DRAFT.value,
        definition=contents,
        content_hash=content,
        secret=secret,
        created_by=caller.username,
        created_at=at,
        updated_at=at,
        authors=sorted(compute_authors(caller, base.facts if base else None)),
        based_on=base.version if base else None,
    )


def _forget_empty(connection: Connection, codes: list[str]) -> None:
    """Loaders that were made for definitions that were refused."""
    connection.execute(text("DELETE FROM loaders WHERE code = ANY(:codes) AND newest_version = 0"), {"codes": codes})


def _document(codec: DefinitionCodec, row: StoredVersion) -> dict[str, Any]:
    return codec.decode_document(
        row.code, row.version, body=row.definition, secret=row.secret, content_hash=row.content_hash
    )


def _note(put: _Put, codec: DefinitionCodec, actor: str) -> AuditChange:
    assert put.row is not None
    before = _audited(codec, put.before) if put.before is not None else None
    name = f"{put.row.code}.{put.row.version}"
    return AuditChange(actor, "loader.import", "loaders", name, before, _audited(codec, put.row))


def _audited(codec: DefinitionCodec, row: StoredVersion) -> dict[str, Any]:
    facts = {"version": row.version, "state": row.state, "revision": row.revision, "contentHash": row.content_hash}
    return {**showable(_document(codec, row)), **facts}
