"""Functions of instant vectors and scalars: rounding, clamping, logarithms, calendar, labels, absent."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from resources.simulator.grid import Bools, Floats, Ints
from resources.simulator.promql.values import BadQueryError, Labels, PromqlError, Scalar, Vector, merge_rows

DAY_S = 86_400.0
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
GO_REFERENCE = re.compile(r"\$(?:(\d+)|\{(\w+)\}|(\w+))")

SIMPLE: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sgn": np.sign,
}


def _calendar(unit: str) -> Callable[[Floats], Floats]:
    def part(seconds: Floats) -> Floats:
        instant = seconds.astype("datetime64[s]")
        month, year = instant.astype("datetime64[M]"), instant.astype("datetime64[Y]")
        parts: dict[str, Callable[[], Floats]] = {
            "day_of_month": lambda: (instant.astype("datetime64[D]") - month).astype(float) + 1,
            "month": lambda: (month - year).astype(float) + 1,
            "year": lambda: year.astype(float) + 1970,
            "day_of_year": lambda: (instant.astype("datetime64[D]") - year).astype(float) + 1,
            "days_in_month": lambda: ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(
                float
            ),
        }
        return parts[unit]()

    return part


CALENDAR: dict[str, Callable[[Floats], Floats]] = {
    "minute": lambda s: np.floor(s / 60) % 60,
    "hour": lambda s: np.floor(s / 3600) % 24,
    "day_of_week": lambda s: (np.floor(s / DAY_S) + 4) % 7,
    **{unit: _calendar(unit) for unit in ("day_of_month", "month", "year", "day_of_year", "days_in_month")},
}


def apply_to_values(vector: Vector, function: Callable[[Floats], Floats]) -> Vector:
    """A function of each value; metric names go."""
    with np.errstate(all="ignore"):
        return Vector(vector.labels, function(vector.values), vector.present).without_name()


def compute_round(vector: Vector, to_nearest: Floats) -> Vector:
    """round: to the nearest multiple, halves up."""
    inverse = 1.0 / to_nearest[None, :]
    return apply_to_values(vector, lambda values: np.floor(values * inverse + 0.5) / inverse)


def compute_clamp(vector: Vector, low: Floats | None, high: Floats | None) -> Vector:
    """clamp, clamp_min, clamp_max; nothing when low > high."""
    clamped = apply_to_values(
        vector, lambda values: np.clip(values, None if low is None else low[None], None if high is None else high[None])
    )
    if low is None or high is None:
        return clamped
    return Vector(clamped.labels, clamped.values, clamped.present & np.asarray(low <= high)[None, :])


def compute_scalar(vector: Vector) -> Scalar:
    """The only value of a one-row vector, else NaN, step by step."""
    if not vector.labels:
        return Scalar(np.full(vector.values.shape[1], np.nan))
    only = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return Scalar(np.where(vector.present.sum(axis=0) == 1, only, np.nan))


def compute_absent(vector: Vector, labels: Labels) -> Vector:
    """1 at steps where the vector is empty, with the labels that equality matchers fix."""
    missing: Bools = (
        np.asarray(~vector.present.any(axis=0)) if vector.labels else np.ones(vector.values.shape[1], dtype=bool)
    )
    return Vector([labels], np.ones((1, missing.size)), missing[None, :])


def compute_calendar(name: str, vector: Vector | None, steps_ms: Ints) -> Vector:
    """A part of the date of each value (seconds), or of the step itself without argument."""
    if vector is None:
        values = (steps_ms / 1000.0)[None, :]
        vector = Vector([{}], values, np.ones_like(values, dtype=bool))
    clean = Vector(vector.labels, np.where(vector.present, vector.values, 0.0), vector.present)
    return apply_to_values(clean, CALENDAR[name])


def compute_label_replace(vector: Vector, target: str, replacement: str, source: str, pattern: str) -> Vector:
    """label_replace: the anchored pattern on `source`; on a match `target` becomes the expanded replacement."""
    if not LABEL_NAME.fullmatch(target):
        raise PromqlError(f"invalid destination label name in label_replace(): {target}")
    try:
        compiled = re.compile(pattern)
    except re.error:
        raise PromqlError(f"invalid regular expression in label_replace(): {pattern}") from None

    def expand(match: re.Match[str]) -> str:
        def group(reference: re.Match[str]) -> str:
            name = next(part for part in reference.groups() if part is not None)
            try:
                return match[int(name) if name.isdigit() else name] or ""
            except IndexError:
                return ""

        return GO_REFERENCE.sub(group, replacement)

    rows = []
    for row in vector.labels:
        match = compiled.fullmatch(row.get(source, ""))
        rows.append(row if match is None else _with_label(row, target, expand(match)))
    return merge_rows(rows, vector.values, vector.present)


def compute_label_join(vector: Vector, target: str, separator: str, sources: list[str]) -> Vector:
    """label_join: the sources' values, joined."""
    if not LABEL_NAME.fullmatch(target):
        raise PromqlError(f"invalid destination label name in label_join(): {target}")
    rows = [_with_label(row, target, separator.join(row.get(name, "") for name in sources)) for row in vector.labels]
    return merge_rows(rows, vector.values, vector.present)


def _with_label(row: Labels, name: str, value: str) -> Labels:
    changed = {k: v for k, v in row.items() if k != name}
    return {**changed, name: value} if value else changed


def compute_sorted(vector: Vector, *, is_descending: bool) -> Vector:
    """sort, sort_desc: by the value at the last step."""
    key = np.where(vector.present[:, -1:], vector.values[:, -1:], -np.inf)[:, 0]
    order = np.argsort(-key if is_descending else key, kind="stable")
    return Vector([vector.labels[i] for i in order], vector.values[order], vector.present[order])


def require_scalar(value: object) -> Floats:
    """The per-step numbers of a scalar argument."""
    if not isinstance(value, Scalar):
        raise BadQueryError("expected type scalar")
    return value.values
