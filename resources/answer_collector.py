"""Gathers what an adapter learns, page by page, into one `Answer`: series get an index once, points stay in columns.

Shared by the source adapters. It knows no vendor and judges no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from domain.answers import ANSWER_POINTS_SCHEMA, LOG_LINES_SCHEMA, Answer, AnswerSeries, QuarantinedRow
from domain.signals import TIMESTAMP, canonical_labels
from domain.vocabulary import QuarantineReason


class AnswerCollector:
    """One answer in the making. Not shared between threads: one fetch, one collector."""

    def __init__(self) -> None:
        self.requests = 0
        self.dropped_series = 0
        self._index_of: dict[tuple[str, str], int] = {}
        self._series: list[AnswerSeries] = []
        self._points: list[pl.DataFrame] = []
        self._lines: list[pl.DataFrame] = []
        self._quarantined: list[QuarantinedRow] = []

    def index_series(self, metric_name: str, labels: Mapping[str, str]) -> int:
        """The index of this series in the answer; the same labels always get the same index."""
        key = (metric_name, canonical_labels(labels))
        if key not in self._index_of:
            self._index_of[key] = len(self._series)
            self._series.append(AnswerSeries(metric_name, dict(labels)))
        return self._index_of[key]

    def add_points(self, series_index: Sequence[int] | np.ndarray, epoch_s: np.ndarray, values: np.ndarray) -> None:
        """Points as three equally long columns; instants in seconds since 1970, kept to the millisecond."""
        epoch_us = np.rint(np.asarray(epoch_s, dtype=np.float64) * 1_000).astype(np.int64) * 1_000
        self._points.append(
            pl.DataFrame(
                {
                    "series_index": pl.Series(series_index, dtype=pl.UInt32),
                    "captured_at": pl.Series(epoch_us, dtype=pl.Int64).cast(TIMESTAMP),
                    "metric_value": pl.Series(values, dtype=pl.Float64),
                }
            )
        )

    def add_point_frame(self, points: pl.DataFrame) -> None:
        """Points that are already a frame of ANSWER_POINTS_SCHEMA."""
        self._points.append(points.select(ANSWER_POINTS_SCHEMA.keys()))

    def add_log_lines(self, lines: pl.DataFrame) -> None:
        """Log lines as a frame of LOG_LINES_SCHEMA."""
        self._lines.append(lines)

    def set_aside(
        self,
        metric_name: str,
        labels: Mapping[str, str],
        *,
        captured_at: datetime | None,
        raw_value: str,
        reason: QuarantineReason,
        detail: str,
    ) -> None:
        """Quarantine a row that cannot be expressed as a point."""
        self._quarantined.append(QuarantinedRow(metric_name, dict(labels), captured_at, raw_value, reason, detail))

    def build(self) -> Answer:
        """The finished answer."""
        return Answer(
            series=self._series,
            points=_concat(self._points, ANSWER_POINTS_SCHEMA),
            quarantined=self._quarantined,
            log_lines=_concat(self._lines, LOG_LINES_SCHEMA),
            requests=self.requests,
            dropped_series=self.dropped_series,
        )


def keep_labels(labels: Mapping[str, str], kept: Iterable[str]) -> dict[str, str]:
    """The labels named in `kept` that are present; all of them when `kept` is empty."""
    names = list(kept)
    return {name: labels[name] for name in names if name in labels} if names else dict(labels)


def _concat(frames: list[pl.DataFrame], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)
