"""`etlmon incident ack|resolve|snooze|assign|merge|split|open …`: what people do to incidents, under the same rules as the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.loader_options import AsJson, AsUser, Home
from api.cli.muting import parse_end
from domain.detection.alert_event import Category
from domain.incidents.lifecycle import Action, Request
from domain.incidents.view import parse_incident
from domain.vocabulary import Severity

if TYPE_CHECKING:
    from domain.incidents.view import IncidentView

Named = Annotated[str, typer.Argument(metavar="INCIDENT", help="INC-12, or its number")]
Reason = Annotated[str, typer.Option(help="why; it stands in the timeline")]

#: Command → action, help, example. Those that need nothing but the incident.
_PLAIN = {
    "ack": (Action.ACKNOWLEDGE, "Take it: escalation stops.", "ack INC-12"),
    "investigate": (Action.INVESTIGATE, "You look for the cause.", "investigate INC-12"),
    "remediate": (Action.REMEDIATE, "You mend it.", 'remediate INC-12 --reason "larger pool"'),
    "monitor": (Action.MONITOR, "The impact is over; you watch whether it stays so.", "monitor INC-12"),
    "resolve": (Action.RESOLVE, "It is over.", 'resolve INC-12 --reason "pool raised to 40"'),
    "close": (Action.CLOSE, "A resolved one needs no more work.", "close INC-12"),
    "reopen": (Action.REOPEN, "It is back, or was never over.", 'reopen INC-12 --reason "errors again"'),
    "wake": (Action.WAKE, "End its snooze now.", "wake INC-12"),
}


def register_changes(app: typer.Typer) -> None:
    """Add the commands in the order of an incident's life."""
    for name, (action, words, example) in _PLAIN.items():
        app.command(name, help=f"{words}\n\nExample: etlmon incident {example}")(_plain(action))
    for command in (snooze, assign, comment, severity, merge, split):
        app.command(help=command.__doc__)(command)
    app.command("open", help=open_.__doc__)(open_)


def _plain(action: Action) -> Callable[..., None]:
    def command(
        incident: Named, *, reason: Reason = "", as_json: AsJson = False, user: AsUser = None, home: Home = None
    ) -> None:
        _act(incident, action, as_json=as_json, user=user, home=home, reason=reason)

    return command


def snooze(
    incident: Named,
    *,
    until: Annotated[str, typer.Option(help="an instant (UTC unless it has a zone), or a length: 30m, 8h, 2d")],
    reason: Reason = "",
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """Nobody is told of it until then, and its SLA clocks stand still.

    Example: etlmon incident snooze INC-12 --until 8h --reason "vendor works on it"
    """
    from resources.clock import utc_now

    end = parse_end(until, now=utc_now())
    _act(incident, Action.SNOOZE, as_json=as_json, user=user, home=home, reason=reason, until=end)


def assign(
    incident: Named,
    to: Annotated[str | None, typer.Argument(metavar="PERSON", help="left out: nobody")] = None,
    *,
    reason: Reason = "",
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """Give it to somebody.

    Example: etlmon incident assign INC-12 ann
    """
    _act(incident, Action.ASSIGN, as_json=as_json, user=user, home=home, reason=reason, assignee=to)


def comment(
    incident: Named,
    words: Annotated[str, typer.Argument(help="what others should know")],
    *,
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """Write into its timeline.

    Example: etlmon incident comment INC-12 "the pool of loader is at its limit"
    """
    _act(incident, Action.COMMENT, as_json=as_json, user=user, home=home, reason=words)


def severity(
    incident: Named,
    level: Annotated[Severity, typer.Argument(case_sensitive=False)],
    *,
    reason: Reason = "",
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """Say how bad it is: targets, channels and timers follow.

    Example: etlmon incident severity INC-12 CRITICAL --reason "all loads stand still"
    """
    _act(incident, Action.SET_SEVERITY, as_json=as_json, user=user, home=home, reason=reason, severity=level)


def merge(
    incident: Named,
    *,
    into: Annotated[str, typer.Option(help="the incident that goes on")],
    reason: Reason = "",
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """It is the same as another one: its alerts go there, and it is closed.

    Example: etlmon incident merge INC-13 --into INC-12
    """
    number = parse_incident(into)
    _act(incident, Action.MERGE, as_json=as_json, user=user, home=home, reason=reason, into=number)


def split(
    incident: Named,
    alerts: Annotated[list[int], typer.Argument(metavar="ALERT…", min=1, help="numbers of the alerts that leave")],
    *,
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """Some of its alerts are something else: they become an incident of their own.

    Example: etlmon incident split INC-12 4711 4712
    """
    from api.cli.acting import open_control, permitted
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    number = parse_incident(incident)
    with open_control(home) as control:
        caller = permitted(control, user, "incidents", "act")
        service = AlertServices(control).incident_service
        _tell(service.split(number, alerts, actor=caller.username, cause="cli", now=utc_now()), as_json=as_json)


def open_(
    title: Annotated[str, typer.Argument(help="what is broken")],
    *,
    severity: Annotated[Severity, typer.Option(case_sensitive=False, help="how bad it is")],
    summary: Annotated[str, typer.Option(help="what is known")] = "",
    service: Annotated[str, typer.Option(help="where")] = "",
    category: Annotated[Category, typer.Option(case_sensitive=False, help="what kind of trouble")] = Category.PLATFORM,
    since: Annotated[str | None, typer.Option(help="when it began: an instant, or how long ago: 30m, 2h")] = None,
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """An incident that you have found; whoever is on call is told as of any other.

    Example: etlmon incident open "portal shows old orders" --severity HIGH --service portal
    """
    from api.cli.acting import open_control, permitted
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now
    from resources.incidents.desk import NewIncident

    now = utc_now()
    onset = _parse_onset(since, now) if since else None
    new = NewIncident(title.strip(), summary, severity, category=category.value, service=service, onset_at=now)
    with open_control(home) as control:
        caller = permitted(control, user, "incidents", "act")
        opened = AlertServices(control).incident_service
        _tell(opened.open(new, actor=caller.username, cause="cli", now=now, onset_at=onset), as_json=as_json)


def _parse_onset(written: str, now: datetime) -> datetime:
    """An instant, or a length before now."""
    found = parse_end(written, now=now, option="--since")
    is_length = written[-1:] in {"m", "h", "d"}
    return now - (found - now) if is_length else found


def _act(incident: str, action: Action, *, as_json: bool, user: str | None, home: Path | None, **fields: Any) -> None:
    from api.cli.acting import open_control, permitted
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    number = parse_incident(incident)
    with open_control(home) as control:
        caller = permitted(control, user, "incidents", "act")
        request = Request(action, caller.username, "cli", utc_now(), **fields)
        acted = AlertServices(control).incident_service.act(number, request)
    _tell(acted.view, as_json=as_json, note=acted.note)


def _tell(view: IncidentView, *, as_json: bool, note: str = "") -> None:
    if as_json:
        print(json.dumps({"incident": view.code, **asdict(view), "note": note}, default=str))
        return
    has = view.assignee or view.acknowledged_by
    print(
        note
        or f"{view.code} is {view.state.value}, {view.severity.value}{f', {has} has it' if has else ''}: {view.title}"
    )
