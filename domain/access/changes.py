"""What changed between two documents, field by field, as a reader of a role may see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from domain.access.field_protection import MASK, Effect, effect_at

#: Stands for a field that one of the two documents does not have.
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: dotted path (list positions are numbers), old and new value; None where it was not there."""

    path: str
    old: Any
    new: Any


def compute_changes(before: Any, after: Any, effects: Mapping[str, Effect]) -> list[FieldChange]:
    """Every leaf that differs, in the order of the paths. Hidden fields are left out, masked ones say only that they changed.

    Args:
        before, after: JSON-like documents; None where there was none.
        effects: field path → effect for the reader, as `compute_effects` answers.
    """
    old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
    changes = []
    for path in dict.fromkeys((*old, *new)):
        was, became = old.get(path, _ABSENT), new.get(path, _ABSENT)
        effect = effect_at(path, effects)
        if _is_same(was, became) or effect is Effect.HIDDEN:
            continue
        shown = [
            None if one is _ABSENT or one is None else MASK if effect is Effect.MASKED else one for one in (was, became)
        ]
        changes.append(FieldChange(".".join(path), *shown))
    return sorted(changes, key=lambda one: one.path)


def _is_same(was: Any, became: Any) -> bool:
    return type(was) is type(became) and bool(was == became)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Scalars and empty containers with their paths; a document that is not there has none."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)))
    elif isinstance(value, list) and value:
        for position, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(position)))
    elif path or value is not None:
        yield path, value
