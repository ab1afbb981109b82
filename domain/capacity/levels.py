"""Gauges folded into bins of equal length: the highest value of each day, counted back from the newest point.

The highest value is what meets a limit. A bin is a day where the history holds at least MIN_BINS days, else the longest of
BIN_S that gives MIN_BINS bins, never shorter than the gauge's own step. Empty bins inside are interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from domain.seasonality.regular_grid import REFUSED_SCHEMA, Bools, Floats, Ints, interpolate_inside

BIN_S = (86_400.0, 43_200.0, 21_600.0, 10_800.0, 7_200.0, 3_600.0, 1_800.0, 900.0, 300.0, 60.0, 10.0, 1.0)
MIN_BINS = 20
#: With fewer bins than this there is no growth to speak of.
LEAST_BINS = 10
MAX_BINS = 200


@dataclass(frozen=True, slots=True)
class Levels:
    """Gauges in bins.

    Attributes:
        series_id: (n,) ascending.
        values: (n, L) highest value per bin, right-aligned, NaN before the first.
        bin_s: (n,) length of a bin in seconds.
        last_at_us: (n,) instant of the newest point, microseconds since 1970 UTC.
        current: (n,) newest value.
        refused: series_id and reason.
    """

    series_id: Ints
    values: Floats
    bin_s: Floats
    last_at_us: Ints
    current: Floats
    refused: pl.DataFrame

    @property
    def lengths(self) -> Ints:
        """(n,) bins with a value."""
        return np.asarray((~np.isnan(self.values)).sum(axis=1), dtype=np.int64)


def fold_levels(points: pl.DataFrame) -> Levels:
    """Fold points (series_id, captured_at, metric_value; any order; NaN and infinities dropped).

    Returns:
        Levels with a refusal, and its reason, for every series with fewer than LEAST_BINS bins.
    """
    at = pl.col("captured_at").dt.timestamp("us").alias("at")
    clean = points.lazy().filter(pl.col("metric_value").is_finite() & pl.col("captured_at").is_not_null())
    ordered = _sort(clean.select("series_id", at, "metric_value").collect())
    gap = pl.col("at").diff()
    facts = ordered.group_by("series_id", maintain_order=True).agg(
        last=pl.col("at").last(),
        current=pl.col("metric_value").last(),
        span_s=(pl.col("at").last() - pl.col("at").first()) / 1e6,
        step_s=gap.filter(gap > 0).median() / 1e6,
    )
    facts = facts.with_columns(bin_s=_choose_bins(facts), step_s=pl.col("step_s").fill_null(0.0))
    bins = pl.col("span_s") / pl.col("bin_s") + 1
    usable = facts.filter((bins >= LEAST_BINS - 0.5) & (pl.col("step_s") > 0))
    # Bins as long as the step are centred on it: a daily value that comes late by a minute stays in its day.
    shift = pl.when(pl.col("bin_s") <= 1.01 * pl.col("step_s")).then(0.5).otherwise(1e-9)
    back = (_bins_before_newest() + shift).floor().cast(pl.Int64)
    placed = (
        ordered.lazy().join(usable.lazy(), on="series_id").with_columns(back=back).filter(pl.col("back") < MAX_BINS)
    )
    cells = placed.group_by("series_id", "back").agg(pl.col("metric_value").max()).collect()
    return _scatter(cells, usable, _explain(points, facts, usable))


def _sort(clean: pl.DataFrame) -> pl.DataFrame:
    """By series and time; rollups come sorted, and then nothing is moved."""
    # compared, not subtracted: the difference of two ids may be beyond 64 bits
    series, before = pl.col("series_id"), pl.col("series_id").shift()
    is_earlier = (series == before) & (pl.col("at") < pl.col("at").shift())
    is_unsorted = clean.select(((series < before) | is_earlier).any()).item()
    return clean.sort("series_id", "at", maintain_order=True) if is_unsorted else clean


def _bins_before_newest() -> pl.Expr:
    return (pl.col("last") - pl.col("at")) / (pl.col("bin_s") * 1e6)


def _choose_bins(facts: pl.DataFrame) -> Floats:
    span, step = facts["span_s"].to_numpy(), facts["step_s"].fill_null(1.0).to_numpy()
    bins = np.array(BIN_S)
    fits = span[:, None] / bins[None, :] >= MIN_BINS - 1
    chosen = np.where(fits.any(axis=1), bins[fits.argmax(axis=1)], bins[-1])
    return np.asarray(np.maximum(chosen, step))


def _scatter(cells: pl.DataFrame, usable: pl.DataFrame, refused: pl.DataFrame) -> Levels:
    ids = usable["series_id"].to_numpy()
    columns = int(cells["back"].max()) + 1 if cells.height else 0  # type: ignore[arg-type]
    values = np.full((len(ids), columns), np.nan)
    values[np.searchsorted(ids, cells["series_id"].to_numpy()), columns - 1 - cells["back"].to_numpy()] = cells[
        "metric_value"
    ].to_numpy()
    return Levels(
        series_id=ids,
        values=interpolate_inside(values),
        bin_s=usable["bin_s"].to_numpy(),
        last_at_us=usable["last"].to_numpy(),
        current=usable["current"].to_numpy(),
        refused=refused,
    )


def _explain(points: pl.DataFrame, facts: pl.DataFrame, usable: pl.DataFrame) -> pl.DataFrame:
    every = points.select("series_id").unique().join(usable, on="series_id", how="anti")
    told = every.join(facts, on="series_id", how="left").sort("series_id")
    reached = (pl.col("span_s") / pl.col("bin_s")).floor().cast(pl.Int64) + 1
    text = pl.format("not enough history: {} steps, at least {} are needed", reached, pl.lit(LEAST_BINS))
    reason = pl.when(pl.col("last").is_null()).then(pl.lit("no value at all")).otherwise(text)
    return told.select("series_id", reason=reason).cast(dict(REFUSED_SCHEMA))  # type: ignore[arg-type]


def select_rows(levels: Levels, mask: Bools) -> Levels:
    """The gauges where `mask` is true."""
    return Levels(
        series_id=levels.series_id[mask],
        values=levels.values[mask],
        bin_s=levels.bin_s[mask],
        last_at_us=levels.last_at_us[mask],
        current=levels.current[mask],
        refused=levels.refused,
    )
