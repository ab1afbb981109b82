"""Tokens of machines: list, make (shown once), revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.posted import Posted, PostedForm
from api.pages.questions import Question, ask, carry_out
from api.pages.rendering import go, render
from domain.access.permissions import Role, list_scopes
from domain.errors import EtlmonError, InputDataError
from resources.clock import utc_now

router = page_router()
TokenId = Annotated[str, Path(max_length=64)]
_PAGE = 100
_CRUMBS = [("Overview", "/"), ("API tokens", "/tokens")]
_DAYS = ((1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (180, "180 days"), (365, "365 days"))


@router.get("/tokens")
@allow("api-tokens", "read")
def list_tokens(request: Request, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
    """All tokens, the newest first; never their secrets."""
    tokens, total = control_plane(request).api_tokens.list_tokens(limit=_PAGE, offset=offset)
    return render(request, "tokens.html", crumbs=_CRUMBS, tokens=tokens, total=total, offset=offset, limit=_PAGE)


@router.get("/tokens/new")
@allow("api-tokens", "edit")
def show_new_token(request: Request) -> Response:
    """The form of a new token."""
    return _new_page(request, {}, [])


@router.post("/tokens/new")
@allow("api-tokens", "edit")
def create_token(request: Request, form: Posted) -> Response:
    """Make it; its text is shown once, on the next page."""
    try:
        name = _name(form)
        issued = control_plane(request).api_tokens.issue(
            actor=current_caller(request),
            name=name,
            role=form.word("role", Role),
            scopes=form.texts("scopes"),
            expires_at=utc_now() + timedelta(days=form.number("days", fallback=30)),
        )
    except InputDataError as error:
        return _new_page(request, form.values(), form.texts("scopes"), error=error)
    text = "Copy it now: it is shown this one time, and only its hash is kept."
    return go(request, "/tokens", Flash(f"Token {name} is made", text, secret=issued.token))


@router.get("/tokens/{token_id}/revoke")
@allow("api-tokens", "edit")
def ask_revoke(request: Request, token_id: TokenId) -> Response:
    """Ask before a token is revoked."""
    token = control_plane(request).api_tokens.read(token_id)
    question = Question(
        title=f"Revoke {token['name']}?",
        lines=[f"Whatever uses the token {token['name']} is refused at once, everywhere. This cannot be undone."],
        confirm="Revoke",
        back="/tokens",
        is_dangerous=True,
    )
    return ask(request, question, crumbs=_CRUMBS)


@router.post("/tokens/{token_id}/revoke")
@allow("api-tokens", "edit")
def revoke_token(request: Request, token_id: TokenId) -> Response:
    """Revoke it."""

    def change() -> Flash:
        control_plane(request).api_tokens.revoke(token_id, actor=current_caller(request).username)
        return Flash("The token is revoked")

    return carry_out(request, "/tokens", change)


def _name(form: PostedForm) -> str:
    name = form.text("name")
    if not 1 <= len(name) <= 100:
        raise InputDataError("the token needs a name of 1 to 100 characters", suggestion="name what will use it")
    return name


def _new_page(
    request: Request, typed: dict[str, str], scopes: list[str], *, error: EtlmonError | None = None
) -> Response:
    return render(
        request,
        "token_new.html",
        crumbs=[*_CRUMBS, ("New token", "")],
        status=422 if error else 200,
        typed=typed,
        chosen=scopes,
        days=_DAYS,
        scopes={role.value: list_scopes(role) for role in Role},
        all_scopes=list_scopes(Role.ADMIN),
        error=error,
    )
