"""The permission table: role × resource × action, default deny (A2). The one place that says what a role may do.

Every route names one (resource, action); the guard of the API, the pages and the command line ask `is_allowed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.errors import NotPermittedError


class Role(StrEnum):
    """What a user is to the platform; each role may what the one after it may, and more."""

    ADMIN = "ADMIN"
    OPERATOR = "OPERATOR"
    VIEWER = "VIEWER"


#: Resource → action → roles. What is not written here nobody may do.
_ALL = frozenset(Role)
_OPERATORS = frozenset({Role.ADMIN, Role.OPERATOR})
_ADMINS = frozenset({Role.ADMIN})

PERMISSIONS: dict[str, dict[str, frozenset[Role]]] = {
    "session": {"own": _ALL},  # who am I, log out, change my password
    "platform": {"read": _ALL},
    "signals": {"read": _ALL, "push": _OPERATORS},
    "loaders": {
        "read": _ALL,
        "export": _ALL,  # protected fields masked for the role
        "edit": _OPERATORS,
        "import": _OPERATORS,
        "preview": _OPERATORS,
        "submit": _OPERATORS,
        "approve": _OPERATORS,
        "reject": _OPERATORS,
        "rollback": _OPERATORS,
        "capture": _OPERATORS,
    },
    "alerts": {"read": _ALL, "act": _OPERATORS, "send": _OPERATORS},  # send: a machine that finds some, Alertmanager
    "incidents": {"read": _ALL, "act": _OPERATORS},
    "drills": {"read": _ALL, "start": _OPERATORS, "stop": _OPERATORS},
    "silences": {"read": _ALL, "act": _OPERATORS},  # with maintenance windows and the allow-list
    "users": {"read": _ADMINS, "edit": _ADMINS},
    "api-tokens": {"read": _ADMINS, "edit": _ADMINS},
    "field-policies": {"read": _ADMINS, "edit": _ADMINS},
    "rate-limits": {"read": _ADMINS, "edit": _ADMINS},
    "breakers": {"read": _OPERATORS, "reset": _ADMINS},
    "keys": {"read": _ADMINS, "rotate": _ADMINS},
    "login-audit": {"read": _ADMINS},
    "on-call": {"read": _ALL, "edit": _OPERATORS},
    "messages": {"read": _ALL, "replay": _OPERATORS, "test": _OPERATORS},
    "audit": {"read": _ADMINS, "export": _ADMINS, "verify": _ADMINS},
}


def is_allowed(role: Role, resource: str, action: str) -> bool:
    """Whether the table grants it; unknown resources and actions are denied."""
    return role in PERMISSIONS.get(resource, {}).get(action, frozenset())


#: What no machine's token may, whatever its role: decisions of a person, and ways to more than its own scopes.
PERSONS_ONLY = frozenset(
    {"session:own", "loaders:approve", "users:edit", "api-tokens:edit", "field-policies:edit", "keys:rotate"}
)


def list_scopes(role: Role) -> list[str]:
    """Every "resource:action" that an API token of this role may have, sorted."""
    granted = {
        f"{resource}:{action}"
        for resource, actions in PERMISSIONS.items()
        for action in actions
        if role in actions[action]
    }
    return sorted(granted - PERSONS_ONLY)


def weaker_of(one: Role, other: Role) -> Role:
    """The role that may less."""
    order = list(Role)
    return order[max(order.index(one), order.index(other))]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `scopes` limits a machine's token to some "resource:action"; None leaves all that the role may.

    A token acts in the name of the user who made it (`username`): what he may not do alone, he may not do with its help.
    `session_id` is empty for machines and for the command line on the platform's own machine. Who has to change his
    password may do nothing else than that.
    """

    username: str
    role: Role
    scopes: frozenset[str] | None = None
    session_id: str = ""
    has_to_change_password: bool = False
    token_id: str = ""

    def may(self, resource: str, action: str) -> bool:
        """Role and scopes both grant it: what either of them leaves out is denied."""
        if self.has_to_change_password and (resource, action) != ("session", "own"):
            return False
        in_scope = self.scopes is None or f"{resource}:{action}" in self.scopes
        return in_scope and is_allowed(self.role, resource, action)


def check_permission(caller: Caller, resource: str, action: str) -> None:
    """The same for all doors: routes, pages, command line.

    Raises:
        NotPermittedError: naming the role, the scope or the password that stands in the way.
    """
    if caller.may(resource, action):
        return
    if caller.has_to_change_password:
        raise NotPermittedError(
            f"{caller.username} has to change the password before anything else",
            suggestion="POST /api/v1/auth/password",
        )
    raise NotPermittedError(
        f"{caller.role.value} may not {action} {resource}"
        if caller.scopes is None
        else f"this token's scopes do not let it {action} {resource}",
        suggestion="ask an ADMIN for the role or the scope",
    )
