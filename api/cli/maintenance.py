"""`etlmon maintenance`: planned work, once or again and again in a time zone."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.acting import open_control, permitted
from api.cli.muting import Matchers, describe_matchers, parse_end, parse_written, print_preview

if TYPE_CHECKING:
    from datetime import datetime

    from domain.detection.silencing import MaintenanceWindow

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Maintenance windows: planned work of which nobody wants to hear.\n\nExample: etlmon maintenance list",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
Cron = Annotated[str | None, typer.Option(help='recurring: when it begins, in its time zone, e.g. "0 2 * * 6"')]
Duration = Annotated[str, typer.Option(help="recurring: how long each time, e.g. 2h")]
Zone = Annotated[str, typer.Option("--time-zone", help="recurring: whose wall clock counts, e.g. Europe/Berlin")]


@app.command(
    help="Plan work: once (--from, --until) or recurring (--cron, --duration, --time-zone).\n\n"
    'Example: etlmon maintenance add service=loader --title "Patch day" --reason "kernel" --cron "0 2 * * 6" --duration 2h'
    " --time-zone Europe/Berlin"
)
def add(
    matchers: Matchers,
    *,
    title: Annotated[str, typer.Option(help="what it is called")],
    reason: Annotated[str, typer.Option(help="why; others read it")],
    from_: Annotated[str | None, typer.Option("--from", help="begin, or a length from now; now otherwise")] = None,
    until: Annotated[str | None, typer.Option(help="end, or a length from now")] = None,
    cron: Cron = None,
    duration: Duration = "1h",
    time_zone: Zone = "UTC",
    as_json: AsJson = False,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from domain.errors import InputDataError
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now
    from resources.simulator.moments import parse_duration_s

    if (cron is None) == (until is None):
        raise InputDataError("once or recurring?", suggestion="give --until, or --cron with --duration")
    now = utc_now()
    with open_control(home) as control:
        caller = permitted(control, user, "silences", "act")
        begin = parse_end(from_, now=now, option="--from") if from_ else now
        window_id = AlertServices(control).silences.add_window(
            parse_written(matchers),
            title=title,
            reason=reason,
            actor=caller.username,
            now=now,
            starts_at=None if cron else begin,
            ends_at=parse_end(until, now=now) if until else None,
            cron=cron,
            duration_s=int(parse_duration_s(duration)) if cron else None,
            time_zone=time_zone,
        )
    print(json.dumps({"windowId": window_id}) if as_json else f"maintenance window {window_id}")


@app.command(
    help="What a window would mute, and when it would open next.\n\n"
    'Example: etlmon maintenance preview service=loader --cron "0 2 * * 6" --duration 2h --time-zone Europe/Berlin'
)
def preview(
    matchers: Matchers,
    *,
    cron: Cron = None,
    duration: Duration = "1h",
    time_zone: Zone = "UTC",
    as_json: AsJson = False,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from domain.detection.silencing import check_recurrence, starts_after
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now
    from resources.simulator.moments import parse_duration_s

    length_s = int(parse_duration_s(duration))
    if cron:
        check_recurrence(cron, length_s, time_zone)
    openings = starts_after(cron, time_zone, utc_now(), most=5) if cron else []
    with open_control(home) as control:
        permitted(control, user, "silences", "read")
        found = AlertServices(control).silences.preview(parse_written(matchers), now=utc_now())
    spans = [(begin, begin + timedelta(seconds=length_s)) for begin in openings]
    if as_json:
        opens = [[begin.isoformat(), end.isoformat()] for begin, end in spans]
        print(json.dumps({"firing": len(found.firing), "lastDay": found.last_day, "opens": opens}))
        return
    print_preview(found)
    for begin, end in spans:
        print(f"opens {_local(begin, time_zone)} until {_local(end, time_zone)}")


@app.command("list", help="Windows that are open or can open again.\n\nExample: etlmon maintenance list --json")
def list_(as_json: AsJson = False, user: User = None, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from dataclasses import asdict

    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    with open_control(home) as control:
        permitted(control, user, "silences", "read")
        found = AlertServices(control).silences.list_windows(now=utc_now())
    if as_json:
        rows = [
            {**asdict(one), "matchers": [m.model_dump() for m in one.matchers], "open_until": until}
            for one, until in found
        ]
        print(json.dumps(rows, default=str))
        return
    for one, until in found:
        words = describe_matchers([m.model_dump() for m in one.matchers])
        state = f"open until {until:%Y-%m-%d %H:%M} UTC" if until else "not open"
        print(f"{one.window_id:>5}  {one.title}  {_when(one)}  {words}  ({state}) – {one.created_by}: {one.reason}")
    if not found:
        print("no maintenance window")


@app.command(help="End a window now and for ever.\n\nExample: etlmon maintenance end 3")
def end(
    window_id: Annotated[int, typer.Argument(min=1, help="number of the window")],
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.alerts.services import AlertServices

    with open_control(home) as control:
        caller = permitted(control, user, "silences", "act")
        AlertServices(control).silences.end_window(window_id, actor=caller.username)
    print(f"maintenance window {window_id} is over; what still fires is told with the next look")


def _when(one: MaintenanceWindow) -> str:
    if one.cron is None:
        return f"{one.starts_at:%Y-%m-%d %H:%M} to {one.ends_at:%Y-%m-%d %H:%M} UTC"
    return f"“{one.cron}” {one.time_zone} for {(one.duration_s or 0) / 60:.0f} min"


def _local(at: datetime, time_zone: str) -> str:
    from zoneinfo import ZoneInfo

    return f"{at.astimezone(ZoneInfo(time_zone)):%a %Y-%m-%d %H:%M %Z}"
