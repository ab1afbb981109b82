"""What each condition says of each sample: bad, good, or neither. One function per condition, over all its series at once."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from domain.detection.absence import judge_absence
from domain.detection.capacity_near import judge_capacity
from domain.detection.firing import Bools, Ints
from domain.detection.judged import Judged
from domain.detection.rule import (
    Absence,
    Anomalous,
    BaselineMultiple,
    Burst,
    CapacityNear,
    ForecastResidual,
    OutOfControl,
    Rate,
    Ratio,
    Rule,
    StateChange,
    Threshold,
)
from domain.detection.window import Floats, Selection, SignalsWindow

_COMPARE: dict[str, Callable[[Floats, float], Bools]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def judge(rule: Rule, window: SignalsWindow, selection: Selection) -> Judged:
    """The judgement of a rule's condition on its samples. Composite and log-pattern rules have no samples of their own.

    A sample that says nothing (no baseline, a divisor too small, the first one of a rate) is neither bad nor good.
    """
    return _JUDGES[type(rule.when)](rule, window, selection)


def _take(window: SignalsWindow, selection: Selection) -> Judged:
    span = slice(selection.low, selection.high)
    position, at_us, value = window.position[span], window.at_us[span], window.value[span]
    if selection.is_row is not None:
        position, at_us, value = position[selection.is_row], at_us[selection.is_row], value[selection.is_row]
    nothing = np.zeros(value.shape, np.bool_)
    return Judged(position, at_us, value, nothing, nothing, np.full(value.shape, np.nan))


def _against(rule: Rule, found: Judged, value: Floats, op: str, limit: float) -> Judged:
    """NaN compares false with everything, so what is unknown is neither bad nor good."""
    is_bad = _COMPARE[op](value, limit)
    back = rule.recover.value
    is_good = ~is_bad if back is None else ~_COMPARE[op](value, back)
    return Judged(found.position, found.at_us, value, is_bad, is_good & ~np.isnan(value), np.full(value.shape, limit))


def _frame(found: Judged) -> pl.DataFrame:
    return pl.DataFrame({"position": found.position, "at_us": found.at_us, "value": found.value})


def _rate(found: Judged, when: Rate) -> Floats:
    """Difference to the newest sample at least `over_s` older, per `per_s`; what a counter had before a restart counts on."""
    frame = _frame(found)
    if when.is_counter:
        before = pl.col("value").shift(1).over("position")
        lost = pl.when(pl.col("value") < before).then(before).otherwise(0.0)
        frame = frame.with_columns(pl.col("value") + lost.cum_sum().over("position"))
    older = frame.select("position", pl.col("at_us").alias("then_us"), pl.col("value").alias("then"))
    wanted = frame.with_columns(wanted_us=pl.col("at_us") - int(when.over_s * 1e6))
    joined = wanted.join_asof(
        older, left_on="wanted_us", right_on="then_us", by="position", strategy="backward", check_sortedness=False
    )
    rise = pl.col("value") - pl.col("then")
    seconds = (pl.col("at_us") - pl.col("then_us")) / 1e6
    is_near = seconds <= 2 * when.over_s
    rate = joined.select(pl.when(is_near).then(rise / seconds * when.per_s))
    return rate.to_series().fill_null(float("nan")).to_numpy()


def _ratio(found: Judged, when: Ratio, window: SignalsWindow) -> Floats:
    divided = window.select(when.divisor)
    divisor = _take(window, divided)
    keys = [window.label(name).alias(name) for name in when.join]
    names = pl.DataFrame(keys).with_columns(position=pl.int_range(pl.len(), dtype=pl.Int64))
    below = (
        _frame(divisor)
        .join(names, on="position")
        .group_by(*when.join, "at_us")
        .agg(pl.col("value").sum().alias("divisor"))
    )
    joined = (
        _frame(found)
        .join(names, on="position", maintain_order="left")
        .join(below, on=[*when.join, "at_us"], how="left", maintain_order="left")
    )
    share = pl.when(pl.col("divisor") >= when.min_divisor).then(pl.col("value") / pl.col("divisor") * 100.0)
    return joined.select(share).to_series().fill_null(float("nan")).to_numpy()


def _expected(found: Judged, window: SignalsWindow) -> Floats:
    points = _points(found, window)
    known = window.evidence.expected(points)
    joined = points.join(known, on=["series_id", "captured_at"], how="left", maintain_order="left")
    return joined["expected"].fill_null(float("nan")).to_numpy()


def _points(found: Judged, window: SignalsWindow) -> pl.DataFrame:
    ids = window.series["series_id"].gather(found.position)
    at = pl.Series("captured_at", found.at_us).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame({"series_id": ids, "captured_at": at, "metric_value": found.value})


def _baseline_multiple(found: Judged, when: BaselineMultiple, window: SignalsWindow) -> Judged:
    limit = _expected(found, window) * when.times
    is_new = np.isnan(limit) & (when.without_baseline == "fires")
    with np.errstate(invalid="ignore"):
        is_beyond = found.value > limit if when.op in (">", ">=") else found.value < limit
        is_bad = (is_beyond | is_new) & (np.abs(found.value) >= when.min_value)
    return Judged(found.position, found.at_us, found.value, is_bad, ~is_bad & (is_new | ~np.isnan(limit)), limit)


def _burst(found: Judged, when: Burst, window: SignalsWindow) -> Judged:
    expected = np.nan_to_num(_expected(found, window), nan=0.0)
    frame = _frame(found).with_columns(usual=expected, at=pl.col("at_us").cast(pl.Datetime("us")))
    period = f"{int(when.over_s * 1e6)}us"
    sums = frame.rolling("at", period=period, group_by="position").agg(
        pl.col("value").sum().alias("total"), pl.col("usual").sum().alias("usual")
    )
    total, usual = sums["total"].to_numpy(), np.maximum(sums["usual"].to_numpy(), 0.0)
    limit = np.maximum(usual * when.times, when.value)
    is_bad = total >= limit
    return Judged(found.position, found.at_us, total, is_bad, ~is_bad, limit)


def _count_last(found: Judged, hits: pl.DataFrame, of: int) -> tuple[Ints, Floats]:
    """How many of the last `of` samples of a series are hits, and the score of the newest hit."""
    frame = _frame(found).join(hits, on=["position", "at_us"], how="left", maintain_order="left")
    counted = frame.select(
        pl.col("score").is_not_null().cast(pl.Int64).rolling_sum(of, min_samples=1).over("position").alias("hits"),
        pl.col("score").forward_fill().over("position").fill_null(0.0),
    )
    return counted["hits"].to_numpy(), counted["score"].to_numpy()


def _hits(window: SignalsWindow, rows: pl.DataFrame) -> pl.DataFrame:
    known = rows.join(window.series.select("series_id", "position"), on="series_id")
    return known.select("position", pl.col("captured_at").dt.timestamp("us").alias("at_us"), "score").unique(
        ["position", "at_us"]
    )


def _anomalous(found: Judged, when: Anomalous, window: SignalsWindow) -> Judged:
    rows = window.evidence.anomalies().filter(pl.col("score") >= when.min_score)
    if when.detector != "any":
        rows = rows.filter(pl.col("detector") == when.detector)
    if when.side != "both":
        rows = rows.filter(pl.col("is_above") == (when.side == "above"))
    hits, _ = _count_last(found, _hits(window, rows), when.of)
    is_known = found.at_us <= window.evidence.reach_us("causal" if when.detector == "causal" else "baseline")
    is_bad = (hits >= when.points) & is_known
    limit = _expected(found, window) if is_bad.any() else np.full(found.value.shape, np.nan)
    return Judged(found.position, found.at_us, found.value, is_bad, (hits == 0) & is_known, limit)


def _out_of_control(found: Judged, when: OutOfControl, window: SignalsWindow) -> Judged:
    rows = window.evidence.control_charts()
    if when.chart != "any":
        rows = rows.filter(pl.col("chart") == when.chart)
    hits, _ = _count_last(found, _hits(window, rows.with_columns(score=pl.lit(1.0))), when.points)
    is_known = found.at_us <= window.evidence.reach_us("control_chart")
    nothing = np.full(found.value.shape, np.nan)
    is_bad = (hits >= when.points) & is_known
    return Judged(found.position, found.at_us, found.value, is_bad, (hits == 0) & is_known, nothing)


def _forecast_residual(found: Judged, when: ForecastResidual, window: SignalsWindow) -> Judged:
    hour = 3_600_000_000
    bounds = window.evidence.forecast_bounds().join(window.series.select("series_id", "position"), on="series_id")
    bounds = bounds.with_columns(hour=pl.col("forecast_at").dt.timestamp("us") // hour).unique(["position", "hour"])
    frame = _frame(found).with_columns(hour=pl.col("at_us") // hour)
    joined = frame.join(bounds, on=["position", "hour"], how="left", maintain_order="left")
    above = pl.col("forecast") + (pl.col("upper") - pl.col("forecast")) * when.times
    below = pl.col("forecast") - (pl.col("forecast") - pl.col("lower")) * when.times
    off = {"above": pl.col("value") > above, "below": pl.col("value") < below}
    is_off = off["above"] | off["below"] if when.side == "both" else off[when.side]
    streak = is_off.fill_null(value=False).cast(pl.Int64).rolling_sum(when.points, min_samples=1).over("position")
    told = joined.select(streak.alias("hits"), "forecast")
    hits, limit = told["hits"].to_numpy(), told["forecast"].fill_null(float("nan")).to_numpy()
    is_bad = hits >= when.points
    return Judged(found.position, found.at_us, found.value, is_bad, (hits == 0) & ~np.isnan(limit), limit)


def _threshold(rule: Rule, window: SignalsWindow, selection: Selection) -> Judged:
    assert isinstance(rule.when, Threshold)
    found = _take(window, selection)
    return _against(rule, found, found.value, rule.when.op, rule.when.value)


def _changed_state(rule: Rule, window: SignalsWindow, selection: Selection) -> Judged:
    assert isinstance(rule.when, StateChange)
    found = _take(window, selection)
    is_bad = np.isin(found.value, np.array(rule.when.bad))
    limit = np.full(found.value.shape, rule.when.bad[0])
    return Judged(found.position, found.at_us, found.value, is_bad, ~is_bad, limit)


def _rising(rule: Rule, window: SignalsWindow, selection: Selection) -> Judged:
    assert isinstance(rule.when, Rate)
    found = _take(window, selection)
    return _against(rule, found, _rate(found, rule.when), rule.when.op, rule.when.value)


def _sharing(rule: Rule, window: SignalsWindow, selection: Selection) -> Judged:
    assert isinstance(rule.when, Ratio)
    found = _take(window, selection)
    return _against(rule, found, _ratio(found, rule.when, window), rule.when.op, rule.when.value)


def _sampled(judge_samples: Callable[[Judged, Any, SignalsWindow], Judged]) -> Judge:
    return lambda rule, window, selection: judge_samples(_take(window, selection), rule.when, window)


Judge = Callable[[Rule, SignalsWindow, Selection], Judged]
_JUDGES: dict[type, Judge] = {
    Threshold: _threshold,
    StateChange: _changed_state,
    Rate: _rising,
    Ratio: _sharing,
    BaselineMultiple: _sampled(_baseline_multiple),
    Burst: _sampled(_burst),
    Absence: judge_absence,
    CapacityNear: judge_capacity,
    Anomalous: _sampled(_anomalous),
    OutOfControl: _sampled(_out_of_control),
    ForecastResidual: _sampled(_forecast_residual),
}
