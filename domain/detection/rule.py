"""A detection rule: which series, which condition, for how long, how bad, whose. Data (YAML under rules/detections), never code.

Values, windows and durations are what the product ships with; an operator edits the file. Unknown fields are errors.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from domain.detection.alert_event import Category
from domain.detection.rule_case import Case
from domain.loaders.definition import Frozen
from domain.vocabulary import RuleStatus, Severity

RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{2,80}$")]
Operator = Literal[">", ">=", "<", "<="]

#: Catastrophic backtracking needs a quantified group that is quantified again; labels never need one.
_NESTED_QUANTIFIER = re.compile(r"\([^()]*[*+{][^()]*\)\s*[*+{]")


def check_regex(pattern: str, name: str) -> None:
    """Raise ValueError where a pattern could take for ever, or is none in the syntax of RE2 (no look-around, no back references)."""
    if _NESTED_QUANTIFIER.search(pattern):
        raise ValueError(f"{name}: {pattern!r} repeats a repetition, which can take for ever; write it without")
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        reason = " ".join(str(error).split())[-120:]
        raise ValueError(f"{name}: {pattern!r} is no regular expression: {reason}") from None


class Selector(Frozen):
    """Which series: metric names, optionally the loader, and matchers on labels as Alertmanager writes them (`=~`, `!=`, `!~`)."""

    metric: str | list[str]
    loader: str | None = None
    labels: dict[str, str] = Field(
        default_factory=dict, description='label → "value", "=~regex", "!=value" or "!~regex"'
    )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric names."""
        return (self.metric,) if isinstance(self.metric, str) else tuple(self.metric)

    @field_validator("labels")
    @classmethod
    def _regexes_are_sound(cls, labels: dict[str, str]) -> dict[str, str]:
        for name, value in labels.items():
            if value[:2] not in ("=~", "!~"):
                continue
            check_regex(value[2:], name)
        return labels


class Threshold(Frozen):
    """The value against a number."""

    kind: Literal["threshold"]
    op: Operator
    value: float


class Rate(Frozen):
    """The change over `over_s` seconds, per `per_s`, against a number. A falling counter is a restart, not a fall."""

    kind: Literal["rate"]
    op: Operator
    value: float
    over_s: float = Field(default=300.0, gt=0)
    per_s: float = Field(default=60.0, gt=0)
    is_counter: bool = False


class Ratio(Frozen):
    """The selected metric divided by another one with the same `join` labels, in percent. Nothing is said where the divisor is small."""

    kind: Literal["ratio"]
    op: Operator
    value: float
    divisor: Selector
    join: list[str] = Field(min_length=1)
    min_divisor: float = Field(default=1.0, gt=0, description="below it a share means nothing")


class BaselineMultiple(Frozen):
    """The value against a multiple of what its own baseline expects at that time of the week."""

    kind: Literal["baseline_multiple"]
    op: Operator = ">"
    times: float = Field(gt=0)
    min_value: float = Field(default=0.0, description="smaller values are never bad, however small their baseline")
    without_baseline: Literal["unknown", "fires"] = Field(
        default="unknown", description="what a value says whose series has no baseline yet"
    )


class Absence(Frozen):
    """A series that used to come does not come, although its loader captures."""

    kind: Literal["absence"]
    absent_s: float = Field(gt=0)
    seen_within_s: float = Field(default=86_400.0, gt=0)


class Burst(Frozen):
    """The sum over `over_s` is at least `value` and `times` what is usual for the series."""

    kind: Literal["burst"]
    value: float
    over_s: float = Field(default=300.0, gt=0)
    times: float = Field(default=3.0, gt=0)


class StateChange(Frozen):
    """The value is one of the bad states."""

    kind: Literal["state_change"]
    bad: list[float] = Field(min_length=1)


class Anomalous(Frozen):
    """At least `points` of the last `of` values were judged anomalous with this score, on the side that matters."""

    kind: Literal["anomaly"]
    min_score: float = Field(default=0.7, ge=0, le=1)
    points: int = Field(default=3, ge=1)
    of: int = Field(default=5, ge=1)
    side: Literal["above", "below", "both"] = "both"
    detector: Literal["any", "baseline", "causal"] = Field(
        default="any",
        description="baseline calls every value, causal the first of an episode only: ask for one point of it",
    )


class OutOfControl(Frozen):
    """A control chart says that the level has drifted."""

    kind: Literal["control_chart"]
    chart: Literal["shewhart", "ewma", "cusum", "any"] = "any"
    points: int = Field(default=2, ge=1)


class ForecastResidual(Frozen):
    """`points` values in a row outside the forecast interval made before them, by at least `times` its half width."""

    kind: Literal["forecast_residual"]
    points: int = Field(default=3, ge=1)
    times: float = Field(default=1.0, gt=0)
    side: Literal["above", "below", "both"] = "both"


