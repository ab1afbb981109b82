"""/ack/{token}: the link in a message (E2). Looking at it changes nothing, so that scanners of mail and chat never acknowledge.

No login: the token is signed, bound to recipient, incident and action, and expires. Every dead end is a calm page.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from api.access import control_plane, public
from api.inbound import engine_of, responses_of
from api.pages.error_pages import page_router
from api.pages.rendering import render
from domain.incidents.view import incident_code
from domain.notification.ack_link import AckLink, LinkFault
from resources.channels import ack_links_of
from resources.clock import utc_now
from resources.inbound.responses import Answered, Outcome
from resources.postgres.engine import transaction

router = page_router()

_FAULTS = {
    LinkFault.INVALID: (404, "This link does not work", "It is not complete, or it was not made by this server."),
    LinkFault.EXPIRED: (410, "This link has expired", "Links in messages work for a limited time."),
}
_TITLES = {
    Outcome.DONE: "Acknowledge this incident?",
    Outcome.ALREADY: "Somebody is on it already",
    Outcome.OVER: "This incident is over",
    Outcome.MERGED: "This incident is part of another one",
    Outcome.UNKNOWN: "There is no such incident",
}


@router.get("/ack/{token}")
@public
def look_at_link(request: Request, token: str) -> Response:
    """The incident, and a button while it is open."""
    found = ack_links_of(control_plane(request).settings).read(token, now=utc_now())
    if isinstance(found, LinkFault):
        return _show_fault(request, found)
    with transaction(engine_of(request)) as connection:
        stand = responses_of(request).look(connection, found.incident_id)
    title = _TITLES.get(stand.outcome, "Incident")
    return _show(request, found, stand, title=title, can_acknowledge=stand.outcome is Outcome.DONE)


@router.post("/ack/{token}")
@public
def acknowledge_by_link(request: Request, token: str) -> Response:
    """Acknowledge in the name of the recipient. Pressed again it says how it stands."""
    found = ack_links_of(control_plane(request).settings).read(token, now=utc_now())
    if isinstance(found, LinkFault):
        return _show_fault(request, found)
    with transaction(engine_of(request)) as connection:
        answered = responses_of(request).acknowledge(
            connection, found.incident_id, actor=found.recipient, cause="ack-link", now=utc_now()
        )
    is_done = answered.outcome is Outcome.DONE
    title = "Acknowledged" if is_done else _TITLES[answered.outcome]
    return _show(request, found, answered, title=title, can_acknowledge=False, is_done=is_done)


def _show(
    request: Request,
    link: AckLink,
    answered: Answered,
    *,
    title: str,
    can_acknowledge: bool,
    is_done: bool = False,
) -> Response:
    status = 404 if answered.outcome is Outcome.UNKNOWN else 200
    into = incident_code(answered.merged_into) if answered.merged_into else ""
    facts: dict[str, Any] = {
        "title": title,
        "words": answered.words,
        "view": answered.view,
        "recipient": link.recipient,
        "can_acknowledge": can_acknowledge,
        "is_done": is_done,
        "into": into,
        "suggestion": "",
    }
    return render(request, "ack.html", status=status, **facts)


def _show_fault(request: Request, fault: LinkFault) -> Response:
    status, title, words = _FAULTS[fault]
    return render(
        request,
        "ack.html",
        status=status,
        title=title,
        words=words,
        view=None,
        recipient="",
        can_acknowledge=False,
        is_done=False,
        into="",
        suggestion="Log in to see the incidents that are open, or answer the message: ACK and the number of the incident.",
    )
