"""Puts the responses of a process together from its control plane."""

from __future__ import annotations

from domain.incidents.sla import SlaPolicy
from resources.control_plane import ControlPlane
from resources.inbound.responses import Responses
from resources.incidents.desk import IncidentDesk
from resources.notification.desk import NotificationDesk
from resources.notification.rule_store import RuleStore
from resources.rule_files import load_rule_file, shipped_rules
from resources.tickets.listener import with_tickets


def open_responses(control: ControlPlane) -> Responses:
    """Desks over the rules of this installation. Nothing is connected."""
    settings = control.settings
    base_url = settings.public_url or f"http://{settings.api_host}:{settings.api_port}"
    rules = RuleStore(settings)
    notifications = NotificationDesk(rules, base_url=base_url)
    policy = load_rule_file((settings.rules_path or shipped_rules()) / "sla.yaml", SlaPolicy)
    return Responses(
        IncidentDesk(policy, listener=with_tickets(settings, notifications.on_incident)), notifications, rules
    )
