"""Who is on call now and in the coming days, gaps, overrides, and whether anybody would be told at all (H6)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.posted import Posted, PostedForm
from api.pages.questions import Question, ask, carry_out
from api.pages.rendering import render
from api.routes.on_call import WeaknessAnswer, audit_now
from domain.errors import InputDataError, NotFoundError
from domain.notification.on_call import Override
from resources.clock import utc_now
from resources.notification.on_call import add_override, remove_override
from resources.notification.on_call_board import read_board
from resources.postgres.engine import transaction

router = page_router()
OverrideId = Annotated[int, Path(ge=1, le=2**62)]
_CRUMBS = [("Overview", "/"), ("On call", "/on-call")]


@router.get("/on-call")
@allow("on-call", "read")
def show_on_call(request: Request, days: Annotated[int, Query(ge=1, le=60)] = 14) -> Response:
    """Every schedule, now and for some days."""
    control, now = control_plane(request), utc_now()
    rules = control.notification_rules()
    with transaction(control.engine) as connection:
        board = read_board(connection, rules, now=now, days=days)
    return render(
        request,
        "on_call.html",
        crumbs=_CRUMBS,
        board=board,
        days=days,
        people=rules.people,
        schedules=[(one.name, one.title) for one in board.schedules],
        persons=[(name, one.title) for name, one in sorted(rules.people.items())],
        weaknesses=list_weaknesses(request),
    )


@router.post("/on-call/overrides")
@allow("on-call", "edit")
def create_override(request: Request, form: Posted) -> Response:
    """Somebody takes over for a while."""
    return carry_out(request, "/on-call", lambda: _add(request, form))


@router.get("/on-call/overrides/{override_id}/end")
@allow("on-call", "edit")
def ask_end(request: Request, override_id: OverrideId) -> Response:
    """Ask before an override is taken away."""
    one = _find(request, override_id)
    question = Question(
        title=f"End the override of {one.person}?",
        lines=[f"The schedule {one.schedule} holds again at once. Until {one.ends_at:%Y-%m-%d %H:%M} UTC it was {one.person}."],
        confirm="End override",
        back="/on-call",
        is_dangerous=True,
    )  # fmt: skip
    return ask(request, question, crumbs=_CRUMBS)


@router.post("/on-call/overrides/{override_id}/end")
@allow("on-call", "edit")
def end_override(request: Request, override_id: OverrideId) -> Response:
    """The schedule holds again."""

    def change() -> Flash:
        control = control_plane(request)
        with transaction(control.engine) as connection:
            remove_override(connection, override_id, actor=current_caller(request).username, audit=control.audit)
        return Flash("The override has ended", "The schedule holds again.")

    return carry_out(request, "/on-call", change)


def list_weaknesses(request: Request) -> list[WeaknessAnswer]:
    """What keeps, or will keep, somebody from being told; silences first. For every page that has to warn of it."""
    return audit_now(request).items


def _add(request: Request, form: PostedForm) -> Flash:
    control, now, ends_at = control_plane(request), utc_now(), form.instant("ends_at")
    if ends_at is None:
        raise InputDataError("the end of the override is missing", suggestion="give a day and a time, in UTC")
    with transaction(control.engine) as connection:
        made = add_override(
            connection,
            control.notification_rules(),
            schedule=form.text("schedule"),
            person=form.text("person"),
            starts_at=form.instant("starts_at") or now,
            ends_at=ends_at,
            reason=form.text("reason")[:500],
            actor=current_caller(request).username,
            now=now,
            audit=control.audit,
        )
    return Flash(f"{made.person} takes over {made.schedule}", f"Until {made.ends_at:%Y-%m-%d %H:%M} UTC.")


def _find(request: Request, override_id: int) -> Override:
    control, now = control_plane(request), utc_now()
    with transaction(control.engine) as connection:
        overrides = read_board(connection, control.notification_rules(), now=now, days=1).overrides
    found = next((one for one in overrides if one.override_id == override_id), None)
    if found is None:
        raise NotFoundError(f"there is no override {override_id} in force", suggestion="go back to the list")
    return found
