"""`etlmon drill`: exercises: start one, watch it, stop it, see how it went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.acting import open_control, permitted

if TYPE_CHECKING:
    from domain.drills.drill import Drill
    from resources.alerts.services import AlertServices

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Drills: make something fail on purpose, see who is told and how fast.\n\n"
    "Example: etlmon drill start connection-pool --watch",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
_LOOK_EVERY_S = 5.0


@app.command(
    help="Begin a drill. With the simulator its fault is made, else an alert is raised; whoever is on call gets messages marked DRILL."
    "\n\nExample: etlmon drill start connection-pool --duration 10m --watch"
)
def start(
    *,
    scenario: Annotated[str, typer.Argument(help="see `etlmon drill scenarios`")],
    duration: Annotated[str | None, typer.Option(help="how long, for example 10m")] = None,
    escalate: Annotated[bool, typer.Option("--escalate", help="tell the third line and the manager too")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="show each step until it is over; Ctrl-C leaves it running")
    ] = False,
    as_json: AsJson = False,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now
    from resources.drills.desk import Wanted
    from resources.simulator.moments import parse_duration_s

    for_s = int(parse_duration_s(duration)) if duration else None
    with open_control(home) as control:
        caller = permitted(control, user, "drills", "start")
        services = AlertServices(control)
        drill = services.drills.start(
            Wanted(scenario, for_s, escalate), actor=caller.username, now=utc_now(), audit=control.audit
        )
        if not as_json:
            print(_line(drill))
            print(f"report: etlmon drill report {drill.drill_id}   end it: etlmon drill stop")
        if watch:
            drill = _watch(services, drill, is_quiet=as_json)
    if as_json:
        print(json.dumps(_document(drill), default=str))


@app.command(help="End the drill under way: clear its fault, close its incidents.\n\nExample: etlmon drill stop")
def stop(
    drill_id: Annotated[int | None, typer.Argument(min=1, help="its number; the one under way otherwise")] = None,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    with open_control(home) as control:
        caller = permitted(control, user, "drills", "stop")
        drill = AlertServices(control).drills.stop(drill_id, actor=caller.username, now=utc_now(), audit=control.audit)
    print(_line(drill))


@app.command("list", help="Drills, newest first.\n\nExample: etlmon drill list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=500, help="drills at most")] = 50,
    *,
    as_json: AsJson = False,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.drills.rows import list_drills
    from resources.postgres.engine import transaction

    with open_control(home) as control:
        permitted(control, user, "drills", "read")
        with transaction(control.engine) as connection:
            found, _ = list_drills(connection, limit=limit)
    if as_json:
        print(json.dumps([_document(one) for one in found], default=str))
        return
    for one in found:
        print(_line(one))
    if not found:
        print("no drill yet; `etlmon drill scenarios` shows what can be exercised")


@app.command(help="What can be exercised.\n\nExample: etlmon drill scenarios")
def scenarios(as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from resources.drills.opening import load_drill_rules
    from resources.settings import load_settings

    found = load_drill_rules(load_settings(home=home)).scenarios
    if as_json:
        print(json.dumps({name: one.model_dump(mode="json") for name, one in found.items()}))
        return
    for name, one in sorted(found.items()):
        print(f"{name:<20}  {one.severity.value:<8}  {one.title}  [{one.service}]")


@app.command(
    help="How a drill went: each step with its seconds and target. Exit code 1 when a target was missed.\n\n"
    "Example: etlmon drill report 3"
)
def report(
    drill_id: Annotated[int, typer.Argument(min=1, help="number of the drill")],
    *,
    as_json: AsJson = False,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.alerts.services import AlertServices
    from resources.drills.reporting import describe_steps, report_of
    from resources.drills.rows import read_drill
    from resources.postgres.engine import transaction

    with open_control(home) as control:
        permitted(control, user, "drills", "read")
        with transaction(control.engine) as connection:
            drill = read_drill(connection, drill_id)
            found = report_of(connection, drill, AlertServices(control).drills.rules)
    if as_json:
        print(json.dumps({"drill": _document(drill), **found}, default=str))
    else:
        print("\n".join([_line(drill), *describe_steps(found), _verdict(found)]))
    if found["targets_missed"]:
        raise typer.Exit(1)


def _watch(services: AlertServices, drill: Drill, *, is_quiet: bool) -> Drill:
    """Print each step as it happens, until the drill is over. Takes part in ending it: no job need run for that."""
    import time

    from domain.drills.drill import DrillState
    from resources.clock import utc_now
    from resources.drills.reporting import compile_report, describe_steps
    from resources.drills.rows import read_drill
    from resources.postgres.engine import transaction

    seen: set[str] = set()
    while drill.state is not DrillState.OVER:
        time.sleep(_LOOK_EVERY_S)
        services.drills.advance(now=utc_now())
        with transaction(services.control.engine) as connection:
            drill = read_drill(connection, drill.drill_id)
            found = drill.report or compile_report(connection, drill, services.drills.rules)
        happened = {**found, "steps": [one for one in found["steps"] if one["at"] and one["name"] not in seen]}
        seen |= {one["name"] for one in happened["steps"]}
        for line in [] if is_quiet else describe_steps(happened):
            print(line, flush=True)
    if not is_quiet:
        print(_verdict(drill.report or {}))
    return drill


def _verdict(report: dict[str, Any]) -> str:
    missed = report.get("targets_missed", [])
    words = f"missed: {', '.join(missed)}" if missed else "none missed"
    return f"{report.get('targets_met', 0)} targets met, {words}; incidents {', '.join(report.get('incidents', [])) or 'none'}"


def _line(drill: Drill) -> str:
    end = f"{drill.outcome.value.lower()} by {drill.stopped_by}" if drill.outcome and drill.stopped_by else ""
    words = end or (drill.outcome.value.lower() if drill.outcome else f"until {drill.ends_at:%H:%M:%S} UTC")
    problem = f": {drill.problem}" if drill.problem else ""
    return (
        f"drill {drill.drill_id}  {drill.started_at:%Y-%m-%d %H:%M:%S}  {drill.name}  {drill.mode.value}  {drill.state.value}"
        f"  {words}{problem}  ({drill.started_by})"
    )


def _document(drill: Drill) -> dict[str, Any]:
    names = ("drill_id", "name", "mode", "state", "outcome", "is_escalating", "started_by", "started_at", "ends_at", "ended_at",
             "stopped_by", "over_at", "problem")  # fmt: skip
    return {name: getattr(drill, name) for name in names}
