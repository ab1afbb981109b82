"""`rules/drills.yaml`: what can be exercised, how one knows the symptoms of an exercise, and the times that it should take (E5)."""

from __future__ import annotations

from pydantic import Field, field_validator

from domain.detection.alert_event import Category
from domain.detection.matchers import parse_matcher
from domain.errors import InputDataError
from domain.loaders.definition import Frozen
from domain.notification.people import Name
from domain.vocabulary import Severity

LONGEST_S = 14_400
SHORTEST_S = 60


class Scenario(Frozen):
    """One exercise. `fault` is made where the simulator runs; else one alert with these words is raised.

    `symptoms`: alerts that all matchers of one of them fit are the drill's. None: only the alert that the drill raises itself.
    """

    title: str = Field(min_length=1, max_length=120)
    summary: str = Field(default="", max_length=400)
    service: str = Field(min_length=1, max_length=80)
    severity: Severity
    category: Category
    fault: str | None = Field(default=None, max_length=80)
    symptoms: list[list[str]] = Field(default_factory=list)

    @field_validator("symptoms")
    @classmethod
    def _are_matchers(cls, given: list[list[str]]) -> list[list[str]]:
        for symptom in given:
            if not symptom:
                raise ValueError("a symptom without matchers would be every alert")
            try:
                for one in symptom:
                    parse_matcher(one)
            except InputDataError as error:
                raise ValueError(error.reason) from None
        return given


class DrillTargets(Frozen):
    """Seconds: from the first bad sample to the incident, from the incident to the first message of each channel."""

    incident_s: int = Field(gt=0)
    message_s: int = Field(gt=0)


class DrillRules(Frozen):
    """The file."""

    targets: DrillTargets
    default_for_s: int = Field(default=600, ge=SHORTEST_S, le=LONGEST_S)
    fade_s: int = Field(default=300, ge=0, le=7200)
    settle_s: int = Field(default=900, ge=0, le=7200)
    scenarios: dict[Name, Scenario] = Field(min_length=1)
