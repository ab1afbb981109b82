"""POST /api/v1/webhooks/alertmanager: alerts of Prometheus' Alertmanager, JSON version 4 (E4).

The credential is the token of HOME/secrets/webhooks.token as `Authorization: Bearer`; Alertmanager sends it with
`http_config.authorization.credentials_file`.
"""

from __future__ import annotations

from fastapi import APIRouter

from api.access import allow
from api.alerting import Services
from api.wire import WireModel
from domain.detection.alertmanager import AlertmanagerMessage
from resources.alerts.webhook import receive_message
from resources.clock import utc_now
from resources.postgres.engine import transaction

router = APIRouter(prefix="/api/v1/webhooks", tags=["alerts"])


class WebhookAnswer(WireModel):
    """What became of a message; `is_duplicate` when it was handled before."""

    alerts: int
    is_duplicate: bool
    new_alerts: int = 0
    opened: tuple[int, ...] = ()
    joined: tuple[int, ...] = ()


@router.post("/alertmanager")
@allow("alerts", "send")
def receive_alertmanager(services: Services, message: AlertmanagerMessage) -> WebhookAnswer:
    """Take a message in. 200 means that everything that follows from it is stored; any other answer makes Alertmanager try again."""
    with transaction(services.control.engine) as connection:
        found = receive_message(connection, services.desk, services.policy, message, now=utc_now())
    if found is None:
        return WebhookAnswer(alerts=len(message.alerts), is_duplicate=True)
    return WebhookAnswer(
        alerts=len(message.alerts),
        is_duplicate=False,
        new_alerts=found.new_alerts,
        opened=found.opened,
        joined=found.joined,
    )
