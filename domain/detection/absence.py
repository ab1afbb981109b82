"""A series, or the last of a group of series, that used to come and comes no more, although its loader captures."""

from __future__ import annotations

import numpy as np
import polars as pl

from domain.detection.firing import Ints
from domain.detection.judged import Judged
from domain.detection.rule import Absence, Rule
from domain.detection.window import Floats, Selection, SignalsWindow


def judge_absence(rule: Rule, window: SignalsWindow, selection: Selection) -> Judged:
    """Good at every sample; bad `absent_s` after the last one before a gap, if its loader has captured as far.

    Series that share the labels of the fingerprint are absent when all of them are. A loader that is late knows nothing: its
    series are not absent. The value is the seconds of silence.
    """
    assert isinstance(rule.when, Absence)
    when, group = rule.when, _groups(rule, window, selection.series)
    seen = _seen(window, selection, group)
    ends = pl.DataFrame(
        {
            "position": group,
            "complete_us": window.complete_until_us[selection.series],
            "decided_us": window.decided_until_us[selection.series],
        }
    )
    ends = ends.group_by("position").agg(pl.col("complete_us", "decided_us").max())
    absent_us, forget_us = int(when.absent_s * 1e6), int(when.seen_within_s * 1e6)
    nexts = seen.sort("position", "at_us").with_columns(next_us=pl.col("at_us").shift(-1).over("position"))
    gaps = nexts.filter(pl.col("next_us") - pl.col("at_us") >= absent_us).select(
        "position", at_us=pl.col("at_us") + absent_us, value=pl.lit(float(when.absent_s)), is_bad=True
    )
    silent_us = pl.col("complete_us") - pl.col("at_us")
    last = nexts.filter(pl.col("next_us").is_null()).join(ends, on="position")
    told_us = pl.max_horizontal(pl.col("at_us") + absent_us, pl.col("decided_us") + 1)
    now_silent = last.filter(silent_us >= absent_us, silent_us <= forget_us).select(
        "position", at_us=told_us, value=silent_us / 1e6, is_bad=True
    )
    good = seen.select("position", "at_us", value=pl.lit(0.0), is_bad=False)
    every = pl.concat([good, gaps, now_silent]).sort("position", "at_us", "is_bad")
    is_bad = every["is_bad"].to_numpy()
    value: Floats = every["value"].to_numpy()
    limit = np.full(value.shape, when.absent_s)
    return Judged(every["position"].to_numpy(), every["at_us"].to_numpy(), value, is_bad, ~is_bad, limit)


def _groups(rule: Rule, window: SignalsWindow, series: Ints) -> Ints:
    """For each selected series the first one with the same labels of the fingerprint."""
    if rule.fingerprint is None or series.size == 0:
        return series
    if not rule.fingerprint:
        return np.full(series.shape, series[0])
    labels = pl.DataFrame(
        {"position": series, **{name: window.label(name).gather(series) for name in rule.fingerprint}},
        schema_overrides={"position": pl.Int64},
    )
    return labels.select(pl.col("position").min().over(rule.fingerprint)).to_series().to_numpy()


def _seen(window: SignalsWindow, selection: Selection, group: Ints) -> pl.DataFrame:
    """position of the group, at_us: when something of it came; the newest moment of each also where it is before the window."""
    span = slice(selection.low, selection.high)
    position, at_us = window.position[span], window.at_us[span]
    if selection.is_row is not None:
        position, at_us = position[selection.is_row], at_us[selection.is_row]
    last = window.series.select("series_id", "position").join(window.evidence.last_seen(), on="series_id", how="inner")
    older = last.select("position", at_us=pl.col("last_at").dt.timestamp("us"))
    came = pl.concat([pl.DataFrame({"position": position, "at_us": at_us}), older])
    groups = pl.DataFrame({"position": selection.series, "group": group})
    return came.join(groups, on="position").select(pl.col("group").alias("position"), "at_us").unique()
