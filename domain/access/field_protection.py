"""Which field of which resource a role sees: visible, masked or hidden (A4). Applied wherever a document leaves the platform.

Fields are dotted paths into the document; `*` stands for any one step. Policies are rows of the database; `SECRETS` are
protected in every record of the past (audit) whatever the rows say, and masked where no row speaks of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.access.permissions import Role
from domain.access.secret_text import MASK as _MASK
from domain.access.secret_text import mask_secret_patterns

MASK = _MASK


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

#: A document of the resource may stand inside another one under these names, as a version carries its definition.
_INSIDE: Mapping[str, tuple[str, ...]] = {"loaders": ("definition",)}

#: Fields of any resource that are credentials by their name, whatever the case and the separators.
_SECRET_NAMES = frozenset(
    {
        *(
            "password",
            "newpassword",
            "oldpassword",
            "currentpassword",
            "passwordhash",
            "passphrase",
            "secret",
            "secrethash",
        ),
        *(
            "clientsecret",
            "privatekey",
            "apikey",
            "accesstoken",
            "refreshtoken",
            "token",
            "authorization",
            "refreshhash",
        ),
    }
)


def compute_effects(policies: Iterable[FieldPolicy], *, resource: str, role: Role) -> dict[str, Effect]:
    """Field path → effect for one role; paths without a policy are visible and not listed, secrets without one are masked."""
    found = {one.field: one.effect for one in policies if one.resource == resource and one.role == role}
    for secret in SECRETS.get(resource, ()):
        found.setdefault(secret, Effect.MASKED)
    return found | {
        f"{name}.{field}": effect for name in _INSIDE.get(resource, ()) for field, effect in list(found.items())
    }


def effect_at(path: tuple[str, ...], effects: Mapping[str, Effect]) -> Effect:
    """The strictest effect on the field at `path` or on anything that contains it. Numbers in the path are positions in lists."""
    steps = tuple(step for step in path if not step.isdigit())
    ends = set()
    for field, effect in effects.items():
        rule = field.split(".")
        for tried in {steps, path}:
            if len(rule) <= len(tried) and all(want in ("*", step) for want, step in zip(rule, tried, strict=False)):
                ends.add(effect)
    return next((one for one in (Effect.HIDDEN, Effect.MASKED) if one in ends), Effect.VISIBLE)


def protect(document: Any, effects: Mapping[str, Effect]) -> Any:
    """A copy of a JSON-like document with masked values replaced by `MASK` and hidden fields left out.

    A null stays null: it hides nothing. Lists are walked; their position is no step of the path.
    """
    rules: list[tuple[list[str], Effect]] = [
        (field.split("."), effect) for field, effect in effects.items() if effect is not Effect.VISIBLE
    ]
    return _protect(document, rules)


def _protect(value: Any, rules: list[tuple[list[str], Effect]]) -> Any:
    if not rules:
        return value
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
            shown[name] = _protect(inner, here)
    return shown


def mask_secrets_of(resource: str, document: Any) -> Any:
    """The document as a record of the past may hold it: without the secrets of the resource, fields named like a credential,
    and whatever is written like one inside other texts.
    """
    effects = compute_effects((), resource=resource, role=Role.ADMIN)
    return _mask_named(protect(document, effects))


def _mask_named(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {str(key): _mask_named(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_mask_named(inner, name) for inner in value]
    if isinstance(value, str):
        is_secret = value and name.lower().replace("_", "").replace("-", "") in _SECRET_NAMES
        return MASK if is_secret else mask_secret_patterns(value)
    return value
