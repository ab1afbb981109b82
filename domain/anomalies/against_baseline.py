"""Anomalies against stored baselines (C1): deviation of more than `sigma` spreads, classical or robust.

Reads points and baselines, answers one judged row per point. Serves both the newest point of every series and history
with baselines of several days; how baselines are made is the business of `domain.baselines`.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.anomalies.bands import Band, compute_classical_band, compute_robust_band
from domain.anomalies.tail_score import compute_tail_score
from domain.baselines.levels import LEVEL
from domain.baselines.matching import RELATIVE_ZERO, match_baselines
from domain.signals import TIMESTAMP

CLASSICAL, ROBUST, CONSTANT, NO_HISTORY = "baseline_sigma", "baseline_robust", "baseline_constant", "not_enough_history"

#: One row per judged point. `level` says which level of the baseline answered.
ANOMALY_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "captured_at": TIMESTAMP,
    "metric_value": pl.Float64(),
    "expected": pl.Float64(),
    "lower": pl.Float64(),
    "upper": pl.Float64(),
    "score": pl.Float64(),
    "is_anomaly": pl.Boolean(),
    "detector": pl.String(),
    "level": LEVEL,
}


def detect_against_baselines(points: pl.DataFrame, baselines: pl.DataFrame, *, sigma: float = 3.0) -> pl.DataFrame:
    """Judge each point by the newest baseline computed at or before it.

    Two detectors look at each point: classical, outside mean ± sigma · spread; robust, outside the band of median and MAD
    (`domain.anomalies.bands`), silent where half the history is one value. Both are carried forward by the trend of the
    series, and both spreads are honest: they know that the next day differs from the last (`domain.baselines`). The one that
    objects speaks; if both or none do, the more surprised one. A series that was constant is anomalous as soon as it moves.

    Args:
        points: POINTS_SCHEMA; null and non-finite values are left out.
        baselines: BASELINE_SCHEMA; those computed after a point are never used for it.
        sigma: width of the band in standard deviations.

    Returns:
        ANOMALY_SCHEMA, sorted by series and time. A point without a baseline has detector `not_enough_history`,
        score 0, null limits, and is no anomaly.

    """
    matched = match_baselines(points, baselines)
    value, mean, spread, median, robust_spread = (
        matched[name].to_numpy() for name in ("metric_value", "mean", "spread", "median", "robust_spread")
    )
    degrees = matched["degrees"].fill_null(1.0).to_numpy()
    floor = np.maximum(RELATIVE_ZERO * np.abs(mean), np.finfo(float).tiny)
    is_constant = spread <= floor
    classical = compute_classical_band(value, mean, spread=np.maximum(spread, floor), degrees=degrees, sigma=sigma)
    robust = compute_robust_band(value, median, spread=robust_spread, degrees=degrees, sigma=sigma)
    is_robust = (robust_spread > floor) & ~is_constant & _is_louder(robust, classical)
    chosen = {
        name: pl.Series(np.where(is_robust, getattr(robust, name), getattr(classical, name)))
        for name in ("center", "lower", "upper", "is_outside")
    }
    score = compute_tail_score(np.where(is_robust, robust.surprise, classical.surprise))
    chosen["score"] = pl.Series(score)
    frame = matched.with_columns(**chosen, is_robust=pl.Series(is_robust), is_constant=pl.Series(is_constant))
    return frame.select(
        "series_id",
        "captured_at",
        "metric_value",
        pl.col("center").fill_nan(None).alias("expected"),
        pl.col("lower", "upper").fill_nan(None),
        pl.col("score").fill_nan(0.0),
        pl.col("is_outside").alias("is_anomaly"),
        pl.when(pl.col("level").is_null())
        .then(pl.lit(NO_HISTORY))
        .when("is_robust")
        .then(pl.lit(ROBUST))
        .when("is_constant")
        .then(pl.lit(CONSTANT))
        .otherwise(pl.lit(CLASSICAL))
        .alias("detector"),
        "level",
    )


def _is_louder(first: Band, second: Band) -> NDArray[np.bool_]:
    more_surprised = first.surprise > second.surprise
    return np.where(first.is_outside == second.is_outside, more_surprised, first.is_outside)
