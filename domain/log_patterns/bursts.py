"""New and bursting templates (C5): counts per window against what the same template did before in the same service.

Formulas. With n earlier windows of the service, mean m and variance v of the counts (windows without the template count
as 0), the number expected is Poisson where v <= m and negative binomial with mean m and variance v otherwise (Hilbe,
Negative Binomial Regression, 2011, NB2); a burst is a count whose upper tail p is at most ALPHA. Windows that burst are
taken out of the history and the rest is judged again, so that one burst does not hide the next. A template never seen
before in a service with enough history is new; its score is one minus the chance of a new template per window by the
rule of succession, so that it is low where new templates come all the time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from domain.signals import TIMESTAMP

#: Windows that a service must have behind it before anything of it is called new or bursting.
MIN_HISTORY_WINDOWS = 12
#: Tail probability at which a count is a burst, and the size below which it never is.
ALPHA = 1e-6
MIN_BURST_COUNT = 5
MIN_BURST_RATIO = 2.0

COUNTS_SCHEMA: dict[str, pl.DataType] = {
    "template_id": pl.String(),
    "window_start": TIMESTAMP,
    "service": pl.String(),
    "count": pl.Int64(),
}
FINDINGS_SCHEMA: dict[str, pl.DataType] = {
    **COUNTS_SCHEMA,
    "kind": pl.String(),
    "expected": pl.Float64(),
    "score": pl.Float64(),
    "reason": pl.String(),
}
_PATTERN = ["service", "template_id"]


def detect_new_and_bursting(
    counts: pl.DataFrame, *, since: datetime | None = None, min_history_windows: int = MIN_HISTORY_WINDOWS
) -> pl.DataFrame:
    """New templates and bursts, each window judged by earlier windows only.

    Args:
        counts: frame of COUNTS_SCHEMA, lines per template, window and service; equal windows, any order, zeros may be
            left out. A window in which a service logged nothing at all is taken as not captured, not as silence.
        since: report findings from this window on; earlier ones serve as history. None reports all.
        min_history_windows: windows with lines that a service must have before the one judged.

    Returns:
        Frame of FINDINGS_SCHEMA by window, service and falling score; `kind` is `new` or `burst`, `score` is in [0, 1]
        and at least 0.5 for every burst. Empty without enough history.

    """
    rows = _with_positions(counts)
    new = _find_new(rows, min_history_windows)
    bursts = _find_bursts(rows, min_history_windows)
    findings = pl.concat(
        [found.select(list(FINDINGS_SCHEMA)).cast(pl.Schema(FINDINGS_SCHEMA)) for found in (new, bursts)]
    )
    if since is not None:
        findings = findings.filter(pl.col("window_start") >= since)
    return findings.sort(["window_start", "service", "score", "template_id"], descending=[False, False, True, False])


def _with_positions(counts: pl.DataFrame) -> pl.DataFrame:
    """Counts with the position of their window among the windows of the service, and of their first appearance."""
    merged = counts.group_by([*_PATTERN, "window_start"]).agg(pl.col("count").sum()).filter(pl.col("count") > 0)
    position = pl.col("window_start").rank("dense").over("service").cast(pl.Int64) - 1
    rows = merged.with_columns(position.alias("position")).sort([*_PATTERN, "position"])
    return rows.with_columns(pl.col("position").min().over(_PATTERN).alias("first_position"))


def _find_new(rows: pl.DataFrame, min_history_windows: int) -> pl.DataFrame:
    first = rows.filter(pl.col("position") == pl.col("first_position"))
    novel_windows = (
        first.select("service", "position")
        .unique()
        .sort("service", "position")
        .with_columns((pl.int_range(pl.len()).over("service")).alias("earlier_novel_windows"))
    )
    # the very first window of a service is all new and says nothing about its rate
    rate = (pl.col("earlier_novel_windows") - 1).clip(0) + 1
    return (
        first.join(novel_windows, on=["service", "position"])
        .filter(pl.col("position") >= min_history_windows)
        .with_columns(
            pl.lit("new").alias("kind"),
            pl.lit(0.0).alias("expected"),
            (1.0 - rate / (pl.col("position") + 2.0)).alias("score"),
            pl.format(
                "never seen in {} before: {} lines, after {} windows without it",
                pl.col("service"),
                pl.col("count"),
                pl.col("position"),
            ).alias("reason"),
        )
    )


def _find_bursts(rows: pl.DataFrame, min_history_windows: int) -> pl.DataFrame:
    candidates = rows.filter(pl.col("position") > pl.col("first_position"))
    nothing = pl.DataFrame(schema={"service": pl.String, "template_id": pl.String, "position": pl.Int64})
    first_pass = _judge(rows, nothing).filter(pl.col("is_burst"))
    judged = _judge(rows, first_pass.select([*_PATTERN, "position"])).filter(
        pl.col("is_burst") & (pl.col("position") >= min_history_windows)
    )
    bursts = judged.join(candidates.select([*_PATTERN, "position"]), on=[*_PATTERN, "position"], how="semi")
    return bursts.with_columns(
        pl.lit("burst").alias("kind"),
        pl.format(
            "{} lines where {} were expected from {} earlier windows",
            pl.col("count"),
            pl.col("expected").round(2),
            pl.col("position"),
        ).alias("reason"),
    )


def _judge(rows: pl.DataFrame, excluded: pl.DataFrame) -> pl.DataFrame:
    """Expected count, score and verdict of each row from the rows before it, without the excluded ones."""
    marks = rows.join(excluded.with_columns(pl.lit(1).alias("out")), on=[*_PATTERN, "position"], how="left")
    kept = pl.when(pl.col("out").is_null()).then(pl.col("count")).otherwise(0).cast(pl.Float64)
    out = pl.col("out").fill_null(0)
    earlier = marks.sort([*_PATTERN, "position"]).with_columns(
        (kept.cum_sum().over(_PATTERN) - kept).alias("sum"),
        ((kept**2).cum_sum().over(_PATTERN) - kept**2).alias("sum_of_squares"),
        (pl.col("position") - out.cum_sum().over(_PATTERN) + out).alias("windows"),
    )
    return earlier.with_columns(**_tail_columns(earlier))


def _tail_columns(earlier: pl.DataFrame) -> dict[str, Any]:
    """Columns expected, score and is_burst. Half a line is added to the history: nothing seen is not impossible."""
    count = earlier["count"].to_numpy()
    windows = np.maximum(earlier["windows"].to_numpy(), 1)
    mean = (earlier["sum"].to_numpy() + 0.5) / windows
    variance = np.maximum(
        earlier["sum_of_squares"].to_numpy() / windows - (earlier["sum"].to_numpy() / windows) ** 2, 0.0
    )
    spread = np.maximum(variance - mean, 1e-12)
    size = mean**2 / spread
    overdispersed = stats.nbinom.logsf(count - 1, size, size / (size + mean))
    log_p = np.where(variance > mean, overdispersed, stats.poisson.logsf(count - 1, mean))
    strength = np.clip(-log_p / np.log(10), 0.0, 1e6)
    is_burst = (strength >= -np.log10(ALPHA)) & (count >= MIN_BURST_COUNT) & (count >= MIN_BURST_RATIO * mean)
    score = strength / (strength - np.log10(ALPHA))
    return {"expected": pl.Series(mean), "score": pl.Series(score), "is_burst": pl.Series(is_burst)}
