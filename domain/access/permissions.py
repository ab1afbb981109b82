"""The permission table: role × resource × action, default deny (A2). The one place that says what a role may do.

Every route names one (resource, action); the guard of the API, the pages and the command line ask `is_allowed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    "users": {"read": _ADMINS, "edit": _ADMINS},
    "api-tokens": {"read": _ADMINS, "edit": _ADMINS},
    "field-policies": {"read": _ADMINS, "edit": _ADMINS},
    "rate-limits": {"read": _ADMINS, "edit": _ADMINS},
    "breakers": {"read": _OPERATORS, "reset": _ADMINS},
    "keys": {"read": _ADMINS, "rotate": _ADMINS},
    "audit": {"read": _ADMINS, "export": _ADMINS, "verify": _ADMINS},
}


def is_allowed(role: Role, resource: str, action: str) -> bool:
    """Whether the table grants it; unknown resources and actions are denied."""
    return role in PERMISSIONS.get(resource, {}).get(action, frozenset())


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `scopes` limits a machine's token to some "resource:action"; None leaves all that the role may.

    `session_id` is empty for machines and for the command line on the platform's own machine.
    """

    username: str
    role: Role
    scopes: frozenset[str] | None = None
    session_id: str = ""
    has_to_change_password: bool = False

    def may(self, resource: str, action: str) -> bool:
        """Role and scopes both grant it: what either of them leaves out is denied."""
        in_scope = self.scopes is None or f"{resource}:{action}" in self.scopes
        return in_scope and is_allowed(self.role, resource, action)
