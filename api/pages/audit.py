"""The audit: what was changed, by whom, from what to what; export; and whether anybody tampered with it (A9)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Path, Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.filters import read_instant
from api.pages.flashes import Flash
from api.pages.rendering import go, render
from domain.access.audit_chain import AuditEntry
from domain.access.audit_view import ShownEntry, show_entry
from resources.access.audit_trail import AuditFilter

router = page_router()
_PAGE = 100
_CRUMBS = [("Overview", "/"), ("Audit", "/audit")]
_FILTERS = ("actor", "action", "resource", "resource_id", "correlation_id", "since", "until")
Text = Annotated[str, Query(max_length=256)]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One field as texts; None where it was not there."""

    path: str
    old: str | None
    new: str | None


@router.get("/audit")
@allow("audit", "read")
def list_audit(request: Request, before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None) -> Response:
    """Newest first, with filters."""
    given = {name: request.query_params.get(name, "").strip()[:256] for name in _FILTERS}
    wanted = _filter(given)
    trail = control_plane(request).audit_trail
    found = trail.list_entries(wanted, limit=_PAGE + 1, before=before)
    query = urlencode(
        {name: _instant_text(value) if name in _DAYS else value for name, value in given.items() if value}
    )
    return render(
        request,
        "audit.html",
        crumbs=_CRUMBS,
        entries=[_show(request, one) for one in found[:_PAGE]],
        total=trail.count(wanted),
        older=found[_PAGE - 1].sequence if len(found) > _PAGE else None,
        is_first=before is None,
        given=given,
        is_filtered=any(given.values()),
        export_query=query,
    )


@router.get("/audit/{sequence}")
@allow("audit", "read")
def show_audit_entry(request: Request, sequence: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    """One entry: every field that changed, before and after."""
    entry = _show(request, control_plane(request).audit_trail.get_entry(sequence))
    return render(
        request,
        "audit_entry.html",
        crumbs=[*_CRUMBS, (f"Entry {sequence}", "")],
        entry=entry,
        rows=[
            ChangeRow(one.path, _text(one.old), _text(one.new))
            for one in entry.changes
            if (one.old, one.new) != (None, None)
        ],
    )


@router.post("/audit/verify")
@allow("audit", "verify")
def verify_audit(request: Request) -> Response:
    """Walk the whole chain now."""
    verdict = control_plane(request).audit_trail.verify(by=current_caller(request).username)
    if verdict.broken is None:
        text = f"All {verdict.entries:,} entries are what was written, in the order in which they were written."
        return go(request, "/audit", Flash("The audit is intact", text))
    where = f"First bad entry: {verdict.broken.sequence}. " if verdict.broken.sequence else ""
    return go(
        request, "/audit", Flash("The audit has been tampered with", f"{where}{verdict.broken.reason}", kind="bad")
    )


def _show(request: Request, entry: AuditEntry) -> ShownEntry:
    return show_entry(entry, control_plane(request).policies.effects(entry.resource, current_caller(request).role))


_DAYS = ("since", "until")


def _filter(given: dict[str, str]) -> AuditFilter:
    texts = {name: value or None for name, value in given.items() if name not in _DAYS}
    return AuditFilter(**texts, since=read_instant(given["since"]), until=read_instant(given["until"]))


def _instant_text(text: str) -> str:
    found = read_instant(text)
    return found.isoformat() if found else ""


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
