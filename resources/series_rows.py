"""Rows (labels, instant, value) of one query while its pages come in, bounded in memory whatever the cardinality.

Shared by sources whose pages are rows. When more than 20 × `max_series` series are held, only the `max_series` highest
stay and the others are counted. Where pages come ordered by labels (Elasticsearch) the choice is exact, because a series is
complete when the next one begins; elsewhere it is by the highest value seen so far, and what was dropped stays dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import polars as pl

from domain.answers import ANSWER_POINTS_SCHEMA
from domain.loaders.definition import Metric
from domain.signals import TIMESTAMP
from resources.answer_collector import AnswerCollector

EXPLOSION_FACTOR = 20
#: `labels` is the canonical JSON of the labels kept.
ROWS_SCHEMA: dict[str, pl.DataType] = {"labels": pl.String(), "epoch_us": pl.Int64(), "metric_value": pl.Float64()}


class SeriesRows:
    """The rows of one query. Not shared between threads."""

    def __init__(self, query: Metric, *, max_series: int) -> None:
        self._query = query
        self._max_series = max_series
        self._held: dict[str, None] = {}
        self._dropped: set[str] = set()
        self._pages: list[pl.DataFrame] = []

    def add_page(self, page: pl.DataFrame, *, unfinished: Sequence[str] = ()) -> None:
        """A frame of ROWS_SCHEMA; `unfinished` names series that are not to be judged yet."""
        distinct = page["labels"].unique(maintain_order=True)
        if self._dropped:
            page = page.filter(~pl.col("labels").is_in(list(self._dropped.intersection(distinct))))
        self._held.update(dict.fromkeys(text for text in distinct if text not in self._dropped))
        self._pages.append(page)
        if len(self._held) > EXPLOSION_FACTOR * self._max_series:
            self._keep_highest(unfinished)

    def has_doubles(self) -> bool:
        """Two values of one series at one instant."""
        return bool(self._table().select("labels", "epoch_us").is_duplicated().any())

    def hand_over(self, found: AnswerCollector) -> None:
        """Everything kept, into the answer."""
        found.dropped_series += len(self._dropped)
        index: dict[Any, int] = {
            text: found.index_series(self._query.metric_name, orjson.loads(text)) for text in self._held
        }
        if index:
            found.add_point_frame(
                self._table().select(
                    pl.col("labels").replace_strict(index, return_dtype=pl.UInt32).alias("series_index"),
                    pl.col("epoch_us").cast(TIMESTAMP).alias("captured_at"),
                    pl.col("metric_value").cast(ANSWER_POINTS_SCHEMA["metric_value"]),
                )
            )

    def _table(self) -> pl.DataFrame:
        return pl.concat(self._pages) if self._pages else pl.DataFrame(schema=ROWS_SCHEMA)

    def _keep_highest(self, unfinished: Sequence[str]) -> None:
        rows = self._table()
        highest = (
            rows.filter(~pl.col("labels").is_in(list(unfinished)))
            .group_by("labels")
            .agg(pl.col("metric_value").max())
            .sort("metric_value", "labels", descending=[True, False], nulls_last=True)
            .head(self._max_series)
        )
        kept = {*highest["labels"], *unfinished}
        self._dropped.update(text for text in self._held if text not in kept)
        self._held = {text: None for text in self._held if text in kept}
        self._pages = [rows.filter(pl.col("labels").is_in(list(self._held)))]
