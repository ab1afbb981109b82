"""Loaders and their versions as JSON. Definitions have passed the field policies of the reader's role."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Header, Path, Response
from pydantic import Field

from api.wire import WireModel, find_revision
from domain.access.permissions import Caller
from domain.errors import PreconditionRequiredError
from domain.loaders.lifecycle import Action, Decision
from domain.vocabulary import SourceKind, VersionState
from resources.control_plane import ControlPlane
from resources.loaders.records import VersionRecord

_CODE = r"^[A-Z][A-Z0-9-]{1,63}$"
_MAX_VERSION = 2_147_483_647

Code = Annotated[str, Path(pattern=_CODE, description="code of the loader")]
Version = Annotated[int, Path(ge=1, le=_MAX_VERSION, description="number of the version")]
VersionNumber = Annotated[int, Field(ge=1, le=_MAX_VERSION)]
IfMatch = Annotated[
    str | None, Header(max_length=400, description='ETag of the version as read: `"CODE.version.revision"`')
]
Reason = Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00]*$")]


class LoaderSummary(WireModel):
    """A loader in a list: texts of its ACTIVE version, else of the newest that waits, else of the newest."""

    code: str
    title: str
    owner: str
    source: SourceKind
    schedule: str
    state: VersionState
    shown_version: int
    active_version: int | None
    draft_version: int | None
    pending_versions: list[int]
    newest_version: int
    versions: int = Field(description="how many there are")
    created_at: datetime
    updated_at: datetime


class LoaderList(WireModel):
    """One page."""

    items: list[LoaderSummary]
    total: int


class VersionAnswer(WireModel):
    """One version. `definition` can be sent back: masked values mean unchanged."""

    code: str
    version: int
    state: VersionState
    revision: int
    etag: str
    definition: dict[str, Any]
    content_hash: str
    authors: list[str]
    created_by: str
    created_at: datetime
    updated_at: datetime
    submitted_by: str | None
    submitted_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    decision: Decision | None
    decision_reason: str | None
    activated_at: datetime | None
    archived_at: datetime | None
    based_on: int | None
    actions: list[Action] = Field(description="what the state leaves open; role and four eyes may still forbid it")


class VersionList(WireModel):
    """One page, the newest version first."""

    items: list[VersionAnswer]
    total: int


class DefinitionBody(WireModel):
    """A loader's definition, as in `rules/loaders/*.yaml`. Values that came masked or hidden are kept."""

    definition: dict[str, Any]


class DraftBody(WireModel):
    """Without a definition the draft is a copy of the version it is based on."""

    based_on: VersionNumber
    definition: dict[str, Any] | None = None


class ApproveBody(WireModel):
    """What is approved: the content that was looked at."""

    content_hash: str = Field(pattern=r"^[0-9a-z-]{8,100}$")


class RejectBody(WireModel):
    """Why."""

    reason: Reason = Field(min_length=1)


class RollbackBody(WireModel):
    """Why, for the audit."""

    reason: Reason = ""


def answer_version(record: VersionRecord, control: ControlPlane, caller: Caller) -> VersionAnswer:
    """The version as this caller may see it."""
    return VersionAnswer(
        code=record.code,
        version=record.version,
        state=record.state,
        revision=record.revision,
        etag=f'"{record.etag}"',
        definition=control.policies.show("loaders", record.document, caller.role),
        content_hash=record.content_hash,
        authors=list(record.authors),
        created_by=record.created_by,
        created_at=record.created_at,
        updated_at=record.updated_at,
        submitted_by=record.submitted_by,
        submitted_at=record.submitted_at,
        decided_by=record.decided_by,
        decided_at=record.decided_at,
        decision=record.decision,
        decision_reason=record.decision_reason,
        activated_at=record.activated_at,
        archived_at=record.archived_at,
        based_on=record.based_on,
        actions=record.actions,
    )


def send_version(record: VersionRecord, response: Response, *, control: ControlPlane, caller: Caller) -> VersionAnswer:
    """The version with its ETag."""
    response.headers["ETag"] = f'"{record.etag}"'
    return answer_version(record, control, caller)


def read_revision(if_match: str | None, code: str, version: int) -> int | None:
    """The revision that If-Match names; None without the header.

    Raises:
        StaleEditError: it names another version.
    """
    return find_revision(if_match, f"{code}.{version}")


def require_revision(if_match: str | None, code: str, version: int) -> int:
    """As `read_revision`, for changes that must say what they change.

    Raises:
        PreconditionRequiredError: no If-Match. StaleEditError: it names another version.
    """
    revision = read_revision(if_match, code, version)
    if revision is None:
        raise PreconditionRequiredError(
            f"an edit of {code} version {version} needs If-Match", suggestion="GET the version and send its ETag back"
        )
    return revision
