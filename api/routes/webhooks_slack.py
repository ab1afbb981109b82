"""/api/v1/webhooks/slack/interactive: a button pressed in Slack (H5, E2). Signed by Slack, five minutes fresh, each once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qs

import orjson
from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from api.access import control_plane, public
from api.inbound import engine_of, responses_of
from domain.errors import InputDataError
from domain.notification.message import Channel
from domain.notification.slack_blocks import ACKNOWLEDGE, DETAILS, ESCALATE, escape_slack
from domain.notification.texts import incident_number
from resources.clock import utc_now
from resources.inbound.deliveries import handle_once
from resources.inbound.responses import Responses
from resources.inbound.signatures import check_slack
from resources.inbound.slack_reply import is_slack_address, send_slack_reply
from resources.postgres.engine import transaction

router = APIRouter(prefix="/api/v1/webhooks/slack", tags=["webhooks"])

_STRANGER = "Your Slack account is not known to the ETL Monitoring Platform. Nothing was changed."
_NOTHING = "There is nothing to do with this."


@dataclass(frozen=True, slots=True)
class Pressed:
    """One button, by whom, on which incident; `delivery_id` is the same when Slack sends it again."""

    user_id: str
    action: str
    incident_id: int | None
    response_url: str
    delivery_id: str


async def _pressed(request: Request) -> Pressed:
    """The button, once the signature is good.

    Raises:
        NotPermittedError: it is not. InputDataError: a body that Slack does not send.
    """
    body = await request.body()
    check_slack(
        body,
        timestamp=request.headers.get("x-slack-request-timestamp", ""),
        signature=request.headers.get("x-slack-signature", ""),
        secret=control_plane(request).settings.slack_signing_secret,
        now=utc_now(),
    )
    return _parse(body)


def _parse(body: bytes) -> Pressed:
    try:
        payload: dict[str, Any] = orjson.loads(parse_qs(body.decode(), max_num_fields=20)["payload"][0])
        action = (payload.get("actions") or [{}])[0]
        user, name, value = payload["user"]["id"], action.get("action_id", ""), action.get("value", "")
        return Pressed(
            str(user)[:32],
            str(name)[:64],
            incident_number(str(value)[:64]),
            str(payload.get("response_url", ""))[:500],
            hashlib.sha256(body).hexdigest(),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise InputDataError(
            "this is not what Slack sends for a pressed button", suggestion="send block_actions as `payload`"
        ) from None


@router.post("/interactive")
@public
def press_button(
    request: Request,
    tasks: BackgroundTasks,
    pressed: Annotated[Pressed, Depends(_pressed)],
    responses: Annotated[Responses, Depends(responses_of)],
) -> JSONResponse:
    """Do it, and tell who pressed, to him alone. The message itself changes when the incident does."""
    person = responses.person_of(Channel.SLACK, pressed.user_id)
    is_repeated = False
    if person is None:
        words = _STRANGER
    else:
        with transaction(engine_of(request)) as connection:
            words, is_repeated = handle_once(
                connection,
                "slack",
                pressed.delivery_id,
                now=utc_now(),
                act=lambda: _act(connection, responses, pressed, person),
            )
    answer = {"response_type": "ephemeral", "replace_original": False, "text": escape_slack(words)}
    slack_url = control_plane(request).settings.slack_url
    if not is_repeated and is_slack_address(pressed.response_url, slack_url=slack_url):
        tasks.add_task(send_slack_reply, pressed.response_url, answer)
    return JSONResponse(answer)


def _act(connection: Connection, responses: Responses, pressed: Pressed, person: str) -> str:
    now = utc_now()
    if pressed.incident_id is None:
        return _NOTHING
    if pressed.action == ACKNOWLEDGE:
        return responses.acknowledge(connection, pressed.incident_id, actor=person, cause="slack", now=now).words
    if pressed.action == ESCALATE:
        return responses.escalate(connection, pressed.incident_id, actor=person, cause="slack", now=now).words
    if pressed.action == DETAILS:
        return responses.send_details(
            connection, pressed.incident_id, person=person, cause="slack", channels=[Channel.SLACK], now=now
        ).words
    return _NOTHING
