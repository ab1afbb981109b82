"""Silences, maintenance windows and the allow-list: what is told to nobody, by whose word, until when; and ending it (D7, D8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response

from api.access import allow, current_caller
from api.alerting import alert_services
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.posted import Posted
from api.pages.questions import Question, ask, carry_out
from api.pages.rendering import render
from domain.errors import InputDataError
from resources.clock import utc_now

router = page_router()
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
CRUMBS = [("Overview", "/"), ("Silences", "/silences")]
BACK = "/silences"


@router.get("/silences")
@allow("silences", "read")
def list_silences(request: Request, former: Annotated[str, Query(max_length=8)] = "") -> Response:
    """All three lists; with `former` also the silences that are over."""
    silences, now = alert_services(request).silences, utc_now()
    return render(
        request,
        "silences.html",
        crumbs=CRUMBS,
        silences=[_with_words(one) for one in silences.list_silences(now=now, is_over_too=bool(former))],
        windows=silences.list_windows(now=now),
        allowed=[_with_words(one) for one in silences.list_allowed()],
        former=former,
    )


@router.get("/silences/{silence_id:int}/end")
@allow("silences", "act")
def ask_end(request: Request, silence_id: Number) -> Response:
    """Ask before a silence is ended."""
    return _ask_end(
        request, f"End silence {silence_id}?", "What it holds back and fires still is told at the next look."
    )


@router.post("/silences/{silence_id:int}/end")
@allow("silences", "act")
def end_silence(request: Request, silence_id: Number) -> Response:
    """End it now."""
    silences, actor = alert_services(request).silences, current_caller(request).username
    return _carry_out(
        request, f"Silence {silence_id} is over", lambda: silences.end(silence_id, actor=actor, now=utc_now())
    )


@router.get("/silences/windows/{window_id:int}/end")
@allow("silences", "act")
def ask_end_window(request: Request, window_id: Number) -> Response:
    """Ask before a maintenance window is ended."""
    return _ask_end(request, f"End maintenance window {window_id}?", "It closes now and does not open again.")


@router.post("/silences/windows/{window_id:int}/end")
@allow("silences", "act")
def end_window(request: Request, window_id: Number) -> Response:
    """End it now and for ever."""
    silences, actor = alert_services(request).silences, current_caller(request).username
    return _carry_out(
        request, f"Maintenance window {window_id} is over", lambda: silences.end_window(window_id, actor=actor)
    )


@router.get("/silences/allow-list/remove")
@allow("silences", "act")
def ask_disallow(
    request: Request,
    rule_id: Annotated[str, Query(max_length=200)] = "",
    matchers: Annotated[str, Query(max_length=8000)] = "[]",
) -> Response:
    """Ask before an entry of the allow-list goes."""
    hidden = {"rule_id": rule_id, "matchers": matchers}
    words = f"What fires for {rule_id or 'it'} is told again from then on."
    return _ask_end(request, "Take it off the allow-list?", words, hidden=hidden)


@router.post("/silences/allow-list/remove")
@allow("silences", "act")
def disallow(request: Request, form: Posted) -> Response:
    """Take it off the list."""
    silences, actor = alert_services(request).silences, current_caller(request).username

    def change() -> None:
        silences.disallow(form.text("rule_id"), _stored(form.text("matchers")), actor=actor)

    return _carry_out(request, "It is off the allow-list", change)


def _ask_end(request: Request, title: str, words: str, *, hidden: dict[str, str] | None = None) -> Response:
    question = Question(title=title, lines=[words], confirm="End it", back=BACK, is_dangerous=True, hidden=hidden or {})
    return ask(request, question, crumbs=CRUMBS)


def _carry_out(request: Request, done: str, change: Callable[[], object]) -> Response:
    def work() -> Flash:
        change()
        return Flash(done)

    return carry_out(request, BACK, work)


def _with_words(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its matchers as people write them, and as they are stored."""
    words = [f'{one["label"]}{one["op"]}"{one["value"]}"' for one in row["matchers"]]
    return {**row, "words": words, "stored": json.dumps(row["matchers"])}


def _stored(given: str) -> list[dict[str, str]]:
    try:
        found = json.loads(given)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputDataError("which entry is meant cannot be read", suggestion="go back to the list and try again")
    return found
