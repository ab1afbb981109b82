"""The causal anomaly score: each row of a series judged from the rows before it, without being told step, season or scale.

Adds up the surprises of unlike components (agreement counts), then rests after an alarm. Used by `etlmon score` on files
and by the assets on captured series. One setting for everything; the components know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.anomalies.components.block import Block, Floats, State
from domain.anomalies.components.error_burst import advance_error_burst, start_error_burst
from domain.anomalies.components.level_shift import advance_level_shift, start_level_shift
from domain.anomalies.components.range_novelty import advance_range_novelty, start_range_novelty
from domain.anomalies.components.rest import advance_rest, start_rest
from domain.anomalies.components.season_error import advance_season_error, start_season_error
from domain.anomalies.components.shape_novelty import advance_shape_novelty, start_shape_novelty
from domain.anomalies.components.weighted_mean import advance_weighted_mean
from domain.anomalies.packing import iterate_batches
from domain.progress import Progress, ignore_progress

#: What makes the surprises of the components equally loud: each adds the same at its own largest thousandth.
WEIGHTS = {
    "burst": 0.3,
    "quick_shift": 0.25,
    "steady_shift": 0.4,
    "ever": 6.0,
    "recent": 4.5,
    "season": 9.0,
    "shape": 8.5,
}
#: Of the sum, this share of its usual level over USUAL_SPAN rows is nothing new. What is left counts from 1 as an alarm.
USUAL_SHARE, USUAL_SPAN = 0.7, 1000
#: Score at and above which a row is an anomaly.
THRESHOLD = 0.5
#: Rows a series needs before it is judged; then the surprise counts in full only slowly.
LEAST_ROWS, TRUST_ROWS = 20, 150


@dataclass(frozen=True, slots=True)
class Judgement:
    """Arrays [series, time] for the rows of one block; `expected` is NaN where there was nothing to expect from."""

    expected: Floats
    score: Floats
    is_anomaly: NDArray[np.bool_]


def start_scoring(series: int) -> State:
    """State of series that have no rows yet. About 5.5 kB per series, all arrays with the series as first axis."""
    return {
        "seen": np.zeros(series, np.int64),
        "usual_total": np.zeros(series),
        **start_error_burst(series),
        **start_level_shift(series),
        **start_range_novelty(series),
        **start_season_error(series),
        **start_shape_novelty(series),
        **start_rest(series),
    }


def advance_scoring(state: State, *, at_us: NDArray[np.int64], value: Floats) -> tuple[State, Judgement]:
    """Judge the next rows of every series in the state; the same rows in other blocks give the same judgement.

    Args:
        state: from `start_scoring` or the last call, for the same series in the same order.
        at_us: [series, time] microseconds since the epoch, not descending within a series.
        value: [series, time], finite.

    """
    block = Block(at_us=at_us, value=value, seen=state["seen"])
    with np.errstate(over="ignore", invalid="ignore"):
        burst_state, burst, level = advance_error_burst(state, block)
        shift_state, quick, steady = advance_level_shift(state, block)
        range_state, ever, recent = advance_range_novelty(state, block)
        season_state, season, expected = advance_season_error(state, block, level=level)
        shape_state, shape = advance_shape_novelty(state, block)
    loud = {"burst": burst, "quick_shift": quick, "steady_shift": steady, "ever": ever, "recent": recent}
    loud |= {"season": season, "shape": shape}
    total = sum((WEIGHTS[name] * np.nan_to_num(part, nan=0.0) for name, part in loud.items()), np.zeros(value.shape))
    usual_total, usual, _ = advance_weighted_mean(state["usual_total"], total, seen=state["seen"], span=USUAL_SPAN)
    numbers = block.row_numbers()
    news = np.maximum(total - USUAL_SHARE * usual, 0.0)
    surprise = np.where(numbers >= LEAST_ROWS, news * numbers / (numbers + TRUST_ROWS), 0.0)
    rest_state, is_news = advance_rest(state, surprise)
    score = surprise / (1.0 + surprise) * np.where(is_news, 1.0, 0.5)
    expected = np.where(numbers > 0, expected, np.nan)
    after: State = {**range_state, **season_state, **burst_state, **shift_state, **shape_state, **rest_state}
    after["usual_total"] = usual_total
    after["seen"] = state["seen"] + value.shape[1]
    return after, Judgement(expected=expected, score=score, is_anomaly=score >= THRESHOLD)


def score_series(points: pl.DataFrame, *, on_progress: Progress = ignore_progress) -> pl.DataFrame:
    """Score of every row of every series, each from the rows of its own series up to it.

    Args:
        points: POINTS_SCHEMA plus any further columns, in any order. Rows of one series with the same time count in the
            order they come.
        on_progress: called with (rows judged, rows to judge).

    Returns:
        The columns of `points` with expected, score in [0, 1] and is_anomaly, sorted by series and time. A null or
        non-finite value and the first 20 rows of a series score 0. After an alarm a series stays below the threshold
        for 60 rows unless the surprise becomes five times as large.

    """
    ordered = points if _is_ordered(points) else points.sort("series_id", "captured_at", maintain_order=True)
    is_usable = ordered["metric_value"].is_finite().fill_null(value=False)
    used = ordered if is_usable.all() else ordered.filter(is_usable)
    expected, score, done = np.full(used.height, np.nan), np.zeros(used.height), 0
    for batch in iterate_batches(used):
        state = start_scoring(batch.series)
        for columns in batch.column_blocks():
            block = batch.take(columns)
            state, judged = advance_scoring(state, at_us=block.at_us, value=block.value)
            expected[block.rows] = judged.expected[block.is_row]
            score[block.rows] = judged.score[block.is_row]
            done += block.rows.size
            on_progress(done, used.height)
    judged_rows = pl.DataFrame({"expected": expected, "score": score}).with_columns(pl.col("expected").fill_nan(None))
    if used.height == ordered.height:
        answer = ordered.hstack(judged_rows)
    else:
        answer = (
            ordered.with_row_index("row")
            .join(judged_rows.with_columns(row=is_usable.arg_true()), on="row", how="left", maintain_order="left")
            .drop("row")
        )
    score_column = pl.col("score").fill_null(0.0)
    return answer.with_columns(score_column, (score_column >= THRESHOLD).alias("is_anomaly"))


def _is_ordered(points: pl.DataFrame) -> bool:
    series, at = pl.col("series_id"), pl.col("captured_at")
    # Compared, not subtracted: ids span all 64 bits.
    is_next = (series > series.shift(1)) | ((series == series.shift(1)) & (at >= at.shift(1)))
    return bool(points.select(is_next.slice(1).all()).item())
