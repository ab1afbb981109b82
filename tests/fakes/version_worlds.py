"""Loader versions in memory and in PostgreSQL behind one face, and a machine that plays random histories against either."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.access.permissions import Caller, Role
from domain.errors import ConflictError, EtlmonError, InputDataError, NotPermittedError, StaleEditError
from domain.loaders.lifecycle import (
    Action,
    VersionFacts,
    compute_authors,
    decide_transition,
    require_no_draft,
    require_permission,
)
from domain.vocabulary import VersionState
from resources.loaders.versions import LoaderVersions

CODE = "DEMO-A"
USERS = {
    "ann": Caller("ann", Role.ADMIN),
    "bob": Caller("bob", Role.OPERATOR),
    "cid": Caller("cid", Role.OPERATOR),
    "vic": Caller("vic", Role.VIEWER),
}
EXPECTED = (ConflictError, NotPermittedError, StaleEditError, InputDataError)


def body(title: str = "t", *, code: str = CODE, **changes: Any) -> dict[str, Any]:
    return {
        "code": code, "title": title, "source": "prometheus", "schedule": "* * * * *", "step_s": 60,
        "connection": {"url": "http://nowhere:9090", "password": "hunter2-secret"},
        "prometheus": [{"metric_name": "m", "promql": "up"}], **changes,
    }  # fmt: skip


class World(Protocol):
    """What the machine plays against. Each call is one request of one user."""

    def rows(self) -> list[VersionFacts]: ...
    def create(self, caller: Caller, title: str, based_on: int | None) -> None: ...
    def edit(self, caller: Caller, version: int, title: str, revision: int) -> None: ...
    def act(self, action: Action, caller: Caller, version: int, *, content_hash: str, revision: int | None) -> None: ...


@dataclass
class MemoryWorld:
    versions: dict[int, VersionFacts] = field(default_factory=dict)

    def rows(self) -> list[VersionFacts]:
        return list(self.versions.values())

    def create(self, caller: Caller, title: str, based_on: int | None) -> None:
        require_permission(caller, "edit")
        require_no_draft(CODE, self.rows())
        active = next((one for one in self.rows() if one.state is VersionState.ACTIVE), None)
        base = self.versions[based_on] if based_on else active
        number = len(self.versions) + 1
        authors = compute_authors(caller, base)
        self.versions[number] = VersionFacts(CODE, number, VersionState.DRAFT, 1, title, authors)

    def edit(self, caller: Caller, version: int, title: str, revision: int) -> None:
        self.act(Action.EDIT, caller, version, content_hash=title, revision=revision)

    def act(self, action: Action, caller: Caller, version: int, *, content_hash: str, revision: int | None) -> None:
        others = [one for one in self.rows() if one.version != version]
        done = decide_transition(
            action, self.versions[version], caller=caller, others=others, revision=revision, content_hash=content_hash, reason="why",
        )  # fmt: skip
        if done.archived is not None:
            self.versions[done.archived.version] = done.archived
        self.versions[version] = done.becomes


@dataclass
class DatabaseWorld:
    loaders: LoaderVersions

    def rows(self) -> list[VersionFacts]:
        return self.loaders.list_facts(CODE)

    def create(self, caller: Caller, title: str, based_on: int | None) -> None:
        self.loaders.create_draft(body(title), caller=caller, based_on=based_on)

    def edit(self, caller: Caller, version: int, title: str, revision: int) -> None:
        self.loaders.edit(CODE, version, body(title), caller=caller, revision=revision)

    def act(self, action: Action, caller: Caller, version: int, *, content_hash: str, revision: int | None) -> None:
        more: dict[str, Any] = {"revision": revision}
        if action is Action.APPROVE:
            more["content_hash"] = content_hash
        if action is Action.REJECT:
            more["reason"] = "why"
        getattr(self.loaders, action.value)(CODE, version, caller=caller, **more)


class LifecycleMachine(RuleBasedStateMachine):
    """Random interleavings of several users of all roles. What may never be is checked after every step, from notes of its own."""

    world: World

    def make_world(self) -> World:
        return MemoryWorld()

    @initialize()
    def begin(self) -> None:
        self.world = self.make_world()
        self.writers: dict[int, set[str]] = {}
        self.submissions: dict[int, tuple[str, str]] = {}
        self.approvals: dict[int, tuple[str, str]] = {}
        self.was_active: set[int] = set()
        self.rejected: set[int] = set()
        self.revisions: dict[int, int] = {}

    def attempt(self, work: Any) -> bool:
        before = self.world.rows()
        try:
            work()
        except EXPECTED:
            assert self.world.rows() == before, "what is refused changes nothing"
            return False
        except EtlmonError as error:  # pragma: no cover - a defect
            pytest.fail(f"unexpected {error!r}")
        return True

    def pick(self, number: int) -> VersionFacts | None:
        rows = self.world.rows()
        return rows[number % len(rows)] if rows else None

    @rule(
        user=st.sampled_from(sorted(USERS)),
        title=st.sampled_from("pqr"),
        base=st.integers(0, 9),
        is_based=st.booleans(),
    )
    def create(self, user: str, title: str, base: int, is_based: bool) -> None:
        chosen = self.pick(base) if is_based else None
        if self.attempt(lambda: self.world.create(USERS[user], title, chosen.version if chosen else None)):
            made = max(self.world.rows(), key=lambda one: one.version)
            inherited = self.writers[chosen.version] if chosen and chosen.version not in self.was_active else set()
            self.writers[made.version] = {user, *inherited}

    @rule(
        user=st.sampled_from(sorted(USERS)),
        number=st.integers(0, 9),
        title=st.sampled_from("pqr"),
        is_stale=st.booleans(),
    )
    def edit(self, user: str, number: int, title: str, is_stale: bool) -> None:
        one = self.pick(number)
        if one and self.attempt(lambda: self.world.edit(USERS[user], one.version, title, one.revision - is_stale)):
            assert not is_stale, "a stale edit never wins"
            self.writers[one.version].add(user)
            self.submissions.pop(one.version, None)

    @rule(
        user=st.sampled_from(sorted(USERS)),
        number=st.integers(0, 9),
        action=st.sampled_from([one for one in Action if one is not Action.EDIT]),
        is_revision_sent=st.booleans(),
        has_seen_other=st.booleans(),
    )
    def act(self, user: str, number: int, action: Action, is_revision_sent: bool, has_seen_other: bool) -> None:
        one = self.pick(number)
        if one is None:
            return
        seen = "k1-other" if has_seen_other else one.content_hash
        revision = one.revision if is_revision_sent else None
        if not self.attempt(
            lambda: self.world.act(action, USERS[user], one.version, content_hash=seen, revision=revision)
        ):
            return
        assert user != "vic", "a VIEWER decides nothing"
        if action is Action.SUBMIT:
            self.submissions[one.version] = (user, one.content_hash)
        if action is Action.WITHDRAW:
            assert self.submissions.pop(one.version)[0] == user
        if action is Action.REJECT:
            self.rejected.add(one.version)
        if action is Action.APPROVE:
            assert not has_seen_other
            self.approve(one, user)
        if action is Action.ROLLBACK:
            assert one.version in self.was_active, "only what was ACTIVE once comes back"

    def approve(self, one: VersionFacts, user: str) -> None:
        submitter, content = self.submissions[one.version]
        assert content == one.content_hash, "an edit voids the submission"
        twins = [
            row.version
            for row in self.world.rows()
            if row.content_hash == content and (row.version not in self.was_active or row.version == one.version)
        ]
        assert user != submitter
        assert all(user not in self.writers[version] for version in twins), "nobody approves what he wrote"
        self.approvals[one.version] = (user, content)
        self.was_active.add(one.version)

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "world"):
            return
        rows = self.world.rows()
        active = [one for one in rows if one.state is VersionState.ACTIVE]
        assert len(active) <= 1
        assert sum(one.state is VersionState.DRAFT for one in rows) <= 1
        for one in active:
            assert self.approvals[one.version][1] == one.content_hash, "what runs is what was approved"
            assert one.version not in self.rejected
        for one in rows:
            assert one.revision >= self.revisions.get(one.version, 0)
            self.revisions[one.version] = one.revision


def changed(facts: VersionFacts, **changes: Any) -> VersionFacts:
    return replace(facts, **changes)
