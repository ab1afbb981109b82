"""Whole queries: parsed, evaluated in slices of time, joined.

A slice bounds memory: no more than SLICE_MS of samples are held per selector, however long the range.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import promql_parser as syntax

from resources.simulator.promql.evaluator import Evaluator
from resources.simulator.promql.memo import Memo
from resources.simulator.promql.selection import SampleSource, drop_empty
from resources.simulator.promql.values import BadQueryError, Labels, Scalar, Value, Vector, label_key
from resources.simulator.promql.windows import RangeBlock

SLICE_MS = 2 * 86_400_000


def parse_query(query: str) -> Any:
    """The syntax tree.

    Raises:
        BadQueryError: not PromQL.
    """
    try:
        return syntax.parse(query)
    except ValueError as error:
        raise BadQueryError(f'invalid parameter "query": parse error: {error}') from None


def evaluate_range(
    source: SampleSource,
    query: str,
    *,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    newest_index: int,
    memo: Memo | None = None,
) -> Vector | Scalar:
    """The query at start, start + step, … end.

    Args:
        newest_index: samples after it have not happened yet.
        memo: shared between queries of one source, if given.

    Raises:
        PromqlError: with the type and status of Prometheus's HTTP API.
    """
    tree = parse_query(query)
    _refuse_type(tree)
    steps = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
    size = max(1, SLICE_MS // step_ms)
    evaluator = Evaluator(source, newest_index, (start_ms, int(steps[-1])), memo)
    parts = [evaluator.evaluate(tree, steps[i : i + size]) for i in range(0, steps.size, size)]
    if isinstance(parts[0], Scalar):
        return Scalar(np.concatenate([part.values for part in parts if isinstance(part, Scalar)]))
    return _join_slices([part for part in parts if isinstance(part, Vector)])


def evaluate_instant(source: SampleSource, query: str, *, at_ms: int, newest_index: int) -> Value:
    """The query at one instant."""
    return Evaluator(source, newest_index, (at_ms, at_ms)).evaluate(parse_query(query), np.array([at_ms]))


def select_raw(source: SampleSource, tree: Any, *, at_ms: int, newest_index: int) -> RangeBlock:
    """The samples of a range selector at one instant."""
    evaluator = Evaluator(source, newest_index, (at_ms, at_ms))
    return evaluator.evaluate_block(tree, np.array([at_ms]))


def _refuse_type(tree: Any) -> None:
    while isinstance(tree, syntax.ParenExpr):
        tree = tree.expr
    kind = {syntax.MatrixSelector: "range vector", syntax.SubqueryExpr: "range vector", syntax.StringLiteral: "string"}
    if type(tree) in kind:
        raise BadQueryError(
            f'invalid expression type "{kind[type(tree)]}" for range query, must be Scalar or instant Vector'
        )


def _join_slices(parts: list[Vector]) -> Vector:
    rows: dict[Any, int] = {}
    labels: list[Labels] = []
    for part in parts:
        for row in part.labels:
            if rows.setdefault(label_key(row), len(rows)) == len(labels):
                labels.append(row)
    width = sum(part.values.shape[1] for part in parts)
    values, present = np.full((len(labels), width), np.nan), np.zeros((len(labels), width), dtype=bool)
    begin = 0
    for part in parts:
        index = [rows[label_key(row)] for row in part.labels]
        here = slice(begin, begin + part.values.shape[1])
        values[index, here], present[index, here] = part.values, part.present
        begin = here.stop
    return drop_empty(labels, values, present)
