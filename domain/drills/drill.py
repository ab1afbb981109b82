"""One drill as it stands (E5). Its life: STARTING (written down, the fault is being made), RUNNING, ENDING (symptoms fade), OVER."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus
from domain.drills.marking import DrillScope, mark
from domain.drills.scenario import Scenario

RULE_ID = "drill"


class DrillMode(StrEnum):
    """INJECTED: the simulator makes a fault, detection has to find it. SYNTHETIC: the drill raises its alert itself."""

    INJECTED = "INJECTED"
    SYNTHETIC = "SYNTHETIC"


class DrillState(StrEnum):
    """Where a drill stands."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    ENDING = "ENDING"
    OVER = "OVER"


class DrillOutcome(StrEnum):
    """How it ended: at its time, by somebody, or it never began."""

    COMPLETED = "COMPLETED"
    ABORTED = "ABORTED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Drill:
    """One row. `report` is there when it is over."""

    drill_id: int
    name: str
    mode: DrillMode
    state: DrillState
    outcome: DrillOutcome | None
    scenario: Scenario
    is_escalating: bool
    started_by: str
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None
    stopped_by: str | None = None
    over_at: datetime | None = None
    problem: str | None = None
    report: dict[str, Any] | None = None

    @property
    def scope(self) -> DrillScope:
        """What belongs to it."""
        symptoms = self.scenario.symptoms if self.mode is DrillMode.INJECTED else ()
        return DrillScope(self.drill_id, self.started_at, self.ended_at, symptoms)

    def own_alert(self, status: AlertStatus, *, at: datetime) -> AlertEvent:
        """The alert that a SYNTHETIC drill raises, or its end."""
        event = AlertEvent(
            fingerprint=RULE_ID,
            status=status,
            at=at,
            onset_at=self.started_at,
            fired_at=at,
            source=AlertSource.PLATFORM,
            rule_id=RULE_ID,
            title=self.scenario.title,
            summary=self.scenario.summary,
            severity=self.scenario.severity,
            category=self.scenario.category,
            labels={"service": self.scenario.service},
            annotations={"over": "the drill is over"} if status is AlertStatus.RESOLVED else {},
        )
        return mark(event, self.drill_id)
