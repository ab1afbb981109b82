"""The life of a loader version: which step leads where, who may take it, and that no history breaks what must hold (A6, A7)."""

from __future__ import annotations

import pytest
from hypothesis import settings

from domain.errors import ConflictError, InputDataError, NotPermittedError, StaleEditError
from domain.loaders.lifecycle import (
    Action,
    Decision,
    VersionFacts,
    compute_authors,
    decide_transition,
    list_actions,
    require_no_draft,
)
from domain.vocabulary import VersionState
from tests.fakes.version_worlds import USERS, LifecycleMachine

DRAFT = VersionFacts("DEMO-A", 2, VersionState.DRAFT, 3, "k1-a", frozenset({"bob"}))
PENDING = VersionFacts("DEMO-A", 2, VersionState.PENDING, 4, "k1-a", frozenset({"bob"}), "bob", "k1-a")
ACTIVE = VersionFacts(
    "DEMO-A", 1, VersionState.ACTIVE, 7, "k1-0", frozenset({"bob"}), "bob", "k1-0", is_once_active=True
)
RETIRED = VersionFacts(
    "DEMO-A", 3, VersionState.ARCHIVED, 8, "k1-9", frozenset({"bob"}), "bob", "k1-9", is_once_active=True
)
REJECTED = VersionFacts("DEMO-A", 4, VersionState.ARCHIVED, 5, "k1-8", frozenset({"bob"}), "bob", "k1-8")

TestInMemory = pytest.mark.requirement("A6")(LifecycleMachine.TestCase)
TestInMemory.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.requirement("A6")
def test_approval_activates_and_the_active_version_makes_way() -> None:
    done = decide_transition(
        Action.APPROVE, PENDING, caller=USERS["cid"], others=[ACTIVE, RETIRED], content_hash="k1-a", revision=4
    )
    assert (done.becomes.state, done.becomes.revision, done.becomes.is_once_active) == (VersionState.ACTIVE, 5, True)
    assert done.decision is Decision.APPROVED
    assert done.archived is not None
    assert (done.archived.version, done.archived.state, done.archived.revision) == (1, VersionState.ARCHIVED, 8)


@pytest.mark.requirement("A7")
def test_rollback_brings_back_what_was_active_and_nothing_else() -> None:
    done = decide_transition(Action.ROLLBACK, RETIRED, caller=USERS["bob"], others=[ACTIVE])
    assert done.becomes.state is VersionState.ACTIVE
    assert done.archived is not None
    assert done.archived.version == 1
    with pytest.raises(ConflictError, match="never active"):
        decide_transition(Action.ROLLBACK, REJECTED, caller=USERS["ann"], others=[ACTIVE])


@pytest.mark.requirement("A6")
@pytest.mark.parametrize("facts", [DRAFT, PENDING, ACTIVE, RETIRED, REJECTED], ids=lambda one: one.state.value)
@pytest.mark.parametrize("action", list(Action))
def test_an_illegal_step_names_the_state_and_what_is_open(action: Action, facts: VersionFacts) -> None:
    if action in list_actions(facts):
        return
    with pytest.raises(ConflictError) as caught:
        decide_transition(action, facts, caller=USERS["cid"], others=[], content_hash="k1-a", reason="r")
    assert facts.state.value in caught.value.reason or "never active" in caught.value.reason
    for one in list_actions(facts):
        assert one.value in caught.value.suggestion


@pytest.mark.requirement("A6")
@pytest.mark.parametrize("user", ["ann", "bob"])
def test_who_wrote_or_submitted_never_approves_whatever_the_role(user: str) -> None:
    facts = VersionFacts(
        "DEMO-A", 2, VersionState.PENDING, 4, "k1-a", frozenset({"ann"}), submitted_by="bob", submitted_hash="k1-a"
    )
    with pytest.raises(NotPermittedError, match="cannot approve"):
        decide_transition(Action.APPROVE, facts, caller=USERS[user], others=[], content_hash="k1-a")


@pytest.mark.requirement("A6")
def test_handing_ones_own_words_to_somebody_else_does_not_help() -> None:
    discarded = VersionFacts("DEMO-A", 1, VersionState.ARCHIVED, 2, "k1-a", frozenset({"ann"}))
    assert compute_authors(USERS["bob"], discarded) == {"ann", "bob"}
    typed_again = VersionFacts("DEMO-A", 2, VersionState.PENDING, 2, "k1-a", frozenset({"bob"}), "bob", "k1-a")
    with pytest.raises(NotPermittedError, match="wrote"):
        decide_transition(Action.APPROVE, typed_again, caller=USERS["ann"], others=[discarded], content_hash="k1-a")
    assert compute_authors(USERS["bob"], ACTIVE) == {"bob"}, "what was approved once is nobody's any more"


@pytest.mark.requirement("A6")
def test_approval_is_bound_to_the_content_that_was_seen_and_submitted() -> None:
    for facts, seen in ((PENDING, "k1-b"), (VersionFacts(**{**_as_dict(PENDING), "submitted_hash": "k1-b"}), "k1-a")):
        with pytest.raises(StaleEditError):
            decide_transition(Action.APPROVE, facts, caller=USERS["cid"], others=[], content_hash=seen)


@pytest.mark.requirement("A6")
def test_an_edit_of_what_waits_makes_it_a_draft_and_voids_the_submission() -> None:
    done = decide_transition(Action.EDIT, PENDING, caller=USERS["cid"], others=[ACTIVE], content_hash="k1-b")
    assert done.becomes == VersionFacts("DEMO-A", 2, VersionState.DRAFT, 5, "k1-b", frozenset({"bob", "cid"}))
    other = VersionFacts("DEMO-A", 5, VersionState.DRAFT, 1, "k1-c", frozenset({"cid"}))
    for action in (Action.EDIT, Action.WITHDRAW):
        with pytest.raises(ConflictError, match="version 5"):
            decide_transition(action, PENDING, caller=USERS["bob"], others=[other], content_hash="k1-b")
    with pytest.raises(ConflictError, match="version 5"):
        require_no_draft("DEMO-A", [ACTIVE, other])


@pytest.mark.requirement("A6")
def test_small_rules() -> None:
    with pytest.raises(InputDataError, match="reason"):
        decide_transition(Action.REJECT, PENDING, caller=USERS["cid"], others=[], reason="  ")
    with pytest.raises(NotPermittedError, match="bob, who alone"):
        decide_transition(Action.WITHDRAW, PENDING, caller=USERS["ann"], others=[])
    with pytest.raises(NotPermittedError, match="VIEWER"):
        decide_transition(Action.SUBMIT, DRAFT, caller=USERS["vic"], others=[])
    with pytest.raises(StaleEditError, match="revision 3"):
        decide_transition(Action.SUBMIT, DRAFT, caller=USERS["bob"], others=[], revision=2)


def _as_dict(facts: VersionFacts) -> dict[str, object]:
    return {name: getattr(facts, name) for name in VersionFacts.__dataclass_fields__}
