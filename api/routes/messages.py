"""/api/v1/messages: the outbox as people see it: what went out, what waits, what is dead; dead letters again, tests by hand (H7)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from api.access import allow, control_plane, current_caller
from api.wire import Limit, Offset, WireModel
from domain.errors import NotFoundError
from domain.incidents.view import incident_code
from domain.notification.message import Channel, MessageKind
from domain.notification.people import TEAM_PREFIX
from domain.vocabulary import Severity
from resources.clock import utc_now
from resources.json_logs import new_correlation_id
from resources.notification.outbox import list_messages, read_message, replay_message, write_messages
from resources.notification.service import compose_test
from resources.postgres.engine import transaction

router = APIRouter(prefix="/api/v1/messages", tags=["messages"])

State = Literal["PENDING", "SENT", "DELIVERED", "DEAD", "CANCELLED", "SUMMARISED"]
MessageId = Annotated[int, Path(ge=1, le=2**62)]


class MessageAnswer(WireModel):
    """One message; never the address that it goes to."""

    id: int
    idempotency_key: str
    incident: str | None
    kind: MessageKind
    channel: str
    recipient: str
    severity: Severity
    is_drill: bool
    title: str
    state: State
    attempts: int
    due_at: datetime | None
    sent_at: datetime | None
    created_at: datetime
    last_error: str | None
    note: str
    fallback_of: int | None


class MessagePage(WireModel):
    """Messages, newest first."""

    items: list[MessageAnswer]
    total: int


class TestRequest(WireModel):
    """Who shall get a test through which channel."""

    channel: Channel
    recipient: str = Field(pattern=r"^(team:)?[a-z][a-z0-9._-]{0,62}$", description="a person, or team:NAME")


@router.get("")
@allow("messages", "read")
def list_all(
    *,
    request: Request,
    state: State | None = None,
    channel: Channel | None = None,
    incident: Annotated[int | None, Query(ge=1, le=2**62, description="number of an incident")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> MessagePage:
    """`state=DEAD` lists the dead letters."""
    with transaction(control_plane(request).engine) as connection:
        rows, total = list_messages(
            connection,
            state=state,
            incident_id=incident,
            channel=channel.value if channel else None,
            limit=limit,
            offset=offset,
        )
    return MessagePage(items=[answer_of(row) for row in rows], total=total)


@router.post("/{message_id}/replay")
@allow("messages", "replay")
def replay(request: Request, message_id: MessageId) -> MessageAnswer:
    """A dead letter is tried again from the beginning, under its old key."""
    control, actor = control_plane(request), current_caller(request).username
    with transaction(control.engine) as connection:
        row = replay_message(connection, message_id, actor=actor, now=utc_now(), audit=control.audit)
    return answer_of(row)


@router.post("/test", status_code=202)
@allow("messages", "test")
def send_test(request: Request, wanted: TestRequest) -> MessageAnswer:
    """A test goes the way of every message; the delivery job sends it within seconds."""
    control, actor, now = control_plane(request), current_caller(request).username, utc_now()
    rules = control.notification_rules()
    name = wanted.recipient.removeprefix(TEAM_PREFIX)
    known = rules.teams if wanted.recipient.startswith(TEAM_PREFIX) else rules.people
    if name not in known:
        raise NotFoundError(
            f"there is nobody called {wanted.recipient!r}", suggestion=f"known: {', '.join(sorted(known))}"
        )
    cause, planned = compose_test(wanted.channel, wanted.recipient, reference=new_correlation_id(), actor=actor)
    with transaction(control.engine) as connection:
        (message_id,) = write_messages(connection, cause, [planned], now=now)
        row = read_message(connection, message_id)
        control.audit.record(
            connection,
            actor=actor,
            action="message.test",
            resource="messages",
            resource_id=str(message_id),
            after={"channel": wanted.channel.value, "recipient": wanted.recipient},
        )
    return answer_of(row)


def answer_of(row: Any) -> MessageAnswer:
    """A row of the outbox."""
    return MessageAnswer(
        id=row.message_id,
        idempotency_key=row.idempotency_key,
        incident=incident_code(row.incident_id) if row.incident_id else None,
        kind=MessageKind(row.kind),
        channel=row.channel,
        recipient=row.recipient,
        severity=Severity(row.severity),
        is_drill=row.is_drill,
        title=str(row.payload.get("facts", {}).get("title", "")),
        state=row.state,
        attempts=row.attempts,
        due_at=row.due_at,
        sent_at=row.sent_at,
        created_at=row.created_at,
        last_error=row.last_error,
        note=row.payload.get("note", ""),
        fallback_of=row.fallback_of,
    )
