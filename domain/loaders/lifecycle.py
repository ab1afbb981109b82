"""The life of a loader version (A6, A7): DRAFT → PENDING → ACTIVE → ARCHIVED, decided here and nowhere else.

Pure: from the facts of a version, the other versions of its loader and who asks, to what becomes of it, or the reason why
not. `resources.loaders` carries it out in one transaction while it holds the loader.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from domain.access.permissions import Caller
from domain.errors import ConflictError, InputDataError, NotPermittedError, StaleEditError
from domain.vocabulary import VersionState


class Action(StrEnum):
    """What somebody may do with a version that exists."""

    EDIT = "edit"
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    DISCARD = "discard"
    APPROVE = "approve"
    REJECT = "reject"
    ROLLBACK = "rollback"


class Decision(StrEnum):
    """How a version was last judged."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    DISCARDED = "DISCARDED"


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What the decisions need to know of one version. `authors` wrote its content; none of them may approve it."""

    code: str
    version: int
    state: VersionState
    revision: int
    content_hash: str
    authors: frozenset[str]
    submitted_by: str | None = None
    submitted_hash: str | None = None
    is_once_active: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """What becomes of the version, and of the ACTIVE one that makes way for it in the same transaction.

    Attributes:
        decision: how the version was judged by it; None when this was no judgement.
    """

    becomes: VersionFacts
    archived: VersionFacts | None = None
    decision: Decision | None = None


#: Which line of the permission table an action needs, and from which states it leads on.
PERMISSION = {
    Action.EDIT: "edit",
    Action.SUBMIT: "submit",
    Action.WITHDRAW: "submit",
    Action.DISCARD: "edit",
    Action.APPROVE: "approve",
    Action.REJECT: "reject",
    Action.ROLLBACK: "rollback",
}
_FROM = {
    Action.EDIT: (VersionState.DRAFT, VersionState.PENDING),
    Action.SUBMIT: (VersionState.DRAFT,),
    Action.WITHDRAW: (VersionState.PENDING,),
    Action.DISCARD: (VersionState.DRAFT,),
    Action.APPROVE: (VersionState.PENDING,),
    Action.REJECT: (VersionState.PENDING,),
    Action.ROLLBACK: (VersionState.ARCHIVED,),
}


def list_actions(facts: VersionFacts) -> list[Action]:
    """Actions that the state of this version leaves open, whoever asks."""
    return [one for one, states in _FROM.items() if facts.state in states and _is_sound(one, facts)]


def decide_transition(
    action: Action,
    facts: VersionFacts,
    *,
    caller: Caller,
    others: Iterable[VersionFacts],
    revision: int | None = None,
    content_hash: str | None = None,
    reason: str = "",
) -> Transition:
    """What the action makes of the version.

    Args:
        others: every other version of the same loader, as it is now.
        revision: what the caller has read; None where he does not say.
        content_hash: for an approval what the caller has seen, for an edit the new content.

    Raises:
        NotPermittedError: role, scope or four eyes. StaleEditError: changed since the caller read it.
        ConflictError: not from this state, or a second DRAFT. InputDataError: a rejection without reason.
    """
    siblings = list(others)
    require_permission(caller, PERMISSION[action])
    require_revision(facts, revision)
    if action not in list_actions(facts):
        raise _illegal(action, facts)
    if action is Action.APPROVE:
        _require_same_content(facts, content_hash)
        _require_four_eyes(facts, caller, siblings)
    if action is Action.WITHDRAW and facts.submitted_by != caller.username:
        raise NotPermittedError(
            f"{_name(facts)} was submitted by {facts.submitted_by}, who alone can withdraw it",
            suggestion="reject it with a reason instead",
        )
    if action is Action.REJECT and not reason.strip():
        raise InputDataError("reason: a rejection needs a reason", suggestion="say what has to change", field="reason")
    if action in {Action.EDIT, Action.WITHDRAW} and facts.state is VersionState.PENDING:
        require_no_draft(facts.code, siblings)
    return _plan(action, facts, caller=caller, siblings=siblings, content_hash=content_hash)


def _plan(
    action: Action, facts: VersionFacts, *, caller: Caller, siblings: list[VersionFacts], content_hash: str | None
) -> Transition:
    following = replace(facts, revision=facts.revision + 1)
    without_submission = replace(following, state=VersionState.DRAFT, submitted_by=None, submitted_hash=None)
    if action is Action.EDIT:
        authors = facts.authors | {caller.username}
        return Transition(replace(without_submission, content_hash=content_hash or "", authors=authors))
    if action is Action.WITHDRAW:
        return Transition(without_submission, decision=Decision.WITHDRAWN)
    if action is Action.SUBMIT:
        submitted = replace(following, submitted_by=caller.username, submitted_hash=facts.content_hash)
        return Transition(replace(submitted, state=VersionState.PENDING))
    if action in {Action.DISCARD, Action.REJECT}:
        decision = Decision.DISCARDED if action is Action.DISCARD else Decision.REJECTED
        return Transition(replace(following, state=VersionState.ARCHIVED), decision=decision)
    return Transition(
        replace(following, state=VersionState.ACTIVE, is_once_active=True),
        archived=_archive_active(siblings),
        decision=Decision.APPROVED if action is Action.APPROVE else None,
    )


def _archive_active(siblings: list[VersionFacts]) -> VersionFacts | None:
    active = next((one for one in siblings if one.state is VersionState.ACTIVE), None)
    return archive(active) if active else None


def archive(active: VersionFacts) -> VersionFacts:
    """An ACTIVE version that makes way for another one, or whose rule file is gone. A rollback brings it back."""
    return replace(active, state=VersionState.ARCHIVED, revision=active.revision + 1)


def compute_authors(caller: Caller, base: VersionFacts | None) -> frozenset[str]:
    """Who wrote a new draft: its maker, and those of a base that nobody ever approved."""
    inherited = base.authors if base is not None and not base.is_once_active else frozenset[str]()
    return inherited | {caller.username}


def require_no_draft(code: str, versions: Iterable[VersionFacts]) -> None:
    """There may be one DRAFT per loader.

    Raises:
        ConflictError: there is one; the reason names it.
    """
    draft = next((one for one in versions if one.state is VersionState.DRAFT), None)
    if draft is not None:
        raise ConflictError(
            f"{code} has a DRAFT already: version {draft.version}",
            suggestion=f"edit version {draft.version}, or discard it first",
            version=draft.version,
        )


def require_permission(caller: Caller, action: str) -> None:
    """The permission table lets the caller do this with loaders.

    Raises:
        NotPermittedError: it does not.
    """
    if not caller.may("loaders", action):
        raise NotPermittedError(
            f"{caller.role.value} {caller.username} may not {action} loaders", suggestion="ask an ADMIN or an OPERATOR"
        )


def require_revision(facts: VersionFacts, revision: int | None) -> None:
    """Nobody changed the version since it was read.

    Raises:
        StaleEditError: somebody did.
    """
    if revision is not None and revision != facts.revision:
        raise StaleEditError(
            f"{_name(facts)} is at revision {facts.revision}, you read revision {revision}",
            suggestion="read it again, compare, and repeat your change",
            revision=facts.revision,
        )


def _is_sound(action: Action, facts: VersionFacts) -> bool:
    return action is not Action.ROLLBACK or facts.is_once_active


def _illegal(action: Action, facts: VersionFacts) -> ConflictError:
    allowed = ", ".join(one.value for one in list_actions(facts)) or "none; make a new draft based on it"
    what = "never active" if action is Action.ROLLBACK and facts.state is VersionState.ARCHIVED else facts.state.value
    return ConflictError(
        f"{_name(facts)} is {what}, so it cannot be the target of {action.value}",
        suggestion=f"actions open to it: {allowed}",
        state=facts.state.value,
    )


def _require_same_content(facts: VersionFacts, content_hash: str | None) -> None:
    if not (content_hash == facts.content_hash == facts.submitted_hash):
        raise StaleEditError(
            f"{_name(facts)}: what you approve is not what was submitted",
            suggestion="look at the version again and approve its present contentHash",
        )


def _require_four_eyes(facts: VersionFacts, caller: Caller, siblings: list[VersionFacts]) -> None:
    """Also who wrote the same content in a version that nobody ever approved counts as its author."""
    same = [one for one in siblings if one.content_hash == facts.content_hash and not one.is_once_active]
    authors = facts.authors.union(*(one.authors for one in same))
    if caller.username == facts.submitted_by or caller.username in authors:
        role = "submitted" if caller.username == facts.submitted_by else "wrote"
        raise NotPermittedError(
            f"{caller.username} {role} {_name(facts)} and cannot approve it, whatever the role",
            suggestion="ask somebody else to look at it and approve it",
        )


def _name(facts: VersionFacts) -> str:
    return f"{facts.code} version {facts.version}"
