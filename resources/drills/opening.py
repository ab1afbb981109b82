"""The drill desk of an installation."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from domain.drills.scenario import DrillRules
from resources.alerts.desk import AlertDesk
from resources.alerts.opening import open_incident_desk
from resources.alerts.policy import load_correlation_policy
from resources.drills.desk import DrillDesk
from resources.drills.faults_simulator import SimulatorFaults
from resources.drills.rows import find_open_drill
from resources.postgres.engine import transaction
from resources.rule_files import load_rule_file, shipped_rules
from resources.settings import Settings


def load_drill_rules(settings: Settings) -> DrillRules:
    """`rules/drills.yaml`; a rules folder without it has the shipped scenarios.

    Raises:
        RuleFileError: unreadable or malformed, with file, line and field.
    """
    own = settings.rules_path / "drills.yaml" if settings.rules_path else None
    return load_rule_file(own if own and own.exists() else shipped_rules() / "drills.yaml", DrillRules)


def open_drill_desk(settings: Settings, engine: Engine) -> DrillDesk:
    """With everything that follows from an alert behind it.

    Raises:
        RuleFileError: a rule file is malformed.
    """
    incidents = open_incident_desk(settings)
    alerts = AlertDesk(incidents, load_correlation_policy(settings.rules_path))
    return DrillDesk(engine, alerts, incidents, SimulatorFaults(settings.home), load_drill_rules(settings))


def is_drill_due(settings: Settings, engine: Engine, *, now: datetime) -> bool:
    """Whether a drill waits for `DrillDesk.advance`; while none is under way one statement answers, and no rule file is read."""
    with transaction(engine) as connection:
        if find_open_drill(connection) is None:
            return False
    return open_drill_desk(settings, engine).is_due(now=now)
