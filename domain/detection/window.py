"""The samples that one evaluation of all rules looks at: sorted once, so that every rule reads a slice of them.

Where samples come from (the lake, a test case, a month of history for a backtest) is the caller's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.detection.firing import Bools, Ints
from domain.detection.rule import Selector

Floats = NDArray[np.float64]


class Evidence(Protocol):
    """What conditions may ask for beside the samples. Each answer is a frame, empty where nothing is known."""

    def expected(self, points: pl.DataFrame) -> pl.DataFrame:
        """series_id, captured_at, expected: what the baselines expect of these points."""
        ...

    def anomalies(self) -> pl.DataFrame:
        """series_id, captured_at, detector ("baseline" or "causal"), score, is_above of the window."""
        ...

    def control_charts(self) -> pl.DataFrame:
        """series_id, captured_at, chart of the rows that are out of control."""
        ...

    def forecast_bounds(self) -> pl.DataFrame:
        """series_id, forecast_at, forecast, lower, upper: the newest forecast made before each hour."""
        ...

    def log_findings(self) -> pl.DataFrame:
        """template_id, template, service, kind, lines, score, window_start of the window."""
        ...

    def last_seen(self) -> pl.DataFrame:
        """series_id, last_at within the last day, also of series without a sample in the window."""
        ...

    def capacity(self) -> pl.DataFrame:
        """series_id, computed_at, reaches_at, probability, current, limit_value, growth_per_day of every gauge."""
        ...

    def reach_us(self, kind: str) -> int:
        """Up to which samples "baseline", "causal" or "control_chart" have judged; later ones are unknown, not normal."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """The series of a selector: positions in `SignalsWindow.series`, and the samples of them in [low, high) that `is_row` marks."""

    series: Ints
    low: int
    high: int
    is_row: Bools | None

    @property
    def is_empty(self) -> bool:
        """Nothing matches."""
        return self.series.size == 0


class SignalsWindow:
    """Series and their samples.

    Args:
        series: series_id, loader_code, metric_name, labels (canonical JSON), and step_s where it is known.
        points: POINTS_SCHEMA; series that are not in `series` are left out.
        decided_until_us: loader code → samples up to this instant were judged before; absent: none were.
        complete_until_us: loader code → what its capture has reached, for absence and staleness; absent: its newest sample.
        is_history: all of it is judged as if for the first time, for a case or a backtest.
    """

    def __init__(
        self,
        series: pl.DataFrame,
        points: pl.DataFrame,
        evidence: Evidence,
        *,
        decided_until_us: dict[str, int] | None = None,
        complete_until_us: dict[str, int] | None = None,
        is_history: bool = False,
    ) -> None:
        self.is_history = is_history
        if "step_s" not in series.columns:
            series = series.with_columns(step_s=pl.lit(60.0))
        self.series = series.sort("metric_name", "loader_code", "series_id").with_columns(
            position=pl.int_range(pl.len(), dtype=pl.Int64)
        )
        known = points.join(self.series.select("series_id", "position"), on="series_id", how="inner")
        self.points = known.filter(pl.col("metric_value").is_finite()).sort("position", "captured_at")
        self.evidence = evidence
        self.position: Ints = self.points["position"].to_numpy()
        self.at_us: Ints = self.points["captured_at"].dt.timestamp("us").to_numpy()
        self.value: Floats = self.points["metric_value"].to_numpy()
        self._decided, self._complete = decided_until_us or {}, complete_until_us or {}
        self._labels: dict[str, pl.Series] = {}

    @cached_property
    def _of_metric(self) -> dict[str, tuple[int, int]]:
        spans = self.series.group_by("metric_name").agg(low=pl.col("position").min(), high=pl.col("position").max() + 1)
        return {name: (low, high) for name, low, high in spans.select("metric_name", "low", "high").iter_rows()}

    @cached_property
    def decided_until_us(self) -> Ints:
        """[series] judged before up to here."""
        return self._per_loader(self._decided, -(2**62))

    @cached_property
    def complete_until_us(self) -> Ints:
        """[series] what its loader has captured up to."""
        newest = (
            self.points.group_by("position")
            .agg(pl.col("captured_at").max())
            .join(self.series.select("position", "loader_code"), on="position")
        )
        of_loader = newest.group_by("loader_code").agg(pl.col("captured_at").max().dt.timestamp("us"))
        return self._per_loader({**dict(of_loader.iter_rows()), **self._complete}, 0)

    @cached_property
    def step_us(self) -> Ints:
        """[series] the distance of its samples."""
        return (self.series["step_s"].fill_null(60.0) * 1e6).cast(pl.Int64).to_numpy()

    def _per_loader(self, values: dict[str, int], default: int) -> Ints:
        found = [values.get(code, default) for code in self.series["loader_code"].to_list()]
        return np.array(found, np.int64)

    def label(self, name: str) -> pl.Series:
        """[series] the value of a label; empty text where a series has none."""
        if name not in self._labels:
            quoted = name.replace("\\", "\\\\").replace("'", "\\'")
            found = self.series["labels"].str.json_path_match(f"$['{quoted}']")
            self._labels[name] = found.fill_null("")
        return self._labels[name]

    def select(self, selector: Selector) -> Selection:
        """Series and samples that a selector means."""
        spans = sorted(self._of_metric[name] for name in set(selector.metrics) if name in self._of_metric)
        if not spans:
            return Selection(np.zeros(0, np.int64), 0, 0, None)
        series = np.concatenate([np.arange(low, high) for low, high in spans])
        is_plain = len(spans) == 1 and not selector.labels and selector.loader is None
        if not is_plain:
            series = series[self._matches(selector)[series]]
        if series.size == 0:
            return Selection(series, 0, 0, None)
        low, high = np.searchsorted(self.position, [series[0], series[-1] + 1])
        is_row = None if is_plain else np.isin(self.position[low:high], series)
        return Selection(series, int(low), int(high), is_row)

    def _matches(self, selector: Selector) -> Bools:
        matches = np.ones(self.series.height, np.bool_)
        if selector.loader is not None:
            matches &= (self.series["loader_code"] == selector.loader).to_numpy()
        for name, wanted in selector.labels.items():
            matches &= match_label(self.label(name), wanted).to_numpy()
        return matches


def match_label(values: pl.Series, wanted: str) -> pl.Series:
    """Which values a matcher means: "text", "!=text", "=~regex" or "!~regex"; regexes match the whole value."""
    if wanted.startswith("=~"):
        return values.str.contains(_anchored(wanted))
    if wanted.startswith("!~"):
        return ~values.str.contains(_anchored(wanted))
    if wanted.startswith("!="):
        return values != wanted[2:]
    return values == wanted


def _anchored(wanted: str) -> str:
    return f"^(?:{re.sub(r'^[=!]~', '', wanted)})$"
