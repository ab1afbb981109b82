"""Which limit holds: user before route before role before default, and what each is counted under."""

from __future__ import annotations

import pytest

from domain.access.permissions import Caller, Role
from domain.access.rate_limits import AppliedLimit, decide_limit

ANNA = Caller("anna", Role.OPERATOR)
ROUTE = "POST /api/v1/signals"
ROWS = {("user", "anna"): 7, ("route", ROUTE): 500, ("role", "OPERATOR"): 200}


def decide(*, without: tuple[str, ...] = (), caller: Caller | None = ANNA, route: str = ROUTE) -> AppliedLimit:
    rows = {key: value for key, value in ROWS.items() if key[0] not in without}
    return decide_limit(rows, default=100, route=route, caller=caller, address="10.0.0.1")


@pytest.mark.requirement("A13")
def test_the_most_particular_rule_wins() -> None:
    assert decide() == AppliedLimit("user:anna", 7)
    assert decide(without=("user",)) == AppliedLimit(f"user:anna {ROUTE}", 500), "a route counts per user and route"
    assert decide(without=("user", "route")) == AppliedLimit("user:anna", 200)
    assert decide(without=("user", "route", "role")) == AppliedLimit("user:anna", 100)


@pytest.mark.requirement("A13")
def test_who_is_not_logged_in_is_counted_by_address() -> None:
    assert decide(caller=None) == AppliedLimit(f"address:10.0.0.1 {ROUTE}", 500)
    assert decide(caller=None, route="GET /") == AppliedLimit("address:10.0.0.1", 100)
    named = Caller("address:10.0.0.1", Role.VIEWER)
    assert decide(caller=named, route="GET /").counter != decide(caller=None, route="GET /").counter
