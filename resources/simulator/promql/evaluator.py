"""Evaluates the nodes of a syntax tree of `promql_parser`, for all steps at once. Whole queries: `query.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import promql_parser as syntax

from resources.simulator.grid import Bools, Floats, Ints, last_index_at
from resources.simulator.promql import functions, range_functions
from resources.simulator.promql.aggregation import aggregate
from resources.simulator.promql.binary import apply_binary
from resources.simulator.promql.histogram import compute_histogram_quantile
from resources.simulator.promql.memo import Memo
from resources.simulator.promql.selection import (
    LOOKBACK_MS,
    SampleSource,
    drop_empty,
    select_range,
    select_vector,
    shift_steps,
    to_ms,
)
from resources.simulator.promql.values import (
    BadQueryError,
    Labels,
    PromqlError,
    Scalar,
    Text,
    Value,
    Vector,
    empty_vector,
)
from resources.simulator.promql.windows import RangeBlock

DEFAULT_SUBQUERY_STEP_MS = 60_000
MEMO_FROM_STEPS = 100

RangeFunction = Callable[[RangeBlock], tuple[Floats, Bools]]
RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    "rate": lambda b: range_functions.compute_extrapolated(b, is_counter=True, is_rate=True),
    "increase": lambda b: range_functions.compute_extrapolated(b, is_counter=True, is_rate=False),
    "delta": lambda b: range_functions.compute_extrapolated(b, is_counter=False, is_rate=False),
    "irate": lambda b: range_functions.compute_instant_change(b, is_rate=True),
    "idelta": lambda b: range_functions.compute_instant_change(b, is_rate=False),
    "changes": lambda b: range_functions.compute_change_count(b, only_falls=False),
    "resets": lambda b: range_functions.compute_change_count(b, only_falls=True),
    "avg_over_time": range_functions.compute_average,
    "sum_over_time": range_functions.compute_sum,
    "min_over_time": range_functions.compute_minimum,
    "max_over_time": range_functions.compute_maximum,
    "count_over_time": range_functions.compute_count,
    "last_over_time": range_functions.compute_last,
    "present_over_time": range_functions.compute_present,
    "stdvar_over_time": range_functions.compute_variance,
    "stddev_over_time": lambda b: _sqrt(range_functions.compute_variance(b)),
    "deriv": range_functions.compute_regression,
}


def _sqrt(answer: tuple[Floats, Bools]) -> tuple[Floats, Bools]:
    return np.sqrt(answer[0]), answer[1]


@dataclass(frozen=True)
class Evaluator:
    """Evaluates nodes at an array of instants. `bounds_ms` are start and end of the whole query, for `@`."""

    source: SampleSource
    newest_index: int
    bounds_ms: tuple[int, int]
    memo: Memo | None = None

    def evaluate(self, node: Any, steps: Ints) -> Value:  # noqa: PLR0911  one return per kind of node
        """The value of a node at each step."""
        if isinstance(node, syntax.ParenExpr):
            return self.evaluate(node.expr, steps)
        if isinstance(node, syntax.NumberLiteral):
            return Scalar(np.full(steps.size, node.val))
        if isinstance(node, syntax.StringLiteral):
            return Text(node.val)
        if isinstance(node, syntax.VectorSelector):
            at = shift_steps(node, steps, self.bounds_ms)
            return select_vector(self.source, node, at, self.newest_index)
        if isinstance(node, syntax.UnaryExpr):
            return self._negate(self.evaluate(node.expr, steps))
        if isinstance(node, syntax.BinaryExpr):
            left, right = self.evaluate(node.lhs, steps), self.evaluate(node.rhs, steps)
            assert not isinstance(left, Text)
            assert not isinstance(right, Text)
            return apply_binary(str(node.op), left, right, node.modifier)
        if isinstance(node, syntax.AggregateExpr):
            return self._remember(node, steps)
        if isinstance(node, syntax.Call):
            return self._call(node, steps)
        raise PromqlError(f"the synthetic estate does not evaluate {type(node).__name__} here")

    def evaluate_block(self, node: Any, steps: Ints) -> RangeBlock:
        """Samples and windows of a range selector or subquery."""
        while isinstance(node, syntax.ParenExpr):
            node = node.expr
        if isinstance(node, syntax.MatrixSelector):
            at = shift_steps(node.vector_selector, steps, self.bounds_ms)
            return select_range(self.source, node.vector_selector, at, to_ms(node.range), self.newest_index)
        if not isinstance(node, syntax.SubqueryExpr):
            raise BadQueryError("expected type range vector")
        return self._subquery(node, shift_steps(node, steps, self.bounds_ms))

    def _subquery(self, node: Any, at: Ints) -> RangeBlock:
        spacing = to_ms(node.step) if node.step else DEFAULT_SUBQUERY_STEP_MS
        begin = at - to_ms(node.range)
        first = -(-int(begin.min()) // spacing) * spacing
        inner = np.arange(first, int(at.max()) + 1, spacing, dtype=np.int64)
        if not inner.size:
            inner = np.array([first])
        value = self.evaluate(node.expr, inner)
        if isinstance(value, Scalar):
            value = Vector([{}], value.values[None, :], np.ones((1, inner.size), dtype=bool))
        assert isinstance(value, Vector)
        low, high = -np.floor_divide(-(begin - first), spacing), np.floor_divide(at - first, spacing)
        return RangeBlock(value.labels, value.values, value.present, first, spacing, low, high, begin, at)

    def _negate(self, value: Value) -> Value:
        if isinstance(value, Vector):
            return functions.apply_to_values(value, np.negative)
        assert isinstance(value, Scalar)
        return Scalar(-value.values)

    def _remember(self, node: Any, steps: Ints) -> Vector:
        text = str(node) or node.prettify()
        if self.memo is None or steps.size < MEMO_FROM_STEPS or "@" in text or "offset -" in text:
            return self._aggregate(node, steps)
        newest = min(self.newest_index, int(last_index_at(int(steps[-1]))))
        key = (text, int(steps[0]), int(steps[-1]), steps.size, newest, self.source.generation)
        vector = self.memo.get(key)
        if vector is None:
            vector = self._aggregate(node, steps)
            self.memo.put(key, vector)
        return vector

    def _aggregate(self, node: Any, steps: Ints) -> Vector:
        vector = self._vector(node.expr, steps)
        parameter = None
        if node.param is not None:
            parameter = functions.require_scalar(self.evaluate(node.param, steps))
        modifier = node.modifier
        is_without = modifier is not None and str(modifier.type).endswith("Without")
        labels = [] if modifier is None else list(modifier.labels)
        return aggregate(str(node.op), vector, labels=labels, is_without=is_without, parameter=parameter)

    def _vector(self, node: Any, steps: Ints) -> Vector:
        value = self.evaluate(node, steps)
        if not isinstance(value, Vector):
            raise BadQueryError("expected type instant vector")
        return value

    def _scalar(self, node: Any, steps: Ints) -> Floats:
        return functions.require_scalar(self.evaluate(node, steps))

    def _text(self, node: Any, steps: Ints) -> str:
        value = self.evaluate(node, steps)
        if not isinstance(value, Text):
            raise BadQueryError("expected type string")
        return value.text

    def _call(self, node: Any, steps: Ints) -> Value:  # noqa: PLR0911  one return per family of functions
        name, args = node.func.name, node.args
        if name in RANGE_FUNCTIONS:
            return self._over_range(name, args[0], steps, RANGE_FUNCTIONS[name])
        if name == "quantile_over_time":
            q = self._scalar(args[0], steps)
            return self._over_range(name, args[1], steps, lambda b: range_functions.compute_quantile(b, float(q[0])))
        if name == "predict_linear":
            ahead = self._scalar(args[1], steps)
            return self._over_range(
                name, args[0], steps, lambda b: range_functions.compute_regression(b, ahead_s=ahead)
            )
        if name == "absent_over_time":
            present = self._over_range(name, args[0], steps, range_functions.compute_present)
            return functions.compute_absent(present, _fixed_labels(args[0]))
        if name in functions.SIMPLE:
            return functions.apply_to_values(self._vector(args[0], steps), functions.SIMPLE[name])
        if name in functions.CALENDAR:
            return functions.compute_calendar(name, self._vector(args[0], steps) if args else None, steps)
        return self._special(name, args, steps)

    def _special(self, name: str, args: list[Any], steps: Ints) -> Value:  # noqa: PLR0911, C901  a flat table
        """Functions whose arguments differ from all others."""
        match name:
            case "time":
                return Scalar(steps / 1000.0)
            case "pi":
                return Scalar(np.full(steps.size, np.pi))
            case "scalar":
                return functions.compute_scalar(self._vector(args[0], steps))
            case "vector":
                values = self._scalar(args[0], steps)[None, :]
                return Vector([{}], values, np.ones_like(values, dtype=bool))
            case "absent":
                return functions.compute_absent(self._vector(args[0], steps), _fixed_labels(args[0]))
            case "histogram_quantile":
                return compute_histogram_quantile(self._scalar(args[0], steps), self._vector(args[1], steps))
            case "round":
                nearest = self._scalar(args[1], steps) if len(args) > 1 else np.ones(steps.size)
                return functions.compute_round(self._vector(args[0], steps), nearest)
            case "clamp" | "clamp_min" | "clamp_max":
                return self._clamp(name, args, steps)
            case "sort" | "sort_desc":
                return functions.compute_sorted(self._vector(args[0], steps), is_descending=name == "sort_desc")
            case "timestamp":
                return self._timestamp(args[0], steps)
            case "label_replace":
                texts = [self._text(arg, steps) for arg in args[1:]]
                return functions.compute_label_replace(self._vector(args[0], steps), *texts)
            case "label_join":
                target, separator, *sources = [self._text(arg, steps) for arg in args[1:]]
                return functions.compute_label_join(self._vector(args[0], steps), target, separator, sources)
        raise PromqlError(f"the synthetic estate does not evaluate the function {name!r}")

    def _clamp(self, name: str, args: list[Any], steps: Ints) -> Vector:
        bounds = [self._scalar(arg, steps) for arg in args[1:]]
        low = None if name == "clamp_max" else bounds[0]
        high = None if name == "clamp_min" else bounds[-1]
        return functions.compute_clamp(self._vector(args[0], steps), low, high)

    def _timestamp(self, node: Any, steps: Ints) -> Vector:
        """Instant of the sample behind a selector; of the step behind anything else."""
        while isinstance(node, syntax.ParenExpr):
            node = node.expr
        if not isinstance(node, syntax.VectorSelector):
            seconds = np.broadcast_to(steps / 1000.0, self._vector(node, steps).values.shape)
            return functions.apply_to_values(self._vector(node, steps), lambda _: seconds.copy())
        at = shift_steps(node, steps, self.bounds_ms)
        block = select_range(self.source, node, at, LOOKBACK_MS, self.newest_index)
        times = block.times_ms(block.last_index()) / 1000.0
        return Vector(block.labels, np.array(times), block.count() > 0).without_name()

    def _over_range(self, name: str, node: Any, steps: Ints, function: RangeFunction) -> Vector:
        block = self.evaluate_block(node, steps)
        if not block.labels:
            return empty_vector(steps.size)
        values, present = function(block)
        vector = drop_empty(block.labels, values, np.asarray(present))
        return vector if name == "last_over_time" else vector.without_name()


def _fixed_labels(node: Any) -> Labels:
    """Labels that the equality matchers of a selector fix, for `absent`."""
    selector = node.vector_selector if isinstance(node, syntax.MatrixSelector) else node
    if not isinstance(selector, syntax.VectorSelector):
        return {}
    fixed: dict[str, list[str]] = {}
    for matcher in selector.matchers.matchers:
        fixed.setdefault(matcher.name, []).append(matcher.value if matcher.op == syntax.MatchOp.Equal else "")
    return {k: v[0] for k, v in fixed.items() if len(v) == 1 and v[0] and k != "__name__"}
