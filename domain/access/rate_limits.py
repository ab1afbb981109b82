"""Which limit holds for a request, and what it is counted under (A13). Counting itself is in `resources.access.rate_counter`.

The row that names the user beats the row of the route, that beats the row of the role, that beats the default. A route's
row opens a counter of its own per user; everything else of a user shares one counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.access.permissions import Caller


class LimitScope(StrEnum):
    """What a row of `rate_limits` names."""

    USER = "user"
    ROUTE = "route"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class AppliedLimit:
    """Requests a minute, and the counter they are taken from."""

    counter: str
    per_minute: int


def decide_limit(
    rows: Mapping[tuple[str, str], int], *, default: int, route: str, caller: Caller | None, address: str
) -> AppliedLimit:
    """The limit of one request.

    Args:
        rows: (scope, name) → requests a minute.
        route: method and path template, "POST /api/v1/signals".
        caller: None when nobody is logged in; the network address is counted then.
    """
    who = f"user:{caller.username}" if caller else f"address:{address}"
    if caller and (by_user := rows.get((LimitScope.USER, caller.username))):
        return AppliedLimit(who, by_user)
    if by_route := rows.get((LimitScope.ROUTE, route)):
        return AppliedLimit(f"{who} {route}", by_route)
    if caller and (by_role := rows.get((LimitScope.ROLE, caller.role))):
        return AppliedLimit(who, by_role)
    return AppliedLimit(who, default)
