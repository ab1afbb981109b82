"""Which field of which resource a role sees: visible, masked or hidden (A4). Applied wherever a document leaves the platform.

Fields are dotted paths into the document; `*` stands for any one step. Policies are rows of the database; `SECRETS` are
protected in every record of the past (audit) whatever the rows say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.access.permissions import Role

MASK = "********"


class Effect(StrEnum):
    """What becomes of a field. Of several policies that match one field the strictest counts."""

    HIDDEN = "HIDDEN"
    MASKED = "MASKED"
    VISIBLE = "VISIBLE"


@dataclass(frozen=True, slots=True)
class FieldPolicy:
    """One row: how `field` of `resource` looks to `role`."""

    resource: str
    field: str
    role: Role
    effect: Effect


#: Never written in clear into a record of the past.
SECRETS: Mapping[str, tuple[str, ...]] = {"loaders": ("connection.password", "connection.headers.*")}


def compute_effects(policies: Iterable[FieldPolicy], *, resource: str, role: Role) -> dict[str, Effect]:
    """Field path → effect for one role; paths without a policy are visible and not listed."""
    return {one.field: one.effect for one in policies if one.resource == resource and one.role == role}


def protect(document: Any, effects: Mapping[str, Effect]) -> Any:
    """A copy of a JSON-like document with masked values replaced by `MASK` and hidden fields left out.

    A null stays null: it hides nothing. Lists are walked; their position is no step of the path.
    """
    rules: list[tuple[list[str], Effect]] = [
        (field.split("."), effect) for field, effect in effects.items() if effect is not Effect.VISIBLE
    ]
    return _protect(document, rules) if rules else document


def _protect(value: Any, rules: list[tuple[list[str], Effect]]) -> Any:
    if isinstance(value, list):
        return [_protect(one, rules) for one in value]
    if not isinstance(value, Mapping):
        return value
    shown: dict[str, Any] = {}
    for name, inner in value.items():
        here = [(path[1:], effect) for path, effect in rules if path[0] in (name, "*")]
        ends = {effect for path, effect in here if not path}
        if Effect.HIDDEN in ends:
            continue
        if Effect.MASKED in ends and inner is not None:
            shown[name] = MASK
        else:
            shown[name] = _protect(inner, [(path, effect) for path, effect in here if path])
    return shown


def mask_secrets_of(resource: str, document: Any) -> Any:
    """The document as a record of the past may hold it."""
    return protect(document, dict.fromkeys(SECRETS.get(resource, ()), Effect.MASKED))
