"""/api/v1/audit: who changed what, from what, to what; exports of it; and whether anybody tampered with it (A9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from api.access import allow, control_plane, current_caller
from api.wire import Instant, Limit, WireModel
from domain.access.audit_chain import AuditEntry
from domain.access.audit_view import ShownEntry, render_csv_line, render_json_line, show_entry
from domain.access.changes import FieldChange
from domain.access.permissions import Caller
from resources.access.audit_trail import AuditFilter
from resources.control_plane import ControlPlane

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])

Control = Annotated[ControlPlane, Depends(control_plane)]
Asking = Annotated[Caller, Depends(current_caller)]
_Text = Annotated[str | None, Query(max_length=256, pattern=r"^[^\x00-\x1f]+$")]
_CHUNK = 200
_MAX_SEQUENCE = 2**63 - 1


class Change(WireModel):
    """One field that changed."""

    path: str
    old: Any
    new: Any


class Entry(WireModel):
    """One entry without its documents."""

    sequence: int
    at: AwareDatetime
    actor: str
    action: str
    resource: str
    resource_id: str
    changes: list[Change]
    correlation_id: str
    mac: str


class FullEntry(Entry):
    """One entry with what was before and after it."""

    before: Any
    after: Any


class EntryPage(WireModel):
    """Newest first; `next_before` is the parameter `before` of the next page, null on the last one."""

    items: list[Entry]
    total: int
    next_before: int | None


class Verdict(WireModel):
    """What verifying found. `first_bad` names the first entry at which the chain is not what was written."""

    is_intact: bool
    entries: int
    anchors: int
    first_bad: int | None
    reason: str


def _wanted(
    *,
    actor: _Text = None,
    action: _Text = None,
    resource: _Text = None,
    resource_id: _Text = None,
    correlation_id: _Text = None,
    since: Annotated[Instant | None, Query(description="inclusive")] = None,
    until: Annotated[Instant | None, Query(description="exclusive")] = None,
) -> AuditFilter:
    return AuditFilter(actor, action, resource, resource_id, correlation_id, since, until)


Wanted = Annotated[AuditFilter, Depends(_wanted)]


@router.get("")
@allow("audit", "read")
def list_audit(
    control: Control,
    caller: Asking,
    wanted: Wanted,
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, le=_MAX_SEQUENCE, description="sequence: only older entries")] = None,
) -> EntryPage:
    """Entries that match, newest first."""
    show = _shower(control, caller)
    found = control.audit_trail.list_entries(wanted, limit=limit + 1, before=before)
    items = [_entry(show(one)) for one in found[:limit]]
    following = items[-1].sequence if len(found) > limit else None
    return EntryPage(items=items, total=control.audit_trail.count(wanted), next_before=following)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
            }
        }
    },
)
@allow("audit", "export")
def export_audit(
    control: Control,
    caller: Asking,
    wanted: Wanted,
    file_format: Annotated[Literal["csv", "jsonl"], Query(alias="format")] = "csv",
) -> StreamingResponse:
    """Everything that matches, newest first, as CSV or JSON lines; streamed."""
    show = _shower(control, caller)
    shown = (show(one) for one in control.audit_trail.stream(wanted))
    first = list(islice(shown, 1))  # a database that is not there is a problem document, not half a file
    lines = _csv(chain(first, shown)) if file_format == "csv" else map(render_json_line, chain(first, shown))
    media_type = "text/csv" if file_format == "csv" else "application/x-ndjson"
    disposition = f'attachment; filename="etlmon-audit.{file_format}"'
    return StreamingResponse(_chunks(lines), media_type=media_type, headers={"Content-Disposition": disposition})


@router.get("/verify", include_in_schema=False)
@allow("audit", "verify")
def refuse_reading_verdicts() -> None:
    """Without it `verify` would be taken for a sequence."""
    raise HTTPException(405, "Method Not Allowed")


@router.get("/{sequence}")
@allow("audit", "read")
def read_audit_entry(
    control: Control, caller: Asking, sequence: Annotated[int, Path(ge=1, le=_MAX_SEQUENCE)]
) -> FullEntry:
    """One entry with its documents."""
    shown = _shower(control, caller)(control.audit_trail.get_entry(sequence))
    return FullEntry(**_entry(shown).model_dump(), before=shown.before, after=shown.after)


@router.post("/verify")
@allow("audit", "verify")
def verify_audit(control: Control, caller: Asking) -> Verdict:
    """Walk the whole chain now."""
    verdict = control.audit_trail.verify(by=caller.username)
    broken = verdict.broken
    return Verdict(
        is_intact=verdict.is_intact,
        entries=verdict.entries,
        anchors=verdict.anchors,
        first_bad=broken.sequence if broken else None,
        reason=broken.reason if broken else "",
    )


def _shower(control: ControlPlane, caller: Caller) -> Callable[[AuditEntry], ShownEntry]:
    return lambda entry: show_entry(entry, control.policies.effects(entry.resource, caller.role))


def _entry(one: ShownEntry) -> Entry:
    return Entry(
        sequence=one.sequence,
        at=one.at,
        actor=one.actor,
        action=one.action,
        resource=one.resource,
        resource_id=one.resource_id,
        changes=[_change(change) for change in one.changes],
        correlation_id=one.correlation_id,
        mac=one.mac,
    )


def _change(change: FieldChange) -> Change:
    return Change(path=change.path, old=change.old, new=change.new)


def _csv(entries: Iterator[ShownEntry]) -> Iterator[str]:
    yield render_csv_line(None)
    yield from map(render_csv_line, entries)


def _chunks(lines: Iterator[str]) -> Iterator[str]:
    while some := list(islice(lines, _CHUNK)):
        yield "".join(some)
