"""`etlmon incident`: incidents from the command line. This file reads; `incident_changes` acts (E1-E3)."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.cli.incident_changes import Named, register_changes
from api.cli.loader_options import AsJson, AsUser, Home
from domain.incidents.view import IncidentState
from domain.vocabulary import Severity

_TOLD = ("message_id", "kind", "channel", "recipient", "state", "attempts", "last_error", "created_at", "sent_at")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Incidents: who has what, since when; act on them; how fast they end.\n\nExample: etlmon incident list",
)
register_changes(app)


@app.command(
    "list", help="What is open, the most urgent first.\n\nExample: etlmon incident list --severity CRITICAL --all"
)
def list_(
    *,
    is_over_too: Annotated[bool, typer.Option("--all", help="those that are over, too")] = False,
    state: Annotated[list[IncidentState] | None, typer.Option(case_sensitive=False, help="only in this state")] = None,
    severity: Annotated[list[Severity] | None, typer.Option(case_sensitive=False, help="only of this severity")] = None,
    service: Annotated[str, typer.Option(help="only of this service")] = "",
    category: Annotated[str, typer.Option(help="only of this category")] = "",
    assignee: Annotated[str, typer.Option(help="only of this person")] = "",
    search: Annotated[str, typer.Option(help="part of the title, or a code")] = "",
    sort: Annotated[str, typer.Option(help="urgency, opened_at, severity, state, title …; `-` reverses")] = "urgency",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="at most so many")] = 100,
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from api.cli.incident_text import render_line
    from resources.clock import utc_now
    from resources.incidents.filtering import IncidentFilter
    from resources.incidents.listing import list_incidents
    from resources.postgres.engine import transaction

    wanted = IncidentFilter(
        states=frozenset(state or ()),
        severities=frozenset(severity or ()),
        service=service,
        category=category,
        assignee=assignee,
        text=search,
        is_open=None if is_over_too or state else True,
    )
    with open_control(home) as control:
        permitted(control, user, "incidents", "read")
        with transaction(control.engine) as connection:
            page = list_incidents(connection, wanted, sort=sort, limit=limit)
    if as_json:
        items = [{"incident": one.code, **asdict(one)} for one in page.items]
        print(json.dumps({"items": items, "total": page.total}, default=str))
        return
    for one in page.items:
        print(render_line(one, now=utc_now()))
    print(f"{len(page.items)} of {page.total} incidents")


@app.command(help="One incident with clocks, alerts, messages and timeline.\n\nExample: etlmon incident show INC-12")
def show(incident: Named, *, as_json: AsJson = False, user: AsUser = None, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from api.cli.incident_text import print_head, render_entry
    from domain.incidents.view import parse_incident
    from resources.clock import utc_now
    from resources.incidents.reading import read_alerts, read_incident, read_timeline
    from resources.notification.outbox import list_messages
    from resources.postgres.engine import transaction

    number = parse_incident(incident)
    with open_control(home) as control:
        permitted(control, user, "incidents", "read")
        with transaction(control.engine) as connection:
            found = read_incident(connection, number, now=utc_now())
            timeline, _ = read_timeline(connection, number)
            alerts, _ = read_alerts(connection, number)
            messages, _ = list_messages(connection, incident_id=number)
    if as_json:
        told = [{name: getattr(one, name) for name in _TOLD} for one in messages]
        entries = [asdict(one) for one in timeline]
        print(json.dumps({**asdict(found), "timeline": entries, "alerts": alerts, "messages": told}, default=str))
        return
    print_head(found, now=utc_now())
    for alert in alerts:
        mark = "likely cause" if alert["is_root"] else ""
        print(
            f"  alert {alert['alert_id']:<7} {alert['status']:<8} {alert['severity']:<8} {alert['title']}  {mark}".rstrip()
        )
    for one in messages:
        print(f"  {one.channel:<9} {one.state:<10} {one.recipient}  {one.kind}  {one.last_error or ''}".rstrip())
    for entry in timeline:
        print(render_entry(entry))


@app.command(
    help="How fast incidents are found, taken, mitigated and ended: medians and 90th percentiles.\n\n"
    "Example: etlmon incident measures --period last-month"
)
def measures(
    *,
    period: Annotated[str, typer.Option(help="2026-11, 2026-W47, this-month, last-week …")] = "this-month",
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from api.cli.incident_text import render_measured
    from domain.reporting.period import parse_period
    from resources.clock import utc_now
    from resources.incidents.measuring import measure_incidents
    from resources.postgres.engine import transaction

    span = parse_period(period, today=utc_now().date())
    with open_control(home) as control:
        permitted(control, user, "incidents", "read")
        with transaction(control.engine) as connection:
            found = measure_incidents(connection, start=span.start_at, end=span.end_at)
    if as_json:
        print(json.dumps({"period": span.label, "items": [asdict(one) for one in found]}))
        return
    print(f"{span.label}; median / 90th percentile")
    for one in found:
        print(render_measured(one))


@app.command(
    help="SLA targets met and missed in a month or week. Exit code 1 when one was missed.\n\n"
    "Example: etlmon incident report --period last-week --csv sla.csv"
)
def report(
    *,
    period: Annotated[str, typer.Option(help="2026-11, 2026-W47, this-month, last-week …")] = "this-month",
    worst: Annotated[int, typer.Option(min=0, max=1_000, help="incidents to name")] = 10,
    csv: Annotated[Path | None, typer.Option("--csv", help="write the table there; - is standard output")] = None,
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from api.cli.incident_text import print_report
    from domain.incidents.compliance import render_csv
    from domain.reporting.period import parse_period
    from resources.clock import utc_now
    from resources.incidents.measuring import report_compliance
    from resources.postgres.engine import transaction

    now = utc_now()
    span = parse_period(period, today=now.date())
    with open_control(home) as control:
        permitted(control, user, "incidents", "read")
        with transaction(control.engine) as connection:
            found = report_compliance(connection, start=span.start_at, end=span.end_at, now=now, worst=worst)
    if as_json:
        print(json.dumps({"period": span.label, **asdict(found)}, default=str))
    elif csv is not None and str(csv) != "-":
        csv.write_text(render_csv(found), newline="")
        print(f"{csv}: {span.label}")
    elif csv is not None:
        print(render_csv(found), end="")
    else:
        print(f"{span.label}: {found.incidents} incidents")
        print_report(found)
    raise typer.Exit(1 if found.worst or any(one.missed or one.missed_open for one in found.lines) else 0)
