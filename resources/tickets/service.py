"""Tickets of one installation, put together from its settings: the desk, the work that is due, the question whether any is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import Engine, text

from domain.errors import ConfigurationError, EtlmonError
from domain.tickets.rules import TicketRules
from resources.alerts.opening import open_incident_desk
from resources.json_logs import get_logger
from resources.notification.outcomes import words_of
from resources.notification.service import base_url_of
from resources.postgres.engine import transaction
from resources.secret_registry import register_secret
from resources.settings import Settings
from resources.tickets.listener import load_ticket_rules
from resources.tickets.polling import Polled, is_poll_due, poll
from resources.tickets.sync import Synced, TicketSync
from resources.tickets_jira import JiraSite, TicketsJira

_DUE = text(
    "SELECT EXISTS (SELECT FROM tickets WHERE due_at <= :now AND NOT is_gone AND (locked_until IS NULL OR locked_until <= :now))"
    " OR EXISTS (SELECT FROM outbox WHERE state = 'PENDING' AND due_at <= :now AND channel = 'jira')"
)


@dataclass(frozen=True, slots=True)
class TicketRun:
    """What one run of the job did; `poll_error` when the desk could not be asked for changes."""

    synced: Synced
    polled: Polled
    poll_error: str = ""


def token_of(settings: Settings) -> SecretStr | None:
    """Of the environment, or of the secret file."""
    if settings.jira_token:
        return settings.jira_token
    path = settings.home / "secrets" / "jira.token"
    try:
        content = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", suggestion="make it readable for the platform") from None
    return SecretStr(content) if content else None


def desk_of(settings: Settings, rules: TicketRules) -> TicketsJira:
    """The Jira of the settings. No request is made.

    Raises:
        ConfigurationError: it is not set up.
    """
    token = token_of(settings)
    if settings.jira_url is None or token is None:
        missing = "ETLMON_JIRA_URL" if settings.jira_url is None else "ETLMON_JIRA_TOKEN or HOME/secrets/jira.token"
        raise ConfigurationError(f"Jira is not set up: {missing} is missing", suggestion="set it and restart")
    if settings.jira_webhook_secret:
        register_secret(settings.jira_webhook_secret.get_secret_value())
    site = JiraSite(settings.jira_url, token, settings.jira_user)
    return TicketsJira(site, project=rules.project, issue_type=rules.issue_type)


def sync_of(settings: Settings, engine: Engine, rules: TicketRules | None = None) -> TicketSync:
    """The work of the ticket job.

    Raises:
        ConfigurationError: Jira is not set up, or the rules are broken.
    """
    rules = rules or load_ticket_rules(settings)
    desk = desk_of(settings, rules)
    return TicketSync(engine, desk, open_incident_desk(settings), rules, base_url=base_url_of(settings))


def run_tickets(settings: Settings, engine: Engine, *, now: datetime) -> TicketRun:
    """Ask for changes if that is due, then bring together what is due. A desk that cannot be asked is no failed run."""
    rules = load_ticket_rules(settings)
    polled, trouble = Polled(), ""
    with transaction(engine) as connection:
        is_due = is_poll_due(connection, rules, now=now)
    if is_due:
        try:
            polled = poll(engine, desk_of(settings, rules), rules, now=now)
        except EtlmonError as error:
            trouble = words_of(error)
            get_logger(__name__).warning("Jira was not asked for changes", reason=trouble)
    return TicketRun(sync_of(settings, engine, rules).sync_due(now=now), polled, trouble)


def sync_at_once(settings: Settings, engine: Engine, incident_id: int, *, now: datetime) -> None:
    """One ticket, right now, because a webhook told of it. Whatever fails is left to the job, for which the ticket is due."""
    try:
        sync_of(settings, engine).sync_due(now=now, only=incident_id)
    except EtlmonError as error:
        get_logger(__name__).warning(
            "a webhook of Jira waits for the job", incident=incident_id, reason=words_of(error)
        )


def is_set_up(settings: Settings) -> bool:
    """Whether there is a Jira and a token for it."""
    return settings.jira_url is not None and token_of(settings) is not None


def is_work_due(settings: Settings, engine: Engine, *, now: datetime) -> bool:
    """Asked at every tick: two questions that indexes answer."""
    with transaction(engine) as connection:
        if connection.execute(_DUE, {"now": now}).scalar_one():
            return True
        return is_poll_due(connection, load_ticket_rules(settings), now=now)
