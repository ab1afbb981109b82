"""What a transition makes of the row of a version: its facts, its instants, and the decision with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from domain.access.permissions import Caller
from domain.loaders.lifecycle import Action, Transition, VersionFacts
from domain.vocabulary import VersionState
from resources.loaders.version_rows import StoredVersion


def follow(
    row: StoredVersion, transition: Transition, *, action: Action, caller: Caller, reason: str, at: datetime
) -> StoredVersion:
    """The row after the transition."""
    following = move(row, transition, at=at)
    if action is Action.SUBMIT:
        following = replace(following, submitted_at=at)
    if transition.decision is not None:
        following = replace(
            following,
            decision=transition.decision.value,
            decided_by=caller.username,
            decided_at=at,
            decision_reason=reason.strip() or None,
        )
    if following.state == VersionState.ACTIVE:
        following = replace(following, activated_at=at, archived_at=None)
    if following.state == VersionState.ARCHIVED:
        following = replace(following, archived_at=at)
    return following


def make_way(row: StoredVersion, facts: VersionFacts, *, at: datetime) -> StoredVersion:
    """The row of a version that was ACTIVE, archived."""
    return replace(row, state=facts.state.value, revision=facts.revision, archived_at=at, updated_at=at)


def move(row: StoredVersion, transition: Transition, *, at: datetime) -> StoredVersion:
    """The row with the facts that a transition gives it; a void submission takes its instant and decision along."""
    facts = transition.becomes
    is_void = facts.submitted_by is None
    is_open = facts.state in {VersionState.DRAFT, VersionState.PENDING}
    forgotten = dict.fromkeys(("decision", "decided_by", "decided_at", "decision_reason"))
    return replace(
        row,
        state=facts.state.value,
        revision=facts.revision,
        content_hash=facts.content_hash,
        authors=sorted(facts.authors),
        submitted_by=facts.submitted_by,
        submitted_hash=facts.submitted_hash,
        submitted_at=None if is_void else row.submitted_at,
        updated_at=at,
        **(forgotten if is_open else {}),  # type: ignore[arg-type]
    )
