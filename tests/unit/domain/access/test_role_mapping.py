"""From a claim of an identity provider to a role."""

from __future__ import annotations

from typing import Any

import pytest

from domain.access.permissions import Role
from domain.access.role_mapping import decide_role, parse_roles
from domain.errors import ConfigurationError


def test_the_setting_is_value_and_role() -> None:
    assert parse_roles("a=ADMIN, cn=b c=viewer ,") == {"a": Role.ADMIN, "cn=b c": Role.VIEWER}
    assert parse_roles("") == {}
    for wrong in ("ops", "=ADMIN", "ops=ROOT", "ops="):
        with pytest.raises(ConfigurationError, match="value=ROLE"):
            parse_roles(wrong)


@pytest.mark.parametrize(
    ("value", "role"),
    [
        ("ops", Role.OPERATOR),
        (["all", "chiefs", "ops"], Role.ADMIN),
        (["staff"], None),
        ([], None),
        (None, None),
        ({"ops": 1}, None),
        ([["ops"], 3, "all"], Role.VIEWER),
        ("OPS", None),
    ],
)
def test_the_strongest_role_of_the_claim_counts(value: Any, role: Role | None) -> None:
    roles = {"chiefs": Role.ADMIN, "ops": Role.OPERATOR, "all": Role.VIEWER}
    assert decide_role({"groups": value}, claim="groups", roles=roles) is role
    assert decide_role({"groups": value}, claim="roles", roles=roles) is None
