"""The causal score of many series continued from where it stood: each call judges only the rows that are new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.anomalies.causal import THRESHOLD, advance_scoring, start_scoring
from domain.anomalies.components.block import State
from domain.anomalies.packing import BLOCK_CELLS

Ids = NDArray[np.int64]
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the scoring of some series stands.

    Attributes:
        series_id: ascending.
        reached_us: [series] instant of the last row judged, microseconds since the epoch.
        state: what `advance_scoring` carries, one row per series.

    """

    series_id: Ids
    reached_us: Ids
    state: State

    @property
    def size_bytes(self) -> int:
        """Memory of it all."""
        return sum(array.nbytes for array in (self.series_id, self.reached_us, *self.state.values()))


@dataclass(frozen=True, slots=True)
class Continued:
    """After the rows: the standing, one judged row per new row, and how many rows came too late to be judged."""

    standing: Standing
    judged: pl.DataFrame
    late: int


def start_standing() -> Standing:
    """Of no series yet."""
    return Standing(np.zeros(0, np.int64), np.zeros(0, np.int64), start_scoring(0))


def continue_scoring(standing: Standing, points: pl.DataFrame) -> Continued:
    """Judge new rows; the same rows in any number of calls get the scores `score_series` gives them at once.

    A row at or before the last judged instant of its series is late: an online score speaks once, so it is counted and
    left out. A series not in the standing begins; rows without a finite value are left out.

    Args:
        standing: from `start_standing` or the last call.
        points: POINTS_SCHEMA in any order; the instants of a series differ.

    Returns:
        judged: series_id, captured_at, metric_value, expected (null where nothing was), score, is_anomaly.

    """
    usable = points.filter(pl.col("metric_value").is_finite()).sort("series_id", "captured_at")
    grown = _grow(standing, usable["series_id"].unique().to_numpy())
    place = np.searchsorted(grown.series_id, usable["series_id"].to_numpy())
    is_new = usable["captured_at"].to_physical().to_numpy() > grown.reached_us[place]
    rows, place = usable.filter(pl.Series(is_new, dtype=pl.Boolean)), place[is_new]
    at_us, value = rows["captured_at"].to_physical().to_numpy(), rows["metric_value"].to_numpy()
    state, reached = {name: array.copy() for name, array in grown.state.items()}, grown.reached_us.copy()
    expected, score = np.empty(rows.height), np.empty(rows.height)
    for members, cells in _rectangles(place):
        part, judged = advance_scoring(_take(state, members), at_us=at_us[cells], value=value[cells])
        state = _put(state, members, part)
        expected[cells], score[cells] = judged.expected, judged.score
    np.maximum.at(reached, place, at_us)
    frame = rows.select("series_id", "captured_at", "metric_value").with_columns(
        pl.Series("expected", expected).fill_nan(None),
        pl.Series("score", score),
        pl.Series("is_anomaly", score >= THRESHOLD),
    )
    after = replace(grown, reached_us=reached, state=state)
    return Continued(after, frame, usable.height - rows.height)


def forget_silent(standing: Standing, *, since: datetime) -> Standing:
    """Without the series that had no row since then; one that comes back begins anew."""
    kept = np.flatnonzero(standing.reached_us >= int(since.timestamp() * 1_000_000))
    if kept.size == standing.series_id.size:
        return standing
    return Standing(standing.series_id[kept], standing.reached_us[kept], _take(standing.state, kept))


def _grow(standing: Standing, present: Ids) -> Standing:
    added = np.setdiff1d(present, standing.series_id)
    if added.size == 0:
        return standing
    ids = np.concatenate([standing.series_id, added])
    order = np.argsort(ids)
    fresh = start_scoring(added.size)
    state = {name: np.concatenate([array, fresh[name]])[order] for name, array in standing.state.items()}
    reached = np.concatenate([standing.reached_us, np.full(added.size, _NEVER)])[order]
    return Standing(ids[order], reached, state)


def _rectangles(place: Ids) -> Iterator[tuple[Ids, Ids]]:
    # Rows per series differ: each number of rows is walked in powers of two, so that a few rectangles cover them all.
    members, starts, lengths = np.unique(place, return_index=True, return_counts=True)
    done = np.zeros(members.size, np.int64)
    for power in range(int(lengths.max(initial=0)).bit_length() - 1, -1, -1):
        width = 1 << power
        chosen = np.flatnonzero(lengths & width)
        step = max(1, BLOCK_CELLS // width)
        for first in range(0, chosen.size, step):
            some = chosen[first : first + step]
            yield members[some], (starts[some] + done[some])[:, None] + np.arange(width)
        done[chosen] += width


def _take(state: State, members: Ids) -> State:
    return {name: array[members] for name, array in state.items()}


def _put(state: State, members: Ids, part: State) -> State:
    if members.size == state["seen"].size:
        return part
    for name, array in part.items():
        state[name][members] = array
    return state


def is_of_this_version(state: State) -> bool:
    """Whether a stored state has the arrays of the present components."""
    fresh = start_scoring(0)
    shapes = {name: (array.shape[1:], array.dtype) for name, array in fresh.items()}
    return shapes == {name: (array.shape[1:], array.dtype) for name, array in state.items()}
