"""A statistics source whose answer is a function of the range: what the engine asks for is what it gets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl

from domain.answers import ANSWER_POINTS_SCHEMA, Answer, AnswerSeries
from domain.errors import EtlmonError
from domain.loaders.definition import Connection, LoaderDefinition

Value = Callable[[int, datetime], float | None]


class ComputedSource:
    """Answers `series` series per loader with `value(index, instant)` at every step; None leaves a gap.

    `failures` maps a loader code to the error it raises; every call is kept in `calls`.
    """

    def __init__(self, value: Value, *, series: int = 3) -> None:
        self.value = value
        self.series = series
        self.failures: dict[str, EtlmonError | Exception] = {}
        self.calls: list[tuple[str, datetime, datetime]] = []
        self._lock = threading.Lock()

    def fetch(self, loader: LoaderDefinition, connection: Connection, *, start: datetime, end: datetime) -> Answer:
        del connection
        with self._lock:
            self.calls.append((loader.code, start, end))
        if loader.code in self.failures:
            raise self.failures[loader.code]
        steps = int((end - start).total_seconds() // loader.step_s)
        instants = [start + timedelta(seconds=loader.step_s * k) for k in range(steps)]
        rows = [(i, at, self.value(i, at)) for i in range(self.series) for at in instants]
        kept = [row for row in rows if row[2] is not None]
        name = loader.metrics[0].metric_name
        return Answer(
            series=[AnswerSeries(name, {"n": str(i)}) for i in range(self.series)],
            points=pl.DataFrame(kept, schema=ANSWER_POINTS_SCHEMA, orient="row"),
            requests=1,
        )
