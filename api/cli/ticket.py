"""`etlmon ticket`: the tickets of incidents in Jira: list, show, bring up to date now, try again what failed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.acting import open_control, permitted

if TYPE_CHECKING:
    from resources.control_plane import ControlPlane
    from resources.tickets.sync import Synced

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Tickets of incidents in Jira: list, show, sync, retry.\n\nExample: etlmon ticket list",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
Code = Annotated[str, typer.Argument(help="the incident, INC-12")]


@app.command("list", help="Tickets, newest first.\n\nExample: etlmon ticket list --failing")
def list_(
    *,
    failing: Annotated[bool, typer.Option("--failing", help="only those that could not be brought up to date")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="how many at most")] = 50,
    user: User = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.postgres.engine import transaction
    from resources.tickets.reading import list_tickets

    with open_control(home) as control:
        permitted(control, user, "incidents", "read")
        with transaction(control.engine) as connection:
            rows = list_tickets(connection, is_failing=failing, limit=limit)
    if as_json:
        print(json.dumps([_document(row) for row in rows], default=str))
        return
    for row in rows:
        trouble = f"  {row.last_error}" if row.last_error else ""
        print(
            f"INC-{row.incident_id:<8}  {row.ticket_key or '(none yet)':<14}  {row.status or '-':<14}  {row.severity:<8}"
            f"  {row.state:<13}  {row.title[:60]}{trouble}"
        )
    if not rows:
        print("no tickets")


@app.command(help="One ticket with what is due and what failed.\n\nExample: etlmon ticket show INC-12")
def show(code: Code, user: User = None, as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from domain.incidents.view import parse_incident
    from resources.postgres.engine import transaction
    from resources.tickets.reading import read_ticket

    with open_control(home) as control:
        permitted(control, user, "incidents", "read")
        with transaction(control.engine) as connection:
            found = _document(read_ticket(connection, parse_incident(code)))
    if as_json:
        print(json.dumps(found, default=str))
    else:
        print("\n".join(f"{name:<15}  {'-' if value is None else value}" for name, value in found.items()))


@app.command(
    help="Bring tickets up to date now, both ways: one, or everything that is due. A given incident gets a ticket if it has none."
    " Exit code 1 when something could not be done.\n\nExample: etlmon ticket sync INC-12"
)
def sync(
    code: Annotated[str | None, typer.Argument(help="an incident, INC-12; else all that is due")] = None,
    user: User = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from domain.incidents.view import parse_incident
    from resources.clock import utc_now
    from resources.incidents.rows import read_view
    from resources.postgres.engine import transaction
    from resources.tickets.rows import hurry_ticket, want_ticket
    from resources.tickets.service import run_tickets, sync_of

    with open_control(home) as control:
        caller = permitted(control, user, "incidents", "act")
        if code is None:
            done = run_tickets(control.settings, control.engine, now=utc_now()).synced
        else:
            incident_id = parse_incident(code)
            work = sync_of(control.settings, control.engine)
            with transaction(control.engine) as connection:
                read_view(connection, incident_id)
                want_ticket(connection, incident_id, now=utc_now())
                hurry_ticket(connection, incident_id, now=utc_now())
                _audit(control, connection, caller.username, "ticket.sync", incident_id)
            done = work.sync_due(now=utc_now(), only=incident_id)
    _report(done, as_json=as_json)


@app.command(
    help="Try again at once what failed; a ticket that was deleted in Jira is made anew. Exit code 1 when it fails again.\n\n"
    "Example: etlmon ticket retry INC-12 INC-13"
)
def retry(
    codes: Annotated[list[str] | None, typer.Argument(help="incidents; none: all that fail")] = None,
    user: User = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from domain.incidents.view import parse_incident
    from resources.clock import utc_now
    from resources.postgres.engine import transaction
    from resources.tickets.reading import list_tickets, read_ticket
    from resources.tickets.rows import renew_ticket
    from resources.tickets.service import sync_of

    with open_control(home) as control:
        caller = permitted(control, user, "incidents", "act")
        work = sync_of(control.settings, control.engine)
        with transaction(control.engine) as connection:
            rows = [read_ticket(connection, parse_incident(code)) for code in codes or []]
            rows = rows or [row for row in list_tickets(connection, is_failing=True, limit=500) if not row.is_gone]
            for row in rows:
                renew_ticket(connection, row.incident_id, now=utc_now())
                _audit(control, connection, caller.username, "ticket.retry", row.incident_id)
        done = work.sync_due(now=utc_now())
    _report(done, as_json=as_json)


def _audit(control: ControlPlane, connection: Any, actor: str, action: str, incident_id: int) -> None:
    control.audit.record(
        connection, actor=actor, action=action, resource="incidents", resource_id=f"INC-{incident_id}", after={}
    )


def _report(done: Synced, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(done)))
    else:
        print(
            f"{done.done} brought up to date, {done.created} created, {done.heard} changes from Jira,"
            f" {done.delayed} delayed, {done.refused} refused, {done.gone} deleted over there"
        )
        if done.delayed or done.refused:
            print("`etlmon ticket list --failing` says why")
    if done.delayed or done.refused:
        raise typer.Exit(1)


def _document(row: Any) -> dict[str, Any]:
    names = (
        "incident_id", "ticket_key", "status", "severity", "state", "title", "priority", "wanted_priority", "synced_at", "due_at",
        "attempts", "is_gone", "last_error",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names}
