"""Submit, approve, reject, withdraw, discard, roll back: each asks first and is bound to what the reader has seen."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.loaders import CRUMBS, Code, Version
from api.pages.posted import Posted, PostedForm
from api.pages.questions import Question, ask, carry_out
from api.pages.rendering import go
from domain.loaders.lifecycle import PERMISSION, Action
from domain.vocabulary import VersionState
from resources.loaders.records import VersionRecord
from resources.loaders.versions import LoaderVersions

router = page_router()
Seen = Annotated[str, Query(max_length=200)]
_ASKED = (Action.SUBMIT, Action.APPROVE, Action.REJECT, Action.WITHDRAW, Action.DISCARD, Action.ROLLBACK)


def _add_routes(action: Action) -> None:
    path = f"/loaders/{{code}}/versions/{{version}}/{action.value}"

    @router.get(path)
    @allow("loaders", PERMISSION[action])
    def ask_change(request: Request, code: Code, version: Version, seen: Seen = "") -> Response:
        """Say what will happen; not to who has seen something else than there is now."""
        loaders = control_plane(request).loaders
        record = loaders.get(code, version)
        back = f"/loaders/{code}/versions/{version}"
        if seen and seen != record.content_hash:
            return go(request, back, _changed_meanwhile(version))
        crumbs = [*CRUMBS, (code, f"/loaders/{code}"), (f"Version {version}", back)]
        return ask(request, _question(action, record, _find_active(loaders, code), back), crumbs=crumbs)

    @router.post(path)
    @allow("loaders", PERMISSION[action])
    def carry_out_change(request: Request, code: Code, version: Version, form: Posted) -> Response:
        """Do it."""
        back = f"/loaders/{code}/versions/{version}"
        return carry_out(request, back, lambda: _do(request, action, code, version, form))


for _action in _ASKED:
    _add_routes(_action)


def _do(request: Request, action: Action, code: str, version: int, form: PostedForm) -> Flash:
    loaders, me = control_plane(request).loaders, current_caller(request)
    revision, reason = form.number("revision"), form.text("reason")
    if action is Action.SUBMIT:
        loaders.submit(code, version, caller=me, revision=revision)
        return Flash(f"Version {version} waits for approval", "Somebody who did not write it can approve it now.")
    if action is Action.APPROVE:
        loaders.approve(code, version, caller=me, content_hash=form.text("content_hash"), revision=revision)
        return Flash(f"Version {version} is active", "Captures use it from their next run on.")
    if action is Action.REJECT:
        loaders.reject(code, version, caller=me, reason=reason, revision=revision)
        return Flash(f"Version {version} is rejected", "Its author finds your reason in the history.")
    if action is Action.WITHDRAW:
        loaders.withdraw(code, version, caller=me, revision=revision)
        return Flash(f"Version {version} is a draft again")
    if action is Action.DISCARD:
        loaders.discard(code, version, caller=me, revision=revision)
        return Flash(f"Version {version} is discarded", "It stays readable in the history.")
    loaders.rollback(code, version, caller=me, reason=reason, revision=revision)
    return Flash(f"Version {version} is active again", "Captures use it from their next run on.")


def _find_active(loaders: LoaderVersions, code: str) -> int | None:
    records, _ = loaders.list_versions(code, limit=500)
    return next((one.version for one in records if one.state is VersionState.ACTIVE), None)


def _question(action: Action, record: VersionRecord, active: int | None, back: str) -> Question:
    name, authors = f"Version {record.version} of {record.code}", ", ".join(record.authors)
    runs = (
        f"Version {active} keeps running until then."
        if active
        else "Until then nothing runs: there is no active version."
    )
    replaced = f"Version {active}, which is active now, is archived." if active else "No version is active now."
    titles = {
        Action.SUBMIT: (f"Submit version {record.version}?", "Submit for approval"),
        Action.APPROVE: (f"Approve version {record.version}?", "Approve and activate"),
        Action.REJECT: (f"Reject version {record.version}?", "Reject"),
        Action.WITHDRAW: (f"Withdraw version {record.version}?", "Withdraw"),
        Action.DISCARD: (f"Discard version {record.version}?", "Discard"),
        Action.ROLLBACK: (f"Roll back to version {record.version}?", "Roll back"),
    }
    lines = {
        Action.SUBMIT: [
            f"{name} will wait for approval by somebody else than those who wrote it ({authors}), whatever their role.",
            runs,
        ],
        Action.APPROVE: [
            f"{name} becomes active: captures use it from their next run on. {replaced}",
            (
                f"It was written by {authors} and submitted by {record.submitted_by}. You approve exactly the content below;"
                " if anybody changes it before you confirm, this is refused."
            ),
        ],
        Action.REJECT: [f"{name} is archived as rejected and can never be activated. A new draft can be based on it."],
        Action.WITHDRAW: [
            f"{name} goes back to draft and can be edited. Nobody can approve it until it is submitted again."
        ],
        Action.DISCARD: [f"{name} is archived and can never be activated. Its content stays readable in the history."],
        Action.ROLLBACK: [
            f"{name} becomes active at once, without another approval: it was approved before. {replaced}",
            "Captures use it from their next run on. Windows that were captured already stay as they are.",
        ],
    }
    reasons = {Action.REJECT: "Why? The author reads this", Action.ROLLBACK: "Why? It goes into the audit (optional)"}
    return Question(
        title=titles[action][0],
        lines=lines[action],
        confirm=titles[action][1],
        back=back,
        is_dangerous=action in {Action.REJECT, Action.DISCARD, Action.ROLLBACK},
        hidden={"revision": str(record.revision), "content_hash": record.content_hash},
        reason=reasons.get(action, ""),
        is_reason_needed=action is Action.REJECT,
        hash=record.content_hash if action in {Action.APPROVE, Action.SUBMIT} else "",
    )


def _changed_meanwhile(version: int) -> Flash:
    text = "Below is what it holds now. Look at it, then decide again."
    return Flash(f"Version {version} was changed since you looked at it", text, kind="warn")
