"""Selectors: matchers over labels, the newest sample within the look-back, and the windows of range selectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

import numpy as np
from promql_parser import MatchOp

from resources.simulator.grid import SCRAPE_MS, Ints, first_index_at, last_index_at, sample_ms
from resources.simulator.promql.values import BadQueryError, Labels, Vector
from resources.simulator.promql.windows import RangeBlock
from resources.simulator.sample_store import Samples

LOOKBACK_MS = 300_000


class SampleSource(Protocol):
    """Where raw samples come from; `generation` changes when past samples do."""

    generation: int

    def select(
        self, matches: Callable[[Labels], bool], names: set[str] | None, *, first_index: int, last_index: int
    ) -> Samples:
        """Samples of the matching series on the scrape grid; NaN where there is none."""
        ...


def build_matcher(selector: Any) -> tuple[Callable[[Labels], bool], set[str] | None]:
    """(predicate over labels with `__name__`, metric names it is confined to or None)."""
    tests: list[Callable[[Labels], bool]] = []
    names: set[str] | None = None
    if selector.name is not None:
        names = {selector.name}
        tests.append(lambda labels: labels["__name__"] == selector.name)
    if selector.matchers.or_matchers:
        raise BadQueryError("`or` between matchers is not known to Prometheus")
    for matcher in selector.matchers.matchers:
        tests.append(_build_test(matcher.op, matcher.name, matcher.value))
        if matcher.name == "__name__" and matcher.op == MatchOp.Equal:
            names = {matcher.value}
    return (lambda labels: all(test(labels) for test in tests)), names


def _build_test(op: Any, name: str, value: str) -> Callable[[Labels], bool]:
    if op == MatchOp.Equal:
        return lambda labels: labels.get(name, "") == value
    if op == MatchOp.NotEqual:
        return lambda labels: labels.get(name, "") != value
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise BadQueryError(f"error parsing regexp: {error}: `{value}`") from None
    if op == MatchOp.Re:
        return lambda labels: pattern.fullmatch(labels.get(name, "")) is not None
    return lambda labels: pattern.fullmatch(labels.get(name, "")) is None


def shift_steps(selector: Any, steps_ms: Ints, bounds_ms: tuple[int, int]) -> Ints:
    """Instants that a selector looks at: the steps, moved by `offset`, or pinned by `@`."""
    if selector.at is not None:
        kind = str(selector.at.type).rsplit(".", 1)[-1]
        pinned = bounds_ms[0] if kind == "Start" else bounds_ms[1]
        if kind == "At":
            pinned = round(selector.at.at.timestamp() * 1000)
        steps_ms = np.full_like(steps_ms, pinned)
    if selector.offset is not None:
        steps_ms = steps_ms - to_ms(selector.offset)
    return steps_ms


def to_ms(duration: timedelta) -> int:
    """Milliseconds of a duration."""
    return duration // timedelta(milliseconds=1)


def select_vector(source: SampleSource, selector: Any, at_ms: Ints, newest_index: int) -> Vector:
    """The newest sample of every matching series at most LOOKBACK_MS before each instant."""
    block = select_range(source, selector, at_ms, LOOKBACK_MS, newest_index)
    index = block.last_index()
    present = block.count() > 0
    values = np.take_along_axis(block.values, np.clip(index, 0, None), axis=1) if block.values.size else block.values
    if not block.values.size:
        return Vector([], np.empty((0, at_ms.size)), np.empty((0, at_ms.size), dtype=bool))
    return drop_empty(block.labels, values, present)


def select_range(source: SampleSource, selector: Any, at_ms: Ints, range_ms: int, newest_index: int) -> RangeBlock:
    """All samples of every matching series, with the window [t - range, t] of each instant."""
    matches, names = build_matcher(selector)
    low, high = first_index_at(at_ms - range_ms), np.minimum(last_index_at(at_ms), newest_index)
    first, last = int(low.min()), max(int(high.max()), int(low.min()))
    samples = source.select(matches, names, first_index=first, last_index=last)
    return RangeBlock(
        labels=samples.labels,
        values=samples.values,
        present=~np.isnan(samples.values),
        first_ms=int(sample_ms(first)),
        spacing_ms=SCRAPE_MS,
        low=low - first,
        high=high - first,
        begin_ms=at_ms - range_ms,
        end_ms=at_ms,
    )


def drop_empty(labels: Sequence[Labels], values: Any, present: Any) -> Vector:
    """Rows that have a value at some step."""
    keep = np.flatnonzero(present.any(axis=1))
    if keep.size == len(labels):
        return Vector(list(labels), values, present)
    return Vector([labels[int(i)] for i in keep], values[keep], present[keep])