class LogPattern(Frozen):
    """A log template that is new, or comes in a burst. The selector's metric is ignored; its labels match service and template."""

    kind: Literal["log_pattern"]
    finding: Literal["new", "burst"]
    min_lines: int = Field(default=5, ge=1)
    template: str = Field(default="", description="regular expression on the template's text; empty: any")
    min_score: float = Field(default=0.0, ge=0)

    @field_validator("template")
    @classmethod
    def _template_is_sound(cls, template: str) -> str:
        check_regex(template, "template")
        return template


class CapacityNear(Frozen):
    """A gauge reaches its limit within `within_days` with at least this probability, says the newest capacity forecast.

    Its growth alone has to lead over at least `min_growth_share` of what is left until then.
    """

    kind: Literal["capacity"]
    within_days: float = Field(gt=0)
    min_probability: float = Field(default=0.5, ge=0, le=1)
    min_growth_share: float = Field(default=0.25, ge=0, le=1)


class Composite(Frozen):
    """Other rules hold for the same values of `join` labels: all of them, any of them, or the first without the others.

    It is over as soon as this holds no longer: its parts have their own recovery.
    """

    kind: Literal["composite"]
    op: Literal["all", "any", "first_without_others"]
    rules: list[RuleId] = Field(min_length=2)
    join: list[str] = Field(default_factory=list)


Condition = Annotated[
    Threshold
    | Rate
    | Ratio
    | BaselineMultiple
    | Absence
    | Burst
    | StateChange
    | Anomalous
    | OutOfControl
    | ForecastResidual
    | LogPattern
    | CapacityNear
    | Composite,
    Field(discriminator="kind"),
]


class Recovery(Frozen):
    """When it is over: the value is back behind `value` (hysteresis; unset: the condition no longer holds) for `for_s`."""

    value: float | None = None
    for_s: float = Field(default=120.0, ge=0)


class Rule(Frozen):
    """One rule file."""

    id: RuleId
    title: str = Field(description="what people read first; {label} and {value} are filled in")
    summary: str = ""
    description: str = ""
    severity: Severity
    category: Category
    owner: str = "data-platform"
    runbook: str = ""
    status: RuleStatus = Field(
        default=RuleStatus.LIVE,
        description="draft and retired: not judged; shadow: judged, for composite rules or on trial, and tells nobody",
    )
    series: Selector = Selector(metric=[])
    when: Condition
    for_s: float = Field(default=0.0, ge=0, description="how long the condition has to hold")
    recover: Recovery = Recovery()
    look_back_s: float = Field(
        default=0.0, ge=0, description="how far back samples are read; 0: what duration and condition need"
    )
    stale_s: float = Field(
        default=900.0, gt=0, description="a firing series without samples for so long is over: its object is gone"
    )
    fingerprint: list[str] | None = Field(
        default=None, description="labels that tell one alert from another; unset: all"
    )
    labels: dict[str, str] = Field(default_factory=dict)
    false_positives: list[str] = Field(default_factory=list)
    triage: list[str] = Field(default_factory=list)
    cases: list[Case] = Field(default_factory=list)

    @model_validator(mode="after")
    def _series_and_durations_fit(self) -> Self:
        if not self.series.metrics and not isinstance(self.when, LogPattern | Composite):
            raise ValueError("series.metric: name at least one metric")
        if self.for_s and isinstance(self.when, Absence | LogPattern | CapacityNear):
            raise ValueError(f"for_s: a condition of kind {self.when.kind} says itself how long; leave it out")
        return self

    @model_validator(mode="after")
    def _recovers_on_the_good_side(self) -> Self:
        back = self.recover.value
        if back is None:
            return self
        if not isinstance(self.when, Threshold | Rate | Ratio):
            raise ValueError(  # noqa: TRY004 - pydantic shows a ValueError to the author of the file
                "recover.value needs a condition with a threshold; leave it out"
            )
        is_good = back <= self.when.value if self.when.op in (">", ">=") else back >= self.when.value
        if not is_good:
            raise ValueError(f"recover.value {back:g} lies on the bad side of {self.when.op} {self.when.value:g}")
        return self

    @property
    def is_judged(self) -> bool:
        """Whether it is evaluated at all."""
        return self.status in (RuleStatus.SHADOW, RuleStatus.LIVE)

    @property
    def is_told(self) -> bool:
        """Whether people hear of what it finds."""
        return self.status is RuleStatus.LIVE

    def made_live(self) -> Rule:
        """The same rule in force, to try it."""
        return self.model_copy(update={"status": RuleStatus.LIVE})

    @property
    def samples_needed(self) -> int:
        """How many samples of a series one judgement looks at."""
        return int(getattr(self.when, "of", getattr(self.when, "points", 1)))

    @property
    def window_s(self) -> float:
        """How much history one evaluation reads, seconds."""
        over = getattr(self.when, "over_s", 0.0)
        stale_s = 0.0 if isinstance(self.when, LogPattern | CapacityNear | Composite) else self.stale_s + 60.0
        return max(self.look_back_s, self.for_s + over + self.recover.for_s + 600.0, stale_s)
