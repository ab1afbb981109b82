"""What API and command line need of alerts and incidents, over one control plane; each part is made when it is first asked for."""

from __future__ import annotations

from functools import cached_property

from domain.detection.correlation import CorrelationPolicy
from resources.alerts.desk import AlertDesk
from resources.alerts.opening import open_incident_desk
from resources.alerts.policy import load_correlation_policy
from resources.alerts.silences import Silences
from resources.alerts.verdicts import Verdicts
from resources.control_plane import ControlPlane
from resources.drills.desk import DrillDesk
from resources.drills.faults_simulator import SimulatorFaults
from resources.drills.opening import load_drill_rules
from resources.incidents.desk import IncidentDesk
from resources.incidents.service import IncidentService


class AlertServices:
    """Holds nothing open."""

    def __init__(self, control: ControlPlane) -> None:
        self.control = control

    @cached_property
    def policy(self) -> CorrelationPolicy:
        """`rules/correlation.yaml`."""
        return load_correlation_policy(self.control.settings.rules_path)

    @cached_property
    def incidents(self) -> IncidentDesk:
        """With notifications behind it."""
        return open_incident_desk(self.control.settings)

    @cached_property
    def desk(self) -> AlertDesk:
        """Where events go."""
        return AlertDesk(self.incidents, self.policy)

    @cached_property
    def incident_service(self) -> IncidentService:
        """What people do to incidents."""
        return IncidentService(
            self.control.engine,
            self.control.audit,
            incidents=self.incidents,
            alerts=self.desk,
            people=lambda: self.control.notification_rules().people,
        )

    @cached_property
    def silences(self) -> Silences:
        """Silences, maintenance windows, allow-list."""
        return Silences(self.control.engine, self.control.audit, self.incidents)

    @cached_property
    def drills(self) -> DrillDesk:
        """Exercises."""
        faults = SimulatorFaults(self.control.settings.home)
        rules = load_drill_rules(self.control.settings)
        return DrillDesk(self.control.engine, self.desk, self.incidents, faults, rules)

    @cached_property
    def verdicts(self) -> Verdicts:
        """What people say of alerts."""
        return Verdicts(self.control.engine, self.control.audit)
