"""/api/v1/loaders/{code}/versions/{version}/…: submit, withdraw, discard, approve, reject, rollback (A6, A7)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

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
from resources.loaders.records import VersionRecord

router = APIRouter(prefix="/api/v1/loaders/{code}/versions/{version}", tags=["loaders"])


class Decision:
    """What each of them needs: which version, as it was read, by whom; and how it is answered."""

    def __init__(
        self,
        code: Code,
        version: Version,
        *,
        response: Response,
        control: Control,
        caller: Asking,
        if_match: IfMatch = None,
    ) -> None:
        self.code, self.version, self.caller = code, version, caller
        self.revision = read_revision(if_match, code, version)
        self.loaders = control.loaders
        self._control, self._response = control, response

    def send(self, record: VersionRecord) -> VersionAnswer:
        """The version after it, with its new ETag."""
        return send_version(record, self._response, control=self._control, caller=self.caller)


Deciding = Annotated[Decision, Depends()]


@router.post("/submit")
@allow("loaders", "submit")
def submit(its: Deciding) -> VersionAnswer:
    """DRAFT → PENDING, bound to its present content."""
    return its.send(its.loaders.submit(its.code, its.version, caller=its.caller, revision=its.revision))


@router.post("/withdraw")
@allow("loaders", "submit")
def withdraw(its: Deciding) -> VersionAnswer:
    """PENDING → DRAFT, by who submitted it."""
    return its.send(its.loaders.withdraw(its.code, its.version, caller=its.caller, revision=its.revision))


@router.post("/discard")
@allow("loaders", "edit")
def discard(its: Deciding) -> VersionAnswer:
    """DRAFT → ARCHIVED; a new draft can be based on it."""
    return its.send(its.loaders.discard(its.code, its.version, caller=its.caller, revision=its.revision))


@router.post("/approve")
@allow("loaders", "approve")
def approve(its: Deciding, body: ApproveBody) -> VersionAnswer:
    """PENDING → ACTIVE from the next capture on. Never by who submitted or wrote it, whatever the role."""
    seen = body.content_hash
    return its.send(
        its.loaders.approve(its.code, its.version, caller=its.caller, content_hash=seen, revision=its.revision)
    )


@router.post("/reject")
@allow("loaders", "reject")
def reject(its: Deciding, body: RejectBody) -> VersionAnswer:
    """PENDING → ARCHIVED with a reason."""
    why = body.reason
    return its.send(its.loaders.reject(its.code, its.version, caller=its.caller, reason=why, revision=its.revision))


@router.post("/rollback")
@allow("loaders", "rollback")
def rollback(its: Deciding, body: RollbackBody) -> VersionAnswer:
    """An ARCHIVED version that was ACTIVE once is so again; the present one is archived in the same transaction."""
    why = body.reason
    return its.send(its.loaders.rollback(its.code, its.version, caller=its.caller, reason=why, revision=its.revision))
