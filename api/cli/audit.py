"""`etlmon audit`: read, verify and export the trail of changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.acting import open_control, permitted
from domain.errors import InputDataError

if TYPE_CHECKING:
    from domain.access.audit_view import ShownEntry
    from domain.access.permissions import Caller
    from resources.access.audit_trail import AuditFilter
    from resources.control_plane import ControlPlane

app = typer.Typer(
    add_completion=False,
    help="Who changed what, and whether anybody tampered with the record.\n\nExample: etlmon audit verify",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
Actor = Annotated[str | None, typer.Option(help="who did it")]
Action = Annotated[str | None, typer.Option(help="what was done, for example loader.approve")]
Resource = Annotated[str | None, typer.Option(help="kind of thing, for example loaders")]
ResourceId = Annotated[str | None, typer.Option("--id", help="which one")]
Correlation = Annotated[str | None, typer.Option("--correlation", help="correlation id of the request")]
Since = Annotated[str | None, typer.Option(help="first instant, ISO 8601, UTC unless it has a zone")]
Until = Annotated[str | None, typer.Option(help="first instant after the range")]


@app.command(
    "list", help="The newest entries.\n\nExample: etlmon audit list --resource loaders --id STATS-PERF --limit 20"
)
def list_(
    *, actor: Actor = None, action: Action = None, resource: Resource = None, resource_id: ResourceId = None,
    correlation: Correlation = None, since: Since = None, until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="entries at most")] = 50,
    user: User = None, as_json: AsJson = False, home: Home = None,
) -> None:  # fmt: skip
    """See the decorator: the help has an example."""
    wanted = _filter(
        actor=actor, action=action, resource=resource, resource_id=resource_id, correlation_id=correlation,
        since=_instant(since, "--since"), until=_instant(until, "--until"),
    )  # fmt: skip
    with open_control(home) as control:
        caller = permitted(control, user, "audit", "read")
        entries = [_shown(control, caller, one) for one in control.audit_trail.list_entries(wanted, limit=limit)]
    if as_json:
        print(json.dumps([_document(one) for one in entries], default=str))
    else:
        _print_table(entries)


@app.command(help="One entry with every field that changed.\n\nExample: etlmon audit show 1042")
def show(
    sequence: Annotated[int, typer.Argument(min=1, help="number of the entry")],
    user: User = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    with open_control(home) as control:
        caller = permitted(control, user, "audit", "read")
        entry = _shown(control, caller, control.audit_trail.get_entry(sequence))
    if as_json:
        print(json.dumps(_document(entry), default=str))
    else:
        _print_entry(entry)


@app.command(
    help="Walk the whole chain and compare it with the anchors. Exit code 1 when it is broken.\n\nExample: etlmon audit verify"
)
def verify(user: User = None, as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from api.cli.stage_progress import StageProgress

    with open_control(home) as control:
        caller = permitted(control, user, "audit", "verify")
        with StageProgress(is_shown=not as_json) as bar:
            verdict = control.audit_trail.verify(progress=partial(bar, "verifying"), by=caller.username)
    broken = verdict.broken
    if as_json:
        found = {"isIntact": verdict.is_intact, "entries": verdict.entries, "anchors": verdict.anchors}
        print(
            json.dumps(
                {**found, "firstBad": broken.sequence if broken else None, "reason": broken.reason if broken else ""}
            )
        )
    elif broken is None:
        print(f"intact: {verdict.entries:,} entries, {verdict.anchors:,} anchors")
    else:
        print(
            f"BROKEN at entry {broken.sequence}: {broken.reason}\n  → keep the database as it is; compare with a backup of before"
        )
    if broken:
        raise typer.Exit(1)


@app.command(
    help="Write entries as CSV or JSON lines, newest first.\n\nExample: etlmon audit export audit.csv --since 2026-11-01"
)
def export(
    file: Annotated[Path, typer.Argument(help="file to write, .csv or .jsonl; - writes JSON lines to stdout")],
    *, actor: Actor = None, action: Action = None, resource: Resource = None, resource_id: ResourceId = None,
    correlation: Correlation = None, since: Since = None, until: Until = None, user: User = None, home: Home = None,
) -> None:  # fmt: skip
    """See the decorator: the help has an example."""
    wanted = _filter(
        actor=actor, action=action, resource=resource, resource_id=resource_id, correlation_id=correlation,
        since=_instant(since, "--since"), until=_instant(until, "--until"),
    )  # fmt: skip
    if str(file) != "-" and file.suffix not in {".csv", ".jsonl"}:
        raise InputDataError(
            f"{file} is neither .csv nor .jsonl", suggestion="name the file so that its format is clear"
        )
    with open_control(home) as control:
        caller = permitted(control, user, "audit", "export")
        lines = _lines(control, caller, wanted, is_csv=file.suffix == ".csv")
        if str(file) == "-":
            sys.stdout.writelines(lines)
            return
        with file.open("w", encoding="utf-8", newline="") as handle:
            handle.writelines(lines)
    print(f"{file}: {file.stat().st_size:,} bytes")


def _lines(control: ControlPlane, caller: Caller, wanted: AuditFilter, *, is_csv: bool) -> Iterator[str]:
    from domain.access.audit_view import render_csv_line, render_json_line

    if is_csv:
        yield render_csv_line(None)
    for entry in control.audit_trail.stream(wanted):
        shown = _shown(control, caller, entry)
        yield render_csv_line(shown) if is_csv else render_json_line(shown)


def _shown(control: ControlPlane, caller: Caller, entry: Any) -> ShownEntry:
    from domain.access.audit_view import show_entry

    return show_entry(entry, control.policies.effects(entry.resource, caller.role))


def _filter(**fields: Any) -> AuditFilter:
    from resources.access.audit_trail import AuditFilter

    return AuditFilter(**fields)


def _instant(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputDataError(
            f"{option} {text!r} is no instant", suggestion="write 2026-11-01 or 2026-11-01T12:00Z"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _document(entry: ShownEntry) -> dict[str, Any]:
    from pydantic.alias_generators import to_camel

    return {to_camel(name): value for name, value in asdict(entry).items()}


def _print_table(entries: list[ShownEntry]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for name in ("entry", "at (UTC)", "actor", "action", "resource", "changed"):
        table.add_column(name, justify="right" if name == "entry" else "left")
    for one in entries:
        changed = ", ".join(change.path for change in one.changes[:4]) + (" …" if len(one.changes) > 4 else "")
        table.add_row(
            f"{one.sequence}", f"{one.at:%Y-%m-%d %H:%M:%S}", one.actor, one.action, f"{one.resource} {one.resource_id}", changed
        )  # fmt: skip
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160).print(table)


def _print_entry(entry: ShownEntry) -> None:
    print(f"entry {entry.sequence}  {entry.at:%Y-%m-%d %H:%M:%S.%f} UTC  {entry.actor}  {entry.action}")
    print(f"{entry.resource} {entry.resource_id}  correlation {entry.correlation_id or '–'}  mac {entry.mac[:16]}…")
    for one in entry.changes:
        print(f"  {one.path}: {json.dumps(one.old, ensure_ascii=False)} → {json.dumps(one.new, ensure_ascii=False)}")
