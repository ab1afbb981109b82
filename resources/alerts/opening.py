"""The alert desk of an installation, with everything that follows from an incident behind it."""

from __future__ import annotations

from domain.incidents.sla import SlaPolicy
from resources.alerts.desk import AlertDesk
from resources.alerts.policy import load_correlation_policy
from resources.incidents.desk import IncidentDesk
from resources.notification.desk import NotificationDesk
from resources.notification.rule_store import RuleStore
from resources.rule_files import load_rule_file, shipped_rules
from resources.settings import Settings
from resources.tickets.listener import with_tickets


def open_incident_desk(settings: Settings) -> IncidentDesk:
    """Incidents whose changes are told to whom the notification rules name."""
    folder = settings.rules_path or shipped_rules()
    base_url = settings.public_url or f"http://{settings.api_host}:{settings.api_port}"
    notifications = NotificationDesk(RuleStore(settings), base_url=base_url)
    return IncidentDesk(
        load_rule_file(folder / "sla.yaml", SlaPolicy), listener=with_tickets(settings, notifications.on_incident)
    )


def open_alert_desk(settings: Settings) -> AlertDesk:
    """Alerts that become incidents.

    Raises:
        RuleFileError: a rule file is malformed.
    """
    return AlertDesk(open_incident_desk(settings), load_correlation_policy(settings.rules_path))
