"""The permission table, and what a caller may of it."""

from __future__ import annotations

import pytest

from domain.access.permissions import (
    PERMISSIONS,
    PERSONS_ONLY,
    Caller,
    Role,
    check_permission,
    is_allowed,
    list_scopes,
    weaker_of,
)
from domain.errors import NotPermittedError

pytestmark = pytest.mark.requirement("A2")
EVERYTHING = [(resource, action) for resource, actions in PERMISSIONS.items() for action in actions]


def test_each_role_may_what_the_one_after_it_may() -> None:
    for resource, action in EVERYTHING:
        granted = [is_allowed(role, resource, action) for role in (Role.ADMIN, Role.OPERATOR, Role.VIEWER)]
        assert granted == sorted(granted, reverse=True), (resource, action)
        assert granted[0]


@pytest.mark.parametrize(
    "asked", [("loaders", "delete"), ("nothing", "read"), ("", ""), ("LOADERS", "read"), ("loaders:read", "")]
)
def test_what_is_not_in_the_table_nobody_may(asked: tuple[str, str]) -> None:
    assert not any(is_allowed(role, *asked) for role in Role)


def test_a_token_may_what_role_and_scope_both_grant() -> None:
    token = Caller("ci", Role.OPERATOR, scopes=frozenset({"signals:push", "users:edit"}))
    assert [pair for pair in EVERYTHING if token.may(*pair)] == [("signals", "push")]
    with pytest.raises(NotPermittedError, match="scopes"):
        check_permission(token, "loaders", "read")


def test_no_machine_decides_for_persons_or_gives_itself_more() -> None:
    for role in Role:
        assert not PERSONS_ONLY & set(list_scopes(role))
    assert "loaders:approve" in PERSONS_ONLY


def test_who_has_to_change_the_password_may_do_only_that() -> None:
    fresh = Caller("admin", Role.ADMIN, has_to_change_password=True)
    assert [pair for pair in EVERYTHING if fresh.may(*pair)] == [("session", "own")]
    with pytest.raises(NotPermittedError, match="change the password"):
        check_permission(fresh, "users", "edit")


def test_of_two_roles_the_one_that_may_less_counts() -> None:
    assert weaker_of(Role.ADMIN, Role.VIEWER) is weaker_of(Role.VIEWER, Role.OPERATOR) is Role.VIEWER
    assert weaker_of(Role.ADMIN, Role.ADMIN) is Role.ADMIN
