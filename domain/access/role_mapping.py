"""Which role somebody gets whom an identity provider vouches for: by the values of one claim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.access.permissions import Role
from domain.errors import ConfigurationError


def parse_roles(text: str) -> dict[str, Role]:
    """`ops-admins=ADMIN,ops=OPERATOR` as value → role.

    Raises:
        ConfigurationError: a part is no `value=ROLE`.
    """
    found: dict[str, Role] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        value, _, role = part.rpartition("=")
        if not value.strip() or role.strip().upper() not in Role.__members__:
            raise ConfigurationError(
                f"ETLMON_OIDC_ROLES: {part!r} is no value=ROLE",
                suggestion="write ops-admins=ADMIN,ops=OPERATOR,all=VIEWER",
            )
        found[value.strip()] = Role[role.strip().upper()]
    return found


def decide_role(claims: Mapping[str, Any], *, claim: str, roles: Mapping[str, Role]) -> Role | None:
    """The strongest role that a value of the claim stands for; None when none does. The claim is a text or a list of texts."""
    given = claims.get(claim)
    values = given if isinstance(given, list) else [given]
    granted = {roles[value] for value in values if isinstance(value, str) and value in roles}
    return next((role for role in Role if role in granted), None)
