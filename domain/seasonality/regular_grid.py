"""Points of many series on regular grids: one matrix, one row per series, right-aligned so that newest meets newest.

Rules. The step of a series is the median distance of its times, set to a usual step (5 min, 1 h, 1 day ...) when within
2 % of one. Cells are counted back from the newest point; values in one cell are averaged; missing, NaN and infinite
values are dropped; empty cells are interpolated and marked as not observed. A series with more than 70 % empty cells is
refused: its times do not follow any step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

SHORT_STEPS_S = (1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0)
#: Steps that people choose, in seconds.
USUAL_STEPS_S = np.array(
    (*SHORT_STEPS_S, 3600.0, 7200.0, 10800.0, 14400.0, 21600.0, 28800.0, 43200.0, 86400.0, 604800.0)
)
MAX_EMPTY_SHARE = 0.7
REFUSED_SCHEMA: dict[str, pl.DataType] = {"series_id": pl.Int64(), "reason": pl.String()}


@dataclass(frozen=True, slots=True)
class RegularGrid:
    """Many series on their own regular grids.

    Attributes:
        series_id: (n,) ids, ascending.
        values: (n, L) right-aligned; NaN before the first point, empty cells inside interpolated.
        observed: (n, L) true where a cell holds a captured value.
        step_s: (n,) step of each series in seconds.
        last_at_us: (n,) instant of the last column, microseconds since 1970 UTC.
        refused: series_id and reason of the series that do not fit a grid.
    """

    series_id: Ints
    values: Floats
    observed: Bools
    step_s: Floats
    last_at_us: Ints
    refused: pl.DataFrame

    @property
    def lengths(self) -> Ints:
        """(n,) cells from the first point to the last."""
        return np.asarray((~np.isnan(self.values)).sum(axis=1), dtype=np.int64)

    def rows(self, mask: Bools, *, columns: int | None = None) -> RegularGrid:
        """The rows where `mask` is true, and of them the newest `columns` columns."""
        keep = slice(-columns if columns else None, None)
        return replace(
            self,
            series_id=self.series_id[mask],
            values=self.values[mask][:, keep],
            observed=self.observed[mask][:, keep],
            step_s=self.step_s[mask],
            last_at_us=self.last_at_us[mask],
        )


def build_regular_grid(points: pl.DataFrame, *, step_s: float | None = None, max_steps: int = 9000) -> RegularGrid:
    """Lay points (series_id, captured_at, metric_value; any order) on regular grids.

    Args:
        step_s: one step for all series; None: each series its own, by the rule above.
        max_steps: newest cells kept per series.

    Returns:
        An empty grid (0 rows) when there is nothing; refused series carry a reason.
    """
    clean = points.lazy().filter(pl.col("metric_value").is_finite() & pl.col("captured_at").is_not_null())
    clean = clean.select("series_id", pl.col("captured_at").dt.timestamp("us").alias("at"), "metric_value")
    ordered = clean.sort("series_id", "at").collect()
    steps = _compute_steps(ordered, step_s)
    usable = steps.filter(pl.col("reason").is_null())
    cells = _fold_into_cells(ordered.lazy(), usable.lazy(), max_steps)
    sparse = cells.group_by("series_id").agg(empty=1 - pl.len() / (pl.col("back").max() + 1))
    sparse = sparse.filter(pl.col("empty") > MAX_EMPTY_SHARE)
    reason = pl.format("times follow no regular step: {} % of the steps are empty", (pl.col("empty") * 100).round(0))
    refused = pl.concat(
        [
            points.select("series_id")
            .unique()
            .join(usable, on="series_id", how="anti")
            .join(steps.select("series_id", "reason"), on="series_id", how="left")
            .select("series_id", pl.col("reason").fill_null("no value at all")),
            sparse.select("series_id", reason.alias("reason")),
        ]
    ).sort("series_id")
    return _scatter(
        cells.join(sparse, on="series_id", how="anti"), usable.join(sparse, on="series_id", how="anti"), refused
    )


def _compute_steps(ordered: pl.DataFrame, step_s: float | None) -> pl.DataFrame:
    gap = pl.col("at").diff()
    steps = ordered.group_by("series_id").agg(
        last=pl.col("at").max(), times=pl.col("at").n_unique(), step_s=gap.filter(gap > 0).median() / 1e6
    )
    too_few = pl.when(pl.col("times") < 3).then(pl.format("{} distinct times: at least 3 are needed", pl.col("times")))
    steps = steps.with_columns(reason=too_few).sort("series_id")
    own = steps["step_s"].fill_null(1.0).to_numpy()
    nearest = USUAL_STEPS_S[np.abs(np.log(USUAL_STEPS_S[None, :] / own[:, None])).argmin(axis=1)]
    snapped = np.where(np.abs(nearest / own - 1) <= 0.02, nearest, own) if step_s is None else np.full_like(own, step_s)
    return steps.with_columns(step_s=snapped)


def _fold_into_cells(ordered: pl.LazyFrame, usable: pl.LazyFrame, max_steps: int) -> pl.DataFrame:
    back = ((pl.col("last") - pl.col("at")) / (pl.col("step_s") * 1e6)).round().cast(pl.Int64)
    placed = ordered.join(usable, on="series_id").with_columns(back=back).filter(pl.col("back") < max_steps)
    return placed.group_by("series_id", "back").agg(pl.col("metric_value").mean()).collect()


def _scatter(cells: pl.DataFrame, usable: pl.DataFrame, refused: pl.DataFrame) -> RegularGrid:
    ids = usable["series_id"].to_numpy()
    columns = int(cells["back"].max()) + 1 if cells.height else 0  # type: ignore[arg-type]
    values = np.full((len(ids), columns), np.nan)
    row = np.searchsorted(ids, cells["series_id"].to_numpy())
    values[row, columns - 1 - cells["back"].to_numpy()] = cells["metric_value"].to_numpy()
    return RegularGrid(
        series_id=ids,
        values=interpolate_inside(values),
        observed=~np.isnan(values),
        step_s=usable["step_s"].to_numpy(),
        last_at_us=usable["last"].to_numpy(),
        refused=refused,
    )


def interpolate_inside(values: Floats) -> Floats:
    """(n, L) with NaN between two values of a row replaced by the straight line between them; the ends stay NaN."""
    if values.size == 0:
        return values
    known = ~np.isnan(values)
    column = np.arange(values.shape[1])
    before = np.maximum.accumulate(np.where(known, column, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, column, values.shape[1])[:, ::-1], axis=1)[:, ::-1]
    inside = (before >= 0) & (after < values.shape[1])
    left = np.take_along_axis(values, np.maximum(before, 0), axis=1)
    right = np.take_along_axis(values, np.minimum(after, values.shape[1] - 1), axis=1)
    share = (column - before) / np.maximum(after - before, 1)
    return np.where(inside, left + (right - left) * share, np.nan)
