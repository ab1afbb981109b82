"""Log patterns that are new or burst: bad while findings come, over when none came for a while."""

from __future__ import annotations

import math
from datetime import datetime

import polars as pl

from domain.detection.keyed import Keyed, key_frame, write_identities
from domain.detection.rule import LogPattern, Rule
from domain.detection.window import SignalsWindow, match_label

#: The labels of a finding.
FINDING_LABELS = ("service", "template", "template_id")


def key_findings(rule: Rule, window: SignalsWindow, *, now: datetime) -> tuple[Keyed, dict[str, str]]:
    """Bad at every finding; good `recover.for_s` after the last one before a pause of that length. The value is the lines.

    Also the text of the template by identity.
    """
    assert isinstance(rule.when, LogPattern)
    now_us = int(now.timestamp() * 1e6)
    hold_us = int(rule.recover.for_s * 1e6)
    found = _matching(rule, rule.when, window.evidence.log_findings())
    found = found.with_columns(at_us=pl.col("window_start").dt.timestamp("us")).filter(pl.col("at_us") <= now_us)
    labels = list(rule.fingerprint if rule.fingerprint is not None else ("service", "template_id"))
    present = [name for name in labels if name in FINDING_LABELS]
    told = found.with_columns(identity=write_identities(found.select(present), found.height))
    bad = told.group_by("identity", "at_us").agg(value=pl.col("lines").max().cast(pl.Float64)).sort("identity", "at_us")
    ends = bad.with_columns(next_us=pl.col("at_us").shift(-1).over("identity").fill_null(now_us + 1))
    over = ends.filter(pl.col("next_us") - pl.col("at_us") > hold_us).with_columns(pl.col("at_us") + hold_us)
    rows = pl.concat(
        [
            bad.with_columns(is_bad=True),
            over.drop("next_us").with_columns(value=pl.lit(math.nan), is_bad=False),
        ]
    )
    keyed = key_frame(
        rows.with_columns(
            is_good=~pl.col("is_bad"),
            position=pl.lit(-1, pl.Int64),
            limit=pl.lit(float(rule.when.min_lines)),
            after_us=pl.lit(-(2**62), pl.Int64),
        )
    )
    return keyed, dict(told.select("identity", "template").iter_rows())


def _matching(rule: Rule, when: LogPattern, findings: pl.DataFrame) -> pl.DataFrame:
    kept = findings.with_columns(pl.col("service", "template").fill_null("")).filter(
        pl.col("kind") == when.finding, pl.col("lines") >= when.min_lines, pl.col("score") >= when.min_score
    )
    if when.template:
        kept = kept.filter(pl.col("template").str.contains(when.template))
    for name, wanted in rule.series.labels.items():
        values = kept[name] if name in FINDING_LABELS else pl.Series(name, [""] * kept.height, dtype=pl.String)
        kept = kept.filter(match_label(values, wanted))
    return kept
