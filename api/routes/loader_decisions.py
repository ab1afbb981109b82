"""/api/v1/loaders/{code}/versions/{version}/…: submit, withdraw, discard, approve, reject, rollback (A6, A7)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.access import allow
from api.routes.auth import Asking, Control
from api.routes.loader_answers import (
    ApproveBody,
    Code,
    IfMatch,
    RejectBody,
    RollbackBody,
    Version,
    VersionAnswer,
    read_revision,
    send_version,
)

router = APIRouter(prefix="/api/v1/loaders/{code}/versions/{version}", tags=["loaders"])


@router.post("/submit")
@allow("loaders", "submit")
def submit(
    code: Code, version: Version, *, response: Response, control: Control, caller: Asking, if_match: IfMatch = None
) -> VersionAnswer:
    """DRAFT → PENDING, bound to its present content."""
    revision = read_revision(if_match, code, version)
    record = control.loaders.submit(code, version, caller=caller, revision=revision)
    return send_version(record, response, control=control, caller=caller)


@router.post("/withdraw")
@allow("loaders", "submit")
def withdraw(
    code: Code, version: Version, *, response: Response, control: Control, caller: Asking, if_match: IfMatch = None
) -> VersionAnswer:
    """PENDING → DRAFT, by who submitted it."""
    revision = read_revision(if_match, code, version)
    record = control.loaders.withdraw(code, version, caller=caller, revision=revision)
    return send_version(record, response, control=control, caller=caller)


@router.post("/discard")
@allow("loaders", "edit")
def discard(
    code: Code, version: Version, *, response: Response, control: Control, caller: Asking, if_match: IfMatch = None
) -> VersionAnswer:
    """DRAFT → ARCHIVED; a new draft can be based on it."""
    revision = read_revision(if_match, code, version)
    record = control.loaders.discard(code, version, caller=caller, revision=revision)
    return send_version(record, response, control=control, caller=caller)


@router.post("/approve")
@allow("loaders", "approve")
def approve(
    code: Code,
    version: Version,
    *,
    body: ApproveBody,
    response: Response,
    control: Control,
    caller: Asking,
    if_match: IfMatch = None,
) -> VersionAnswer:
    """PENDING → ACTIVE from the next capture on. Never by who submitted or wrote it, whatever the role."""
    revision = read_revision(if_match, code, version)
    record = control.loaders.approve(code, version, caller=caller, content_hash=body.content_hash, revision=revision)
    return send_version(record, response, control=control, caller=caller)


@router.post("/reject")
@allow("loaders", "reject")
def reject(
    code: Code,
    version: Version,
    *,
    body: RejectBody,
    response: Response,
    control: Control,
    caller: Asking,
    if_match: IfMatch = None,
) -> VersionAnswer:
    """PENDING → ARCHIVED with a reason."""
    revision = read_revision(if_match, code, version)
    record = control.loaders.reject(code, version, caller=caller, reason=body.reason, revision=revision)
    return send_version(record, response, control=control, caller=caller)


@router.post("/rollback")
@allow("loaders", "rollback")
def rollback(
    code: Code,
    version: Version,
    *,
    body: RollbackBody,
    response: Response,
    control: Control,
    caller: Asking,
    if_match: IfMatch = None,
) -> VersionAnswer:
    """An ARCHIVED version that was ACTIVE once is so again; the present one is archived in the same transaction."""
    revision = read_revision(if_match, code, version)
    record = control.loaders.rollback(code, version, caller=caller, reason=body.reason, revision=revision)
    return send_version(record, response, control=control, caller=caller)
