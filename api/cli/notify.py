"""`etlmon notify`: messages: what went out, what waits, what is dead; a test through the real path; dead letters again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.acting import open_control, permitted

if TYPE_CHECKING:
    from resources.control_plane import ControlPlane

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Messages: list, dead letters, replay, test a channel.\n\nExample: etlmon notify test slack --to ann",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="how many at most")]


@app.command("list", help="The newest messages.\n\nExample: etlmon notify list --state PENDING")
def list_(
    *,
    state: Annotated[str | None, typer.Option(help="PENDING, SENT, DELIVERED, DEAD, CANCELLED or SUMMARISED")] = None,
    limit: Limit = 50,
    user: User = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from domain.errors import InputDataError
    from resources.notification.outbox import STATES

    if state is not None and state.upper() not in STATES:
        raise InputDataError(f"{state!r} is no state of a message", suggestion=f"one of {', '.join(STATES)}")
    _show(state.upper() if state else None, limit, user, as_json=as_json, home=home)


@app.command(help="Messages that will not go out by themselves.\n\nExample: etlmon notify dead")
def dead(limit: Limit = 50, user: User = None, as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    _show("DEAD", limit, user, as_json=as_json, home=home)


@app.command(help="Send dead letters again.\n\nExample: etlmon notify replay 4711 4712")
def replay(
    message_ids: Annotated[list[int], typer.Argument(help="numbers, from `etlmon notify dead`")],
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.clock import utc_now
    from resources.notification.outbox import replay_message
    from resources.postgres.engine import transaction

    with open_control(home) as control:
        caller = permitted(control, user, "messages", "replay")
        for message_id in message_ids:
            with transaction(control.engine) as connection:
                row = replay_message(connection, message_id, actor=caller.username, now=utc_now(), audit=control.audit)
            print(f"message {message_id} to {row.recipient} by {row.channel} is due again")


@app.command(
    "test",
    help="Send a test through the real path: outbox, delivery, provider. Exit code 1 when it did not go out.\n\n"
    "Example: etlmon notify test slack --to ann",
)
def send_test(
    *,
    channel: Annotated[str, typer.Argument(help="voice, sms, email, slack, pagerduty, opsgenie or webhook")],
    to: Annotated[str | None, typer.Option("--to", help="a person or team:NAME; else who is on call now")] = None,
    user: User = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    with open_control(home) as control:
        caller = permitted(control, user, "messages", "test")
        row = _send_test(control, channel, to, actor=caller.username)
    if as_json:
        print(json.dumps(_document(row), default=str))
    elif row.state in {"SENT", "DELIVERED"}:
        print(
            f"{row.state}: the test reached the provider of {row.channel} for {row.recipient} (message {row.message_id})"
        )
    else:
        print(f"{row.state}: the test to {row.recipient} by {row.channel} did not go out: {row.last_error}")
    if row.state not in {"SENT", "DELIVERED"}:
        raise typer.Exit(1)


def _send_test(control: ControlPlane, name: str, to: str | None, *, actor: str) -> Any:
    from domain.errors import InputDataError
    from domain.notification.message import Channel
    from resources.clock import utc_now
    from resources.json_logs import new_correlation_id
    from resources.notification.outbox import read_message, write_messages
    from resources.notification.service import compose_test, delivery_of
    from resources.postgres.engine import transaction

    if name not in set(Channel):
        raise InputDataError(f"{name!r} is no channel", suggestion=f"one of {', '.join(Channel)}")
    recipient = _recipient(control, to)
    cause, planned = compose_test(Channel(name), recipient, reference=new_correlation_id(), actor=actor)
    with transaction(control.engine) as connection:
        (message_id,) = write_messages(connection, cause, [planned], now=utc_now())
        control.audit.record(
            connection,
            actor=actor,
            action="message.test",
            resource="messages",
            resource_id=str(message_id),
            after={"channel": name, "recipient": recipient},
        )
    delivery = delivery_of(control.settings, control.engine, control.notification_rules)
    delivery.deliver_due(now=utc_now(), only=message_id)
    with transaction(control.engine) as connection:
        return read_message(connection, message_id)


def _recipient(control: ControlPlane, to: str | None) -> str:
    """Who is named, or on call in the first schedule by name."""
    from domain.errors import NotFoundError
    from domain.notification.people import TEAM_PREFIX
    from resources.clock import utc_now
    from resources.notification.on_call import on_call_lookup
    from resources.postgres.engine import transaction

    rules = control.notification_rules()
    if to is None:
        with transaction(control.engine) as connection:
            look_up = on_call_lookup(connection, rules, now=utc_now())
            found = next((person for name in sorted(rules.schedules) if (person := look_up(name))), None)
        if found is None:
            raise NotFoundError("nobody is on call now", suggestion="name somebody: --to PERSON")
        return found
    known = [*rules.people, *(f"{TEAM_PREFIX}{team}" for team in rules.teams)]
    if to not in known:
        raise NotFoundError(
            f"there is nobody called {to!r}", suggestion=f"known: {', '.join(sorted(known)) or 'nobody'}"
        )
    return to


def _show(state: str | None, limit: int, user: str | None, *, as_json: bool, home: Path | None) -> None:
    from resources.notification.outbox import list_messages
    from resources.postgres.engine import transaction

    with open_control(home) as control:
        permitted(control, user, "messages", "read")
        with transaction(control.engine) as connection:
            rows, total = list_messages(connection, state=state, limit=limit)
    if as_json:
        print(json.dumps({"items": [_document(row) for row in rows], "total": total}, default=str))
        return
    for row in rows:
        about = f"INC-{row.incident_id}" if row.incident_id else "-"
        words = f"  {row.last_error}" if row.last_error else ""
        print(
            f"{row.message_id:>8}  {row.created_at:%Y-%m-%d %H:%M:%S}  {row.state:<10}  {row.kind:<12}  {row.channel:<9}"
            f"  {row.recipient:<20}  {about}{words}"
        )
    print(f"{len(rows)} of {total} messages" if rows else "no messages")


def _document(row: Any) -> dict[str, Any]:
    names = (
        "message_id", "idempotency_key", "incident_id", "kind", "channel", "recipient", "severity", "state", "attempts",
        "due_at", "sent_at", "created_at", "last_error", "fallback_of",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names}
