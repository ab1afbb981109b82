"""The drill desk of an installation."""

from __future__ import annotations

from sqlalchemy import Engine

from domain.drills.scenario import DrillRules
from resources.alerts.desk import AlertDesk
from resources.alerts.opening import open_incident_desk
from resources.alerts.policy import load_correlation_policy
from resources.drills.desk import DrillDesk
from resources.drills.faults_simulator import SimulatorFaults
from resources.rule_files import load_rule_file, shipped_rules
from resources.settings import Settings


def open_drill_desk(settings: Settings, engine: Engine) -> DrillDesk:
    """With everything that follows from an alert behind it.

    Raises:
        RuleFileError: a rule file is malformed.
    """
    incidents = open_incident_desk(settings)
    alerts = AlertDesk(incidents, load_correlation_policy(settings.rules_path))
    path = (settings.rules_path or shipped_rules()) / "drills.yaml"
    rules = load_rule_file(path if path.exists() else shipped_rules() / "drills.yaml", DrillRules)
    return DrillDesk(engine, alerts, incidents, SimulatorFaults(settings.home), rules)
