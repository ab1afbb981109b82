"""`etlmon silence`: silences from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from api.cli.muting import Matchers, describe_matchers, parse_end, parse_written, print_preview

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Silences: what nobody wants to hear of, until when.\n\nExample: etlmon silence list",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]


@app.command(help="What a silence with these matchers would mute.\n\nExample: etlmon silence preview service=loader")
def preview(matchers: Matchers, as_json: AsJson = False, user: User = None, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    with open_control(home) as control:
        permitted(control, user, "silences", "read")
        found = AlertServices(control).silences.preview(parse_written(matchers), now=utc_now())
    if as_json:
        print(
            json.dumps(
                {"firing": [row.alert_id for row in found.firing], "lastDay": found.last_day, "byRule": found.by_rule}
            )
        )
    else:
        print_preview(found)


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
            parse_written(matchers),
            starts_at=None,
            ends_at=parse_end(until, now=now),
            reason=reason,
            actor=caller.username,
            now=now,
        )
    if as_json:
        print(json.dumps({"silenceId": silence_id, "firing": len(found.firing), "lastDay": found.last_day}))
        return
    print(f"silence {silence_id} until {parse_end(until, now=now):%Y-%m-%d %H:%M} UTC")
    print_preview(found)


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
        words = describe_matchers(row["matchers"])
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
