"""`etlmon on-call`: who is on call now and in the coming days, gaps, overrides, and what the auditor finds."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.acting import open_control, permitted

if TYPE_CHECKING:
    from domain.notification.on_call import Shift
    from resources.control_plane import ControlPlane

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="On call: now, the coming days, gaps, overrides.\n\nExample: etlmon on-call now",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
Days = Annotated[int, typer.Option(min=1, max=90, help="days from now on")]


@app.command(help="Who is on call now. Exit code 1 when a schedule has nobody.\n\nExample: etlmon on-call now")
def now(user: User = None, as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    with open_control(home) as control:
        permitted(control, user, "on-call", "read")
        found = {name: shifts[0] for name, shifts in _coming(control, 14).items()}
    if as_json:
        print(json.dumps([_document(name, one) for name, one in found.items()], default=str))
    else:
        for name, one in found.items():
            print(f"{name:<20}  {one.person or 'NOBODY':<20}  until {one.ends_at:%Y-%m-%d %H:%M} UTC  {one.source}")
        if not found:
            print("there are no schedules")
    if any(one.person is None for one in found.values()):
        raise typer.Exit(1)


@app.command(help="The coming shifts.\n\nExample: etlmon on-call week --days 14")
def week(days: Days = 7, user: User = None, as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    with open_control(home) as control:
        permitted(control, user, "on-call", "read")
        _print([(name, one) for name, shifts in _coming(control, days).items() for one in shifts], as_json=as_json)


@app.command(help="When nobody is on call. Exit code 1 when there is a gap.\n\nExample: etlmon on-call gaps")
def gaps(days: Days = 14, user: User = None, as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    with open_control(home) as control:
        permitted(control, user, "on-call", "read")
        coming = _coming(control, days)
    found = [(name, one) for name, shifts in coming.items() for one in shifts if one.person is None]
    _print(found, as_json=as_json)
    if not found and not as_json:
        print(f"no gaps in the coming {days} days")
    if found:
        raise typer.Exit(1)


@app.command(
    help="Somebody takes over for a while; instants are ISO with a zone.\n\n"
    "Example: etlmon on-call override primary ben --from 2026-12-24T08:00Z --to 2026-12-27T08:00Z --reason holidays"
)
def override(
    *,
    schedule: Annotated[str, typer.Argument()],
    person: Annotated[str, typer.Argument()],
    to: Annotated[str, typer.Option("--to", help="until when")],
    from_: Annotated[str | None, typer.Option("--from", help="from when; now otherwise")] = None,
    reason: Annotated[str, typer.Option(help="why")] = "",
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.clock import utc_now
    from resources.notification.on_call import add_override
    from resources.postgres.engine import transaction

    with open_control(home) as control:
        caller = permitted(control, user, "on-call", "edit")
        with transaction(control.engine) as connection:
            made = add_override(
                connection,
                control.notification_rules(),
                schedule=schedule,
                person=person,
                starts_at=_instant(from_) if from_ else utc_now(),
                ends_at=_instant(to),
                reason=reason,
                actor=caller.username,
                now=utc_now(),
                audit=control.audit,
            )
    print(f"override {made.override_id}: {person} is on call for {schedule} until {made.ends_at:%Y-%m-%d %H:%M} UTC")


@app.command(help="Take an override away.\n\nExample: etlmon on-call remove-override 3")
def remove_override(override_id: Annotated[int, typer.Argument()], user: User = None, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from resources.notification import on_call
    from resources.postgres.engine import transaction

    with open_control(home) as control:
        caller = permitted(control, user, "on-call", "edit")
        with transaction(control.engine) as connection:
            on_call.remove_override(connection, override_id, actor=caller.username, audit=control.audit)
    print(f"override {override_id} is gone")


@app.command(
    "import",
    help="Read the rotas that PagerDuty, Opsgenie or calendars keep (`external` of a schedule) for the coming 14 days. Exit code 1 when "
    "one cannot be read.\n\nExample: etlmon on-call import",
)
def import_(user: User = None, as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from dataclasses import asdict

    from resources.clock import utc_now
    from resources.notification.on_call_import import import_rotas

    with open_control(home) as control:
        permitted(control, user, "on-call", "edit")
        found = import_rotas(control.settings, control.engine, control.notification_rules(), now=utc_now())
    if as_json:
        print(json.dumps([asdict(one) for one in found]))
    else:
        for one in found:
            strangers = f"; nobody of ours: {', '.join(one.strangers)}" if one.strangers else ""
            print(f"{one.schedule:<20}  {one.problem or f'{one.shifts} shifts read'}{strangers}")
        if not found:
            print("no schedule has `external`")
    if any(one.problem for one in found):
        raise typer.Exit(1)


def _coming(control: ControlPlane, days: int) -> dict[str, list[Shift]]:
    from domain.notification.on_call import list_shifts
    from resources.clock import utc_now
    from resources.notification.on_call import read_overrides
    from resources.postgres.engine import transaction

    rules, start = control.notification_rules(), utc_now().replace(microsecond=0)
    end = start + timedelta(days=days)
    with transaction(control.engine) as connection:
        overrides = read_overrides(connection, start=start, end=end)
    return {
        name: list_shifts(schedule, start, end, overrides=[one for one in overrides if one.schedule == name])
        for name, schedule in sorted(rules.schedules.items())
    }


def _print(found: list[tuple[str, Shift]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_document(name, one) for name, one in found], default=str))
        return
    for name, one in found:
        span = f"{one.starts_at:%Y-%m-%d %H:%M} to {one.ends_at:%Y-%m-%d %H:%M} UTC"
        print(f"{name:<20}  {span}  {one.person or 'NOBODY':<20}  {one.source}")


def _document(name: str, one: Shift) -> dict[str, object]:
    return {
        "schedule": name,
        "startsAt": one.starts_at.isoformat(),
        "endsAt": one.ends_at.isoformat(),
        "person": one.person,
        "source": one.source,
    }


def _instant(words: str) -> datetime:
    from domain.errors import InputDataError

    try:
        at = datetime.fromisoformat(words)
    except ValueError:
        at = datetime.min  # has no zone either  # noqa: DTZ901
    if at.tzinfo is None:
        raise InputDataError(
            f"{words!r} is no instant with a time zone",
            suggestion="write it as in 2026-12-24T08:00+01:00, or with Z for UTC",
        )
    return at
