"""What the cases of a rule say beside their samples: baselines, anomalies, forecasts, findings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from domain.detection.rule_case import Case, CasePoints
from domain.signals import TIMESTAMP


class CaseEvidence:
    """`domain.detection.window.Evidence` of one case."""

    def __init__(self, case: Case, points: pl.DataFrame, *, origin: datetime) -> None:
        self._case, self._points, self._origin = case, points, origin

    def expected(self, points: pl.DataFrame) -> pl.DataFrame:
        """The baseline of each series, the same at all times."""
        known = [(number, one.baseline) for number, one in enumerate(self._case.given) if one.baseline is not None]
        baselines = _frame(known, {"series_id": pl.Int64(), "expected": pl.Float64()})
        return points.select("series_id", "captured_at").join(baselines, on="series_id", how="inner")

    def anomalies(self) -> pl.DataFrame:
        """The values that the case calls anomalous: by the baseline with full score, by the causal score with the one given."""
        called = pl.concat([self._called("baseline"), self._called("causal")])
        above = called.join(self.expected(called), on=["series_id", "captured_at"], how="left")
        is_above = (pl.col("metric_value") > pl.col("expected")).fill_null(value=True)
        return above.select("series_id", "captured_at", "detector", "score", is_above=is_above)

    def control_charts(self) -> pl.DataFrame:
        """The values that the case calls out of control."""
        marked = self._marked([one.out_of_control for one in self._case.given])
        return marked.select("series_id", "captured_at", chart=pl.lit("ewma"))

    def forecast_bounds(self) -> pl.DataFrame:
        """Baseline ± half width for every hour."""
        rows = [
            (number, one.baseline, one.baseline - one.half_width, one.baseline + one.half_width)
            for number, one in enumerate(self._case.given)
            if one.baseline is not None and one.half_width is not None
        ]
        number = pl.Float64()
        bounds = _frame(rows, {"series_id": pl.Int64(), "forecast": number, "lower": number, "upper": number})
        hours = self._points.select("series_id", forecast_at=pl.col("captured_at").dt.truncate("1h")).unique()
        return hours.join(bounds, on="series_id", how="inner")

    def log_findings(self) -> pl.DataFrame:
        """The findings of the case."""
        rows = [
            (one.template, one.template, one.service, one.finding, one.lines, one.score, self._at(one.at_s))
            for one in self._case.findings
        ]
        text = pl.String()
        types = {"template_id": text, "template": text, "service": text, "kind": text, "lines": pl.Int64()}
        return _frame(rows, {**types, "score": pl.Float64(), "window_start": TIMESTAMP})

    def last_seen(self) -> pl.DataFrame:
        """The newest sample of every series."""
        return self._points.group_by("series_id").agg(last_at=pl.col("captured_at").max())

    def capacity(self) -> pl.DataFrame:
        """The date at which each series reaches its limit, forecast at the origin and each hour after it."""
        rows = [
            (number, self._at(at_s), self._at(at_s + days * 86_400), 1.0, 0.0, 1.0, one.grows / days)
            for number, one in enumerate(self._case.given)
            for at_s, days in _read_dates(one)
        ]
        types = {"series_id": pl.Int64(), "computed_at": TIMESTAMP, "reaches_at": TIMESTAMP}
        numbers = dict.fromkeys(("probability", "current", "limit_value", "growth_per_day"), pl.Float64())
        return _frame(rows, {**types, **numbers})

    def reach_us(self, _kind: str) -> int:
        """All samples have been judged."""
        return 2**62

    def _called(self, detector: str) -> pl.DataFrame:
        scores = [
            dict.fromkeys(one.anomalous, 1.0) if detector == "baseline" else one.causal for one in self._case.given
        ]
        rows = [
            (number, self._at(position * one.every_s), score)
            for number, one in enumerate(self._case.given)
            for position, score in scores[number].items()
        ]
        types = {"series_id": pl.Int64(), "captured_at": TIMESTAMP, "score": pl.Float64()}
        called = _frame(rows, types).join(self._points, on=["series_id", "captured_at"], how="inner")
        return called.with_columns(detector=pl.lit(detector))

    def _at(self, seconds: float) -> datetime:
        return self._origin + timedelta(seconds=seconds)

    def _marked(self, positions: list[list[int]]) -> pl.DataFrame:
        rows = [
            (number, self._at(position * one.every_s))
            for number, one in enumerate(self._case.given)
            for position in positions[number]
        ]
        marked = _frame(rows, {"series_id": pl.Int64(), "captured_at": TIMESTAMP})
        return marked.join(self._points, on=["series_id", "captured_at"], how="inner")


def _read_dates(given: CasePoints) -> list[tuple[float, float]]:
    """(seconds after the origin, days from there) of each forecast."""
    days = given.reaches_in_days
    each = [] if days is None else days if isinstance(days, list) else [days]
    return [(number * 3600.0, one) for number, one in enumerate(each)]


def _frame(rows: Sequence[tuple[object, ...]], types: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=types, orient="row")


def read_length_s(given: CasePoints, samples: int) -> float:
    """Seconds from the origin to the last position of a series, missing or not."""
    return max(samples - 1, 0) * given.every_s
