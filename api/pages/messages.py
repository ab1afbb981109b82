"""The outbox as people see it: what went out, what waits, what is dead; dead letters again, tests by hand (H7)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.filters import read_number, read_text, read_word
from api.pages.flashes import Flash
from api.pages.on_call import list_weaknesses
from api.pages.posted import Posted, PostedForm
from api.pages.questions import Question, ask, carry_out
from api.pages.rendering import render
from api.routes.messages import TestRequest as WantedTest
from api.routes.messages import answer_of, send_test
from domain.errors import InputDataError
from domain.notification.message import Channel
from domain.notification.people import TEAM_PREFIX
from resources.clock import utc_now
from resources.notification.outbox import STATES, list_messages, read_message, replay_message
from resources.postgres.engine import transaction

router = page_router()
MessageId = Annotated[int, Path(ge=1, le=2**62)]
_CRUMBS = [("Overview", "/"), ("Messages", "/messages")]
_PAGE = 100


@router.get("/messages")
@allow("messages", "read")
def list_outbox(request: Request, offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0) -> Response:
    """Newest first, with filters; above it what keeps messages from arriving."""
    control = control_plane(request)
    given = {name: read_text(request, name) for name in ("state", "channel", "incident")}
    channel = read_word(given["channel"], Channel)
    with transaction(control.engine) as connection:
        rows, total = list_messages(
            connection,
            state=given["state"] if given["state"] in STATES else None,
            channel=channel.value if channel else None,
            incident_id=read_number(given["incident"].upper().removeprefix("INC-"), most=2**62),
            limit=_PAGE,
            offset=offset,
        )
        _, dead = list_messages(connection, state="DEAD", limit=1)
    rules = control.notification_rules()
    return render(
        request,
        "messages.html",
        crumbs=_CRUMBS,
        messages=[answer_of(row) for row in rows],
        total=total,
        dead=dead,
        offset=offset,
        limit=_PAGE,
        given=given,
        states=[("", "All"), *((one, one.capitalize()) for one in STATES)],
        channels=[(one.value, one.value.capitalize()) for one in Channel],
        recipients=[*sorted(rules.people), *(f"{TEAM_PREFIX}{name}" for name in sorted(rules.teams))],
        weaknesses=list_weaknesses(request),
    )


@router.get("/messages/{message_id}")
@allow("messages", "read")
def show_message(request: Request, message_id: MessageId) -> Response:
    """One message: what it says, what became of it."""
    with transaction(control_plane(request).engine) as connection:
        row = read_message(connection, message_id)
    facts = {name: value for name, value in row.payload.get("facts", {}).items() if value not in (None, "", [], {})}
    crumbs = [*_CRUMBS, (f"Message {message_id}", "")]
    return render(request, "message.html", crumbs=crumbs, message=answer_of(row), facts=facts)


@router.get("/messages/{message_id}/replay")
@allow("messages", "replay")
def ask_replay(request: Request, message_id: MessageId) -> Response:
    """Ask before a dead letter is sent again."""
    with transaction(control_plane(request).engine) as connection:
        one = answer_of(read_message(connection, message_id))
    question = Question(
        title=f"Send message {message_id} again?",
        lines=[f"It goes to {one.recipient} by {one.channel}, from the beginning, under its old key."]
        + ([f"Last time: {one.last_error}"] if one.last_error else []),
        confirm="Send again",
        back="/messages?state=DEAD",
    )
    return ask(request, question, crumbs=_CRUMBS)


@router.post("/messages/{message_id}/replay")
@allow("messages", "replay")
def replay(request: Request, message_id: MessageId) -> Response:
    """Send it again."""

    def change() -> Flash:
        control, actor = control_plane(request), current_caller(request).username
        with transaction(control.engine) as connection:
            row = replay_message(connection, message_id, actor=actor, now=utc_now(), audit=control.audit)
        return Flash(f"Message {message_id} waits to be sent to {row.recipient} again")

    return carry_out(request, "/messages?state=DEAD", change)


@router.post("/messages/test")
@allow("messages", "test")
def test_channel(request: Request, form: Posted) -> Response:
    """A test goes the way of every message."""
    return carry_out(request, "/messages", lambda: _test(request, form))


def _test(request: Request, form: PostedForm) -> Flash:
    try:
        wanted = WantedTest(channel=form.text("channel"), recipient=form.text("recipient"))
    except ValueError:
        raise InputDataError("a test needs a channel and a recipient", suggestion="choose both") from None
    made = send_test(request, wanted)
    return Flash(f"A test waits to be sent to {made.recipient} by {made.channel}", f"Message {made.id}.", kind="info")
