"""Series and points of one Elasticsearch query while its pages come in, bounded in memory whatever the cardinality.

Pages are ordered by labels, then time: a series is complete as soon as the next one begins. So the highest
`max_series` complete series can be kept exactly while the rest is only counted.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from domain.answers import ANSWER_POINTS_SCHEMA
from domain.errors import SourceQueryError
from domain.loaders.definition import ElasticsearchQuery
from domain.signals import TIMESTAMP, canonical_labels
from resources.answer_collector import AnswerCollector, keep_labels

EXPLOSION_FACTOR = 20
_ROWS = {"labels": pl.String(), "epoch_ms": pl.Int64(), "metric_value": pl.Float64()}


class PagedSeries:
    """Rows (canonical labels, instant, value) of one query."""

    def __init__(self, query: ElasticsearchQuery, *, max_series: int) -> None:
        self.dropped = 0
        self._query = query
        self._max_series = max_series
        self._labels: dict[str, dict[str, str]] = {}
        self._rows: list[pl.DataFrame] = []

    def add_page(self, rows: list[tuple[dict[str, str], int, float]]) -> None:
        """The numbers of one page; prunes when there are more than 20 × max_series series."""
        texts = []
        for labels, _, _ in rows:
            kept = keep_labels(labels, self._query.labels)
            text = canonical_labels(kept)
            self._labels.setdefault(text, kept)
            texts.append(text)
        columns = {"labels": texts, "epoch_ms": [row[1] for row in rows], "metric_value": [row[2] for row in rows]}
        self._rows.append(pl.DataFrame(columns, schema=_ROWS))
        if len(self._labels) > EXPLOSION_FACTOR * self._max_series:
            self._prune(unfinished=texts[-1] if texts else "")

    def hand_over(self, found: AnswerCollector) -> None:
        """Everything kept, into the answer.

        Raises:
            SourceQueryError: `labels` leaves two values for one series and instant.
        """
        rows = self._table()
        if rows.select("labels", "epoch_ms").is_duplicated().any():
            raise SourceQueryError(
                f"two buckets of {self._query.metric_name} have the same labels once only "
                f"{', '.join(self._query.labels)} are kept",
                suggestion="remove the aggregation whose label is not wanted, or list its label too",
            )
        index = {text: found.index_series(self._query.metric_name, self._labels[text]) for text in self._labels}
        found.dropped_series += self.dropped
        found.add_point_frame(
            rows.select(
                pl.col("labels").replace_strict(index, return_dtype=pl.UInt32).alias("series_index"),
                (pl.col("epoch_ms") * 1_000).cast(TIMESTAMP).alias("captured_at"),
                "metric_value",
            ).cast(ANSWER_POINTS_SCHEMA)  # type: ignore[arg-type]
            if rows.height
            else pl.DataFrame(schema=ANSWER_POINTS_SCHEMA)
        )

    def _table(self) -> pl.DataFrame:
        return pl.concat(self._rows) if self._rows else pl.DataFrame(schema=_ROWS)

    def _prune(self, *, unfinished: str) -> None:
        rows = self._table()
        highest = (
            rows.filter(pl.col("labels") != unfinished)
            .group_by("labels")
            .agg(pl.col("metric_value").max())
            .sort("metric_value", "labels", descending=[True, False])
            .head(self._max_series)
        )
        kept: set[Any] = {*highest["labels"], unfinished}
        self.dropped += len(self._labels) - len(kept & self._labels.keys())
        self._labels = {text: labels for text, labels in self._labels.items() if text in kept}
        self._rows = [rows.filter(pl.col("labels").is_in(list(self._labels)))]
