"""`etlmon silence`: silences from the command line."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import InputDataError

if TYPE_CHECKING:
    from resources.alerts.silences import Preview

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Silences: what nobody wants to hear of, until when.\n\nExample: etlmon silence list",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
Matchers = Annotated[list[str], typer.Argument(metavar="MATCHER…", help='service=loader, pod=~"load.*", team!=x')]
_LENGTH = re.compile(r"^(\d{1,6})(m|h|d)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@app.command(help="What a silence with these matchers would mute.\n\nExample: etlmon silence preview service=loader")
def preview(matchers: Matchers, as_json: AsJson = False, user: User = None, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    with open_control(home) as control:
        permitted(control, user, "silences", "read")
        found = AlertServices(control).silences.preview(_parsed(matchers), now=utc_now())
    if as_json:
        print(
            json.dumps(
                {"firing": [row.alert_id for row in found.firing], "lastDay": found.last_day, "byRule": found.by_rule}
            )
        )
    else:
        _print(found)


@app.command(
    help="Mute what matches. The end is an instant (ISO 8601, UTC unless it has a zone) or a length: 30m, 8h, 2d.\n\n"
    'Example: etlmon silence add service=loader --until 2h --reason "moving the database"'
)
def add(
    matchers: Matchers,
    *,
    until: Annotated[str, typer.Option(help="when it ends")],
    reason: Annotated[str, typer.Option(help="why; others read it")],
    as_json: AsJson = False,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    now = utc_now()
    with open_control(home) as control:
        caller = permitted(control, user, "silences", "act")
        silence_id, found = AlertServices(control).silences.add(
            _parsed(matchers),
            starts_at=None,
            ends_at=_end(until, now),
            reason=reason,
            actor=caller.username,
            now=now,
        )
    if as_json:
        print(json.dumps({"silenceId": silence_id, "firing": len(found.firing), "lastDay": found.last_day}))
        return
    print(f"silence {silence_id} until {_end(until, now):%Y-%m-%d %H:%M} UTC")
    _print(found)


@app.command("list", help="Silences in force and to come.\n\nExample: etlmon silence list --all")
def list_(
    *,
    is_over_too: Annotated[bool, typer.Option("--all", help="the former ones too")] = False,
    as_json: AsJson = False,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    with open_control(home) as control:
        permitted(control, user, "silences", "read")
        rows = AlertServices(control).silences.list_silences(now=utc_now(), is_over_too=is_over_too)
    if as_json:
        print(json.dumps(rows, default=str))
        return
    for row in rows:
        words = ", ".join(f"{one['label']}{one['op']}{one['value']}" for one in row["matchers"])
        state = f"holds back {row['holds_back']}" if row["is_in_force"] else "not in force"
        print(
            f"{row['silence_id']:>5}  until {row['ends_at']:%Y-%m-%d %H:%M} UTC  {words}  ({state}) – {row['created_by']}: {row['reason']}"
        )
    if not rows:
        print("no silence")


@app.command(help="End a silence now.\n\nExample: etlmon silence end 7")
def end(
    silence_id: Annotated[int, typer.Argument(min=1, help="number of the silence")],
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    with open_control(home) as control:
        caller = permitted(control, user, "silences", "act")
        AlertServices(control).silences.end(silence_id, actor=caller.username, now=utc_now())
    print(f"silence {silence_id} is over; what still fires is told with the next look")


def _parsed(written: list[str]) -> list[dict[str, str]]:
    from domain.detection.matchers import parse_matcher

    return [parse_matcher(one).model_dump() for one in written]


def _end(written: str, now: datetime) -> datetime:
    if found := _LENGTH.match(written):
        return now + timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise InputDataError(
            f"--until {written!r} is no instant and no length", suggestion="for example 8h, 2d or 2026-11-24T06:00"
        ) from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _print(found: Preview) -> None:
    print(f"mutes {len(found.firing)} alerts that fire now; {found.last_day} alerts fired within the last day")
    for row in found.firing[:20]:
        print(f"  {row.severity.value:<8}  {row.title}")
    for rule, count in sorted(found.by_rule.items(), key=lambda pair: -pair[1]):
        print(f"  {count:>5} × {rule}")
