"""The shipped rules over the signals of the synthetic estate, in memory: what they find in faults, what in a healthy week."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

import polars as pl

from domain.anomalies.against_baseline import detect_against_baselines
from domain.anomalies.causal import score_series
from domain.baselines.matching import match_baselines
from domain.baselines.time_of_week import compute_baselines
from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.evaluation import evaluate_rules
from domain.detection.rule import Anomalous, Rule
from domain.detection.window import SignalsWindow
from domain.log_patterns.bursts import detect_new_and_bursting
from domain.log_patterns.miner import mine_templates
from domain.log_patterns.state import MinerState
from domain.signals import TIMESTAMP
from resources.rule_files import load_rule_folder, shipped_rules
from resources.simulator.fault_model import FaultWindow, load_fault_catalogue
from tests.fakes.estate_signals import EstateSignals

#: Nobody computes baselines again in a month of the estate; those of the history before it speak for all of it.
_MAX_AGE = timedelta(days=31)


class EstateEvidence:
    """Baselines of the history, verdicts by them and by the causal score, log patterns. No charts, forecasts or capacity."""

    def __init__(
        self,
        history: EstateSignals,
        judged: EstateSignals,
        baselines: pl.DataFrame,
        findings: pl.DataFrame,
        rules: Sequence[Rule],
    ) -> None:
        self._history, self._signals = history, judged
        self._baselines, self._findings, self._rules = baselines, findings, rules

    def expected(self, points: pl.DataFrame) -> pl.DataFrame:
        """The medians of the baselines."""
        matched = match_baselines(points, self._baselines, max_age=_MAX_AGE).filter(pl.col("median").is_not_null())
        return matched.select("series_id", "captured_at", expected=pl.col("median"))

    @cached_property
    def _verdicts(self) -> pl.DataFrame:
        names = {name for rule in self._rules if isinstance(rule.when, Anomalous) for name in rule.series.metrics}
        chosen = self._signals.series.filter(pl.col("metric_name").is_in(list(names))).select("series_id")
        judged = self._signals.points.join(chosen, on="series_id")
        before = self._history.points.join(chosen, on="series_id")
        causal = score_series(pl.concat([before, judged])).join(judged, on=["series_id", "captured_at"], how="semi")
        found = {"baseline": detect_against_baselines(judged, self._baselines), "causal": causal}
        is_above = (pl.col("metric_value") > pl.col("expected")).alias("is_above")
        columns = ["series_id", "captured_at", "detector", "score", is_above]
        return pl.concat(
            verdicts.filter("is_anomaly").with_columns(detector=pl.lit(name)).select(columns)
            for name, verdicts in found.items()
        )

    def anomalies(self) -> pl.DataFrame:
        """What the baselines and the causal score call anomalous."""
        return self._verdicts

    def control_charts(self) -> pl.DataFrame:
        """None."""
        return pl.DataFrame(schema={"series_id": pl.Int64, "captured_at": TIMESTAMP, "chart": pl.String})

    def forecast_bounds(self) -> pl.DataFrame:
        """None."""
        number = pl.Float64
        types = {"series_id": pl.Int64, "forecast_at": TIMESTAMP, "forecast": number, "lower": number, "upper": number}
        return pl.DataFrame(schema=types)

    def log_findings(self) -> pl.DataFrame:
        """New and bursting patterns."""
        return self._findings

    def last_seen(self) -> pl.DataFrame:
        """The newest sample of every series."""
        return self._signals.points.group_by("series_id").agg(last_at=pl.col("captured_at").max())

    def capacity(self) -> pl.DataFrame:
        """None."""
        schema: dict[str, pl.DataType] = {"series_id": pl.Int64(), "computed_at": TIMESTAMP, "reaches_at": TIMESTAMP}
        numbers = dict.fromkeys(("probability", "current", "limit_value", "growth_per_day"), pl.Float64())
        return pl.DataFrame(schema={**schema, **numbers})

    def reach_us(self, _kind: str) -> int:
        """Everything is judged."""
        return 2**62


def load_shipped_rules() -> list[Rule]:
    """The rule files of the product; a broken one is an error."""
    found = load_rule_folder(shipped_rules() / "detections", Rule)
    rules = [rule for rule in found.values() if isinstance(rule, Rule)]
    assert len(rules) == len(found), [rule for rule in found.values() if not isinstance(rule, Rule)]
    return rules


def plan_faults(start: datetime, names: Sequence[str] | None = None, *, every_h: float = 4.0) -> list[FaultWindow]:
    """Every fault once, one after the other, for its usual time."""
    faults = [fault for fault in load_fault_catalogue().faults if names is None or fault.name in names]
    begins = [start + timedelta(hours=every_h * number, minutes=30) for number in range(len(faults))]
    return [
        FaultWindow(f"{fault.name}-x", fault.name, at.timestamp(), at.timestamp() + fault.default_for_s)
        for fault, at in zip(faults, begins, strict=True)
    ]


def find_log_patterns(history: EstateSignals, judged: EstateSignals, *, start: datetime) -> pl.DataFrame:
    """Findings of the miner on all lines, in windows from `start` on."""
    lines = pl.concat([history.lines, judged.lines]).sort("at")
    _, ids = mine_templates(lines["message"], MinerState())
    placed = lines.with_columns(template_id=ids["template_id"], window_start=pl.col("at").dt.truncate("15m"))
    texts = placed.group_by("template_id").agg(template=pl.col("message").first())
    counts = placed.group_by("template_id", "window_start", "service").agg(count=pl.len().cast(pl.Int64))
    found = detect_new_and_bursting(counts, since=start)
    return found.join(texts, on="template_id", how="left").rename({"count": "lines"})


def detect_in_estate(history: EstateSignals, judged: EstateSignals, *, start: datetime) -> list[AlertEvent]:
    """All events of the shipped rules in `judged`, which begins at `start`, by baselines of the seven days before."""
    rules = load_shipped_rules()
    baselines = compute_baselines(history.points, as_of=start)
    series = pl.concat([history.series, judged.series]).unique("series_id")
    end = judged.points["captured_at"].max()
    assert isinstance(end, datetime)
    loaders = series["loader_code"].unique().to_list()
    window = SignalsWindow(
        series,
        judged.points,
        EstateEvidence(history, judged, baselines, find_log_patterns(history, judged, start=start), rules),
        complete_until_us=dict.fromkeys(loaders, int(end.timestamp() * 1e6)),
        is_history=True,
    )
    found = evaluate_rules(rules, window, [], now=end)
    assert not found.failed, found.failed
    return found.events


def events_of(events: Sequence[AlertEvent], fault: FaultWindow, *, grace_s: float = 1800.0) -> list[AlertEvent]:
    """What began to fire while a fault lasted, or shortly after. Counts of lines are stamped with the beginning of their bucket."""
    low = datetime.fromtimestamp(fault.started_s - 300, UTC)
    high = datetime.fromtimestamp(fault.ended_s + grace_s, UTC)
    return [event for event in events if event.status is AlertStatus.FIRING and low <= event.at < high]
