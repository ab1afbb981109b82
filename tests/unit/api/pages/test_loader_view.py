"""What a loader page says: buttons with reasons, differences side by side, instants and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.pages.loader_view import list_choices, side_by_side
from api.pages.navigation import is_current, list_navigation
from api.pages.shown import show_ago, show_duration, show_number, show_schedule
from domain.access.permissions import Caller, Role
from domain.loaders.lifecycle import Action, VersionFacts
from domain.vocabulary import VersionState

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def facts(state: VersionState, **changes: object) -> VersionFacts:
    known = {
        "code": "X",
        "version": 2,
        "state": state,
        "revision": 1,
        "content_hash": "h",
        "authors": frozenset({"olaf"}),
    }
    return VersionFacts(**{**known, **changes})  # type: ignore[arg-type]


def choices(version: VersionFacts, name: str, role: Role = Role.OPERATOR) -> dict[Action, str]:
    return {one.action: one.why_not for one in list_choices(version, [version], caller=Caller(name, role))}


def test_the_author_is_told_that_somebody_else_has_to_approve_whatever_his_role() -> None:
    pending = facts(VersionState.PENDING, submitted_by="olaf", submitted_hash="h")
    for role in (Role.OPERATOR, Role.ADMIN):
        assert (
            choices(pending, "olaf", role)[Action.APPROVE]
            == "You submitted this version: somebody else has to approve it."
        )
    assert choices(pending, "olga")[Action.APPROVE] == ""
    assert choices(pending, "vera", Role.VIEWER)[Action.APPROVE].startswith("Your role may not approve loaders")
    assert Action.WITHDRAW in choices(pending, "olaf")
    assert Action.WITHDRAW not in choices(pending, "olga")


def test_only_what_was_active_can_be_rolled_back_to() -> None:
    assert choices(facts(VersionState.ARCHIVED), "olga") == {}
    assert choices(facts(VersionState.ARCHIVED, is_once_active=True), "olga") == {Action.ROLLBACK: ""}


def test_lines_stand_beside_each_other() -> None:
    rows = side_by_side(["@@ -1,3 +1,4 @@", " same", "-old", "+new", "+more", " end"])
    assert rows == [
        ("…", "…", False),
        ("same", "same", False),
        ("old", "new", True),
        (None, "more", True),
        ("end", "end", False),
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (44, "just now"), (45, "1 min ago"), (3_700, "1 h ago"), (90_000, "1 d ago"),
     (-30, "in a moment"), (-7_300, "in 2 h")],
)  # fmt: skip
def test_distances_in_time(seconds: int, words: str) -> None:
    assert show_ago(NOW - timedelta(seconds=seconds), now=NOW) == words


def test_protected_values_are_shown_as_they_are() -> None:
    assert show_duration("********") == show_number("********") == show_schedule("********") == "********"
    assert (show_duration(90), show_duration(0.25), show_duration(90_061)) == ("1 min 30 s", "250 ms", "1 d 1 h")
    assert (show_number(1_234_567), show_number(1.5), show_number(2.0)) == ("1,234,567", "1.5", "2")


def test_navigation_has_only_what_the_reader_may_open() -> None:
    def titles(role: Role) -> set[str]:
        return {entry.title for section in list_navigation(Caller("x", role)) for entry in section.entries}

    watching = {"Overview", "Incidents", "Alerts", "Silences", "Service levels", "On call", "Messages"}
    assert titles(Role.VIEWER) == {*watching, "Loaders"}
    assert "Import" in titles(Role.OPERATOR)
    assert "Users" not in titles(Role.OPERATOR)
    assert {"Users", "Audit", "Keys"} <= titles(Role.ADMIN)
    assert is_current("/loaders", "/loaders/X/versions/1")
    assert not is_current("/", "/loaders")
