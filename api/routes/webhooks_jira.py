"""POST /api/v1/webhooks/jira: Jira tells that something happened to a ticket (H1, E2). Signed, each delivery once.

What it says is not believed: deliveries overtake each other. It only makes the ticket due, and Jira itself is asked at once.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, BackgroundTasks, Depends, Request
from sqlalchemy import Connection

from api.access import control_plane, public
from api.inbound import engine_of
from api.wire import WireModel
from domain.errors import InputDataError
from resources.clock import utc_now
from resources.inbound.deliveries import handle_once
from resources.inbound.signatures import check_jira
from resources.postgres.engine import transaction
from resources.tickets.rows import touch_key
from resources.tickets.service import is_set_up, sync_at_once

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"])
_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,30}-[0-9]{1,12}")


class JiraAnswer(WireModel):
    """What became of a delivery: `noted`, `ignored` (none of our tickets), or what was answered the first time."""

    outcome: str


@dataclass(frozen=True, slots=True)
class Told:
    """The ticket that a delivery is about; empty when it is about none."""

    key: str
    delivery_id: str


async def _told(request: Request) -> Told:
    """What the delivery is about, once the signature is good.

    Raises:
        NotPermittedError: it is not. InputDataError: a body that Jira does not send.
    """
    body = await request.body()
    check_jira(
        body,
        signature=request.headers.get("x-hub-signature", ""),
        secret=control_plane(request).settings.jira_webhook_secret,
    )
    given = request.headers.get("x-atlassian-webhook-identifier", "")
    is_usable = bool(re.fullmatch(r"[\x21-\x7e]{1,150}", given))
    return Told(_parse(body), given if is_usable else hashlib.sha256(body).hexdigest())


def _parse(body: bytes) -> str:
    try:
        payload: dict[str, Any] = orjson.loads(body)
        key = str((payload.get("issue") or {}).get("key") or "")
    except (ValueError, AttributeError):
        raise InputDataError("this is no event of Jira", suggestion="send the JSON of a webhook of Jira") from None
    return key if _KEY.fullmatch(key) else ""


@router.post("/jira")
@public
def receive_jira(request: Request, tasks: BackgroundTasks, told: Annotated[Told, Depends(_told)]) -> JiraAnswer:
    """Note it. 200 means that the ticket is looked at, even if this process dies now."""
    control, now = control_plane(request), utc_now()
    found: list[int] = []

    def note(connection: Connection) -> str:
        incident_id = touch_key(connection, told.key, now=now) if told.key else None
        if incident_id is None:
            return "ignored"
        found.append(incident_id)
        return "noted"

    with transaction(engine_of(request)) as connection:
        outcome, _ = handle_once(
            connection, "jira", f"webhook:{told.delivery_id}", now=now, act=lambda: note(connection)
        )
    if found and is_set_up(control.settings):
        tasks.add_task(sync_at_once, control.settings, control.engine, found[0], now=now)
    return JiraAnswer(outcome=outcome)
