"""Keys that encrypt columns and sign tokens: which there are, what is under each, rotation (A5). No key itself is ever shown."""

from __future__ import annotations

from fastapi import Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.questions import Question, ask, carry_out
from api.pages.rendering import render
from domain.errors import NotFoundError

router = page_router()
_CRUMBS = [("Overview", "/"), ("Keys", "/keys")]
#: Values that one press of the button writes anew at most: an answer within seconds.
_PER_CALL = 2000
_QUESTIONS = {
    "rotate": Question(
        title="Rotate the encryption key?",
        lines=[
            "A new key encrypts from now on, and up to 2,000 stored values are written anew under it; everything keeps running.",
            "If values remain under a former key, the same button goes on with them.",
        ],
        confirm="Rotate",
        back="/keys",
    ),
    "prune": Question(
        title="Remove former encryption keys?",
        lines=[
            "Keys that no value is under are taken out of the key file. Backups made before need them: keep theirs."
        ],
        confirm="Remove former keys",
        back="/keys",
        is_dangerous=True,
    ),
    "rotate-signing": Question(
        title="Rotate the signing key?",
        lines=["New logins are signed with a new key. Tokens of the former one hold until they expire, a day at most."],
        confirm="Rotate",
        back="/keys",
    ),
}


@router.get("/keys")
@allow("keys", "read")
def list_keys(request: Request) -> Response:
    """Encryption and signing keys."""
    control = control_plane(request)
    usages = control.key_rotation.list_keys()
    return render(
        request,
        "keys.html",
        crumbs=_CRUMBS,
        encryption=usages,
        signing=control.signing_keys.list_keys(),
        former=sum(one.rows for one in usages if not one.is_primary),
        can_prune=any(not one.is_primary and one.is_in_file and not one.rows for one in usages),
    )


@router.get("/keys/{act}")
@allow("keys", "rotate")
def ask_key_change(request: Request, act: str) -> Response:
    """Ask before keys change."""
    return ask(request, _question(act), crumbs=_CRUMBS)


@router.post("/keys/{act}")
@allow("keys", "rotate")
def change_keys(request: Request, act: str) -> Response:
    """Do it."""
    _question(act)
    return carry_out(request, "/keys", lambda: _do(request, act))


def _question(act: str) -> Question:
    if act not in _QUESTIONS:
        raise NotFoundError(f"there is no action {act[:40]!r} on keys", suggestion="go back to the keys")
    return _QUESTIONS[act]


def _do(request: Request, act: str) -> Flash:
    control, actor = control_plane(request), current_caller(request).username
    if act == "prune":
        pruned = control.key_rotation.prune(actor=actor)
        return Flash(f"{len(pruned)} former keys are removed" if pruned else "There was no key to remove")
    if act == "rotate-signing":
        return Flash("A new key signs from now on", f"Its id is {control.signing_keys.rotate(actor=actor)}.")
    state = control.key_rotation.rotate(actor=actor, limit=_PER_CALL)
    if state.refused:
        text = f"{len(state.refused)} values cannot be decrypted and stay as they are: {', '.join(state.refused)}"
        return Flash(f"{state.done:,} values are under the new key", text, kind="warn")
    rest = (
        "All values are under it."
        if state.is_finished
        else f"{state.remaining:,} values remain: rotate again to go on."
    )
    return Flash(f"Key {state.primary} encrypts now; {state.done:,} values written anew", rest)
