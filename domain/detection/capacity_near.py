"""Gauges that grow towards their limit and whose capacity date is near.

A gauge that swings, and whose peaks touch the limit now and then, has a near date too; without growth that is no news.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from domain.detection.judged import Judged
from domain.detection.rule import CapacityNear, Rule
from domain.detection.window import Selection, SignalsWindow

_DAY_US = 86_400_000_000


def judge_capacity(rule: Rule, window: SignalsWindow, selection: Selection) -> Judged:
    """One judgement per gauge, at the instant its forecast was made; the value is the days until it reaches its limit."""
    assert isinstance(rule.when, CapacityNear)
    chosen = window.series[selection.series].select("series_id", "position")
    dates = chosen.join(window.evidence.capacity(), on="series_id", how="inner").sort("position", "computed_at")
    at_us = dates["computed_at"].dt.timestamp("us")
    days = (dates["reaches_at"].dt.timestamp("us") - at_us) / _DAY_US
    value = days.fill_null(float("inf")).cast(pl.Float64).to_numpy()
    is_likely = (dates["probability"].fill_null(0.0) >= rule.when.min_probability).to_numpy()
    distance = dates["limit_value"] - dates["current"]
    share = rule.when.min_growth_share * distance
    is_growing = ((distance > 0) & (dates["growth_per_day"] * rule.when.within_days >= share)).fill_null(value=False)
    is_bad = (value <= rule.when.within_days) & is_likely & is_growing.to_numpy()
    limit = np.full(value.shape, rule.when.within_days)
    return Judged(dates["position"].to_numpy(), at_us.to_numpy(), value, is_bad, ~is_bad, limit)
