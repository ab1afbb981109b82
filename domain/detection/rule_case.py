"""The examples in a rule file: series and findings that are given, and when the rule fires and recovers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domain.loaders.definition import Frozen


class CasePoints(Frozen):
    """A recorded or invented series: values every `every_s`, starting at the case's origin. `null` is a missing sample."""

    metric: str
    loader: str = "CASE"
    labels: dict[str, str] = Field(default_factory=dict)
    every_s: float = Field(default=60.0, gt=0)
    values: list[float | str | None] = Field(
        description='numbers, null, or Prometheus\' short form "10x5" (five times 10) and "1+2x5"'
    )
    baseline: float | None = Field(
        default=None, description="what its baseline expects, where the condition asks for it"
    )
    half_width: float | None = Field(default=None, ge=0, description="baseline ± this is its forecast interval")
    anomalous: list[int] = Field(
        default_factory=list, description="positions of values that were judged anomalous by the baseline"
    )
    causal: dict[int, float] = Field(
        default_factory=dict, description="position → score of what the causal score called"
    )
    out_of_control: list[int] = Field(default_factory=list, description="positions that a control chart marks")
    reaches_in_days: float | list[float] | None = Field(
        default=None, description="when it reaches its limit, says the forecast of the origin; of a list one each hour"
    )
    grows: bool = Field(default=True, description="whether growth leads there, or only the swing of its peaks")


class CaseFinding(Frozen):
    """A log pattern that is new or bursts, seconds after the origin."""

    at_s: float
    template: str = "template"
    service: str = ""
    lines: int = 10
    score: float = 1.0
    finding: Literal["new", "burst"] = "burst"


class Case(Frozen):
    """One example of the rule: given these series it fires at that time, or never."""

    name: str
    given: list[CasePoints] = Field(default_factory=list)
    findings: list[CaseFinding] = Field(default_factory=list)
    until_s: float | None = Field(
        default=None, description="how far the sources have captured; unset: to the end of the longest series"
    )
    fires_at_s: float | None = Field(default=None, description="seconds after the origin; null: it never fires")
    recovers_at_s: float | None = None
    fires_for: dict[str, str] = Field(default_factory=dict, description="labels of the alert")
