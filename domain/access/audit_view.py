"""An audit entry as its reader may see it, and as a line of an export."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from domain.access.audit_chain import AuditEntry
from domain.access.changes import FieldChange, compute_changes
from domain.access.field_protection import Effect, protect

COLUMNS = (
    *(
        "sequence",
        "at",
        "actor",
        "action",
        "resource",
        "resourceId",
        "changes",
        "before",
        "after",
        "correlationId",
        "mac",
    ),
)
#: A spreadsheet takes a cell that begins like this for a formula, also behind blanks and in its full-width form.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """What a reader gets: documents and changes after the field policies of his role."""

    sequence: int
    at: datetime
    actor: str
    action: str
    resource: str
    resource_id: str
    before: Any
    after: Any
    changes: list[FieldChange]
    correlation_id: str
    mac: str


def show_entry(entry: AuditEntry, effects: Mapping[str, Effect]) -> ShownEntry:
    """The entry for a role whose effects on the entry's resource are these."""
    before, after = (None if one is None else json.loads(one) for one in (entry.before, entry.after))
    return ShownEntry(
        sequence=entry.sequence,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        resource=entry.resource,
        resource_id=entry.resource_id,
        before=protect(before, effects),
        after=protect(after, effects),
        changes=compute_changes(before, after, effects),
        correlation_id=entry.correlation_id,
        mac=entry.mac.hex(),
    )


def render_json_line(entry: ShownEntry) -> str:
    """One line of JSON with its line feed."""
    return json.dumps(dict(zip(COLUMNS, _values(entry), strict=True)), ensure_ascii=False) + "\n"


def render_csv_line(entry: ShownEntry | None) -> str:
    """One line of CSV (RFC 4180) that no spreadsheet takes for a formula; None renders the header."""
    cells = COLUMNS if entry is None else [_cell(value) for value in _values(entry)]
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def neutralise(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet would compute it."""
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA) or text.startswith(_FORMULA) else text


def _values(entry: ShownEntry) -> list[Any]:
    return [
        entry.sequence, entry.at.isoformat(), entry.actor, entry.action, entry.resource, entry.resource_id,
        [asdict(one) for one in entry.changes], entry.before, entry.after, entry.correlation_id, entry.mac,
    ]  # fmt: skip


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return neutralise(value) if isinstance(value, str) else neutralise(json.dumps(value, ensure_ascii=False))
