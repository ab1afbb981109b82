"""Judgements by identity: samples of all series that share the labels of the fingerprint become one row of states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import orjson
import polars as pl

from domain.detection.firing import Ints, Observations
from domain.detection.judged import Judged
from domain.detection.rule import Rule
from domain.detection.window import Floats, SignalsWindow

_IDENTITY = {"position": pl.Int64(), "identity": pl.String()}


#: A series may miss one sample before it counts as silent.
STEPS_OF_SILENCE = 2.5


@dataclass(frozen=True, slots=True)
class Firing:
    """An identity of a rule that fires: since when, and what it was fired with. Pending: a composite whose `for_s` is not over."""

    rule_id: str
    identity: str  # canonical JSON of the labels that tell alerts of the rule apart
    since: datetime
    fired_at: datetime
    is_pending: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """Samples by identity. `position` is a series that stands for each sample, -1 where none does."""

    seen: Observations
    after_us: Ints
    limit: Floats
    position: Ints
    identities: pl.Series


def key_samples(rule: Rule, window: SignalsWindow, judged: Judged, before: Sequence[Firing]) -> Keyed:
    """Each series is its own identity, or all series that share the fingerprint's labels are one: bad if one of them is.

    Identities that are neither bad anywhere nor firing are left out: they cannot change.
    """
    of_series = read_identities(rule, window, np.unique(judged.position))
    frame = pl.DataFrame(
        {
            "position": judged.position,
            "at_us": judged.at_us,
            "value": judged.value,
            "is_bad": judged.is_bad,
            "is_good": judged.is_good,
            "limit": judged.limit,
            "after_us": window.decided_until_us[judged.position],
        }
    ).join(of_series, on="position")
    firing = pl.Series([one.identity for one in before], dtype=pl.String)
    concerned = pl.concat([frame.filter("is_bad")["identity"].unique(), firing])
    chosen = frame.filter(pl.col("identity").is_in(concerned.implode()))
    return key_frame(_hear_silence(chosen, rule, window) if window.is_history else chosen)


def _hear_silence(frame: pl.DataFrame, rule: Rule, window: SignalsWindow) -> pl.DataFrame:
    """In a history, what fell silent for `stale_s` is over at that moment, as `vanished` says of it at run time."""
    stale_us, recover_us = int(rule.stale_s * 1e6), int(rule.recover.for_s * 1e6)
    positions = frame["position"].to_numpy()
    known = {"step_us": window.step_us[positions], "complete_us": window.complete_until_us[positions]}
    ordered = frame.with_columns(**{name: pl.Series(values) for name, values in known.items()}).sort(
        "identity", "at_us"
    )
    gap = pl.col("at_us").shift(-1).over("identity").fill_null(pl.col("complete_us")) - pl.col("at_us")
    last = ordered.filter(gap > pl.max_horizontal(pl.lit(stale_us), STEPS_OF_SILENCE * pl.col("step_us")))
    over = last.with_columns(is_bad=pl.lit(value=False), is_good=pl.lit(value=True), at_us=pl.col("at_us") + stale_us)
    since = over.with_columns(at_us=pl.col("at_us") - min(recover_us, stale_us - 1))
    return pl.concat([frame, *(added.drop(*known) for added in (since, over))])


def key_frame(frame: pl.DataFrame) -> Keyed:
    """Rows of identity, position, at_us, value, limit, is_bad, is_good, after_us; those of one identity and instant become one."""
    merged = (
        frame.sort("identity", "at_us", pl.col("is_bad"), descending=[False, False, True])
        .group_by("identity", "at_us", maintain_order=True)
        .agg(
            pl.col("position", "value", "limit").first(),
            pl.col("is_bad").any(),
            pl.col("is_good").all(),
            pl.col("after_us").min(),
        )
    )
    seen = Observations(
        key=merged["identity"].rle_id().to_numpy().astype(np.int64),
        at_us=merged["at_us"].to_numpy(),
        value=merged["value"].to_numpy(),
        is_bad=merged["is_bad"].to_numpy(),
        is_good=merged["is_good"].to_numpy(),
    )
    identities = merged["identity"].unique(maintain_order=True)
    return Keyed(
        seen, merged["after_us"].to_numpy(), merged["limit"].to_numpy(), merged["position"].to_numpy(), identities
    )


def read_identities(rule: Rule, window: SignalsWindow, positions: Ints) -> pl.DataFrame:
    """position, identity: the canonical JSON of the labels that count, and of the metric where a rule has several."""
    if rule.fingerprint is None and len(rule.series.metrics) > 1:
        chosen = window.series.select("metric_name", "labels")[positions]
        texts = [write_identity({**orjson.loads(labels), "metric": name}) for name, labels in chosen.iter_rows()]
        return pl.DataFrame({"position": positions, "identity": texts}, schema=_IDENTITY)
    if rule.fingerprint is None:
        return pl.DataFrame({"position": positions, "identity": window.series["labels"].gather(positions)})
    labels = pl.DataFrame({name: window.label(name).gather(positions) for name in rule.fingerprint})
    return pl.DataFrame({"position": positions, "identity": write_identities(labels, positions.size)})


def write_identities(labels: pl.DataFrame, rows: int) -> pl.Series:
    """[row] canonical JSON of the columns that have a value."""
    if not labels.width:
        return pl.Series("identity", ["{}"] * rows, dtype=pl.String)
    combinations = labels.unique()
    texts = [write_identity(row) for row in combinations.iter_rows(named=True)]
    named = combinations.with_columns(identity=pl.Series(texts, dtype=pl.String))
    return labels.join(named, on=labels.columns, how="left", maintain_order="left")["identity"]


def write_identity(labels: dict[str, str]) -> str:
    """Canonical JSON of the labels that have a value."""
    return orjson.dumps({name: value for name, value in labels.items() if value}, option=orjson.OPT_SORT_KEYS).decode()
