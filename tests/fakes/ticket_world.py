"""Incidents, the ticket job and a Jira over real HTTP, all in one test process. Time is what `now` says."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from domain.circuit_breaker import BreakerRules
from domain.incidents.lifecycle import Action, Request
from domain.incidents.view import IncidentView
from domain.tickets.document import document, paragraph, plain_text, words
from domain.tickets.rules import TicketRules
from domain.vocabulary import Severity
from resources.alerts.opening import open_incident_desk
from resources.breakers import process_breakers
from resources.clock import utc_now
from resources.incidents.desk import IncidentDesk, NewIncident
from resources.postgres.engine import make_engine, transaction
from resources.settings import Settings
from resources.simulator.jira import SIMULATED_JIRA_SECRET, SIMULATED_JIRA_TOKEN
from resources.simulator.jira_store import JiraStore
from resources.simulator.received import Fault
from resources.tickets.listener import load_ticket_rules
from resources.tickets.polling import Polled, poll
from resources.tickets.sync import Synced, TicketSync
from resources.tickets_jira import JiraSite, TicketsJira
from tests.fakes.notification import Estate, demo_rules
from tests.fakes.platform import Platform
from tests.fakes.receiving import Providers

US = "etlmon@example.com"
ANN = "ann@example.com"
BASE = "https://etlmon.example"


def jira_settings(settings: Settings, providers: Providers) -> Settings:
    """The settings with the simulated Jira in them."""
    return settings.model_copy(
        update={
            "jira_url": f"{providers.url}/receivers/jira",
            "jira_user": US,
            "jira_token": SecretStr(SIMULATED_JIRA_TOKEN),
            "jira_webhook_secret": SecretStr(SIMULATED_JIRA_SECRET),
        }
    )


class TicketWorld:
    """One database and one Jira, which begins empty."""

    def __init__(self, platform: Platform, providers: Providers, rules: TicketRules | None = None) -> None:
        self.providers = providers
        self.settings = jira_settings(platform.settings, providers)
        self.engine = make_engine(platform.url)
        self.rules = rules or load_ticket_rules(self.settings)
        self.now = utc_now()
        self.timeout_s = 15.0
        self.jira = providers.receivers.jira
        self.jira.store = JiraStore("", self._now_s)
        providers.book.clear()
        process_breakers().attach(None, BreakerRules())
        self.estate = Estate(self.engine, demo_rules())
        self.incidents: IncidentDesk = open_incident_desk(self.settings)

    def _now_s(self) -> float:
        return self.now.timestamp()

    def desk(self) -> TicketsJira:
        """The adapter, as impatient as the test wants it."""
        assert self.settings.jira_url is not None
        assert self.settings.jira_token is not None
        site = JiraSite(self.settings.jira_url, self.settings.jira_token, US, self.timeout_s)
        return TicketsJira(site, project=self.rules.project, issue_type=self.rules.issue_type)

    def open(self, severity: Severity = Severity.CRITICAL, **fields: Any) -> IncidentView:
        new = {
            "title": "Connection pool of the loader is empty",
            "summary": "Loads wait for a connection",
            "category": "infrastructure",
            "service": "loader",
            **fields,
        }
        with transaction(self.engine) as connection:
            return self.incidents.open(
                connection, NewIncident(severity=severity, onset_at=self.now, **new), now=self.now
            )

    def act(self, view: IncidentView, action: Action, **fields: Any) -> IncidentView:
        request = Request(action, fields.pop("actor", "ann"), fields.pop("cause", "api"), self.now, **fields)
        with transaction(self.engine) as connection:
            return self.incidents.act(connection, view.incident_id, request).view

    def sync(
        self, observe: Callable[[str], None] = lambda _: None, *, after_s: float = 0, only: int | None = None
    ) -> Synced:
        """One run of the job, some time later."""
        self.now += timedelta(seconds=after_s)
        work = TicketSync(
            self.engine, self.desk(), self.incidents, self.rules, base_url=BASE, observe=observe, timer=lambda: 0.0
        )
        return work.sync_due(now=self.now, only=only)

    def poll(self, *, after_s: float = 60) -> Polled:
        self.now += timedelta(seconds=after_s)
        return poll(self.engine, self.desk(), self.rules, now=self.now)

    def settle(self) -> None:
        """Until nothing is due and a poll finds nothing new."""
        for _ in range(10):
            self.sync(after_s=1)
            if not self.poll(after_s=1).changed and not self.sync(after_s=1).done:
                return
        raise AssertionError("it never comes to rest")

    def person(self, method: str, path: str, body: Any = None, *, who: str = ANN) -> Any:
        """What somebody does in Jira himself."""
        login = base64.b64encode(f"{who}:{SIMULATED_JIRA_TOKEN}".encode()).decode()
        answer = httpx.request(
            method,
            f"{self.settings.jira_url}/rest/api/3{path}",
            json=body,
            headers={"Authorization": f"Basic {login}"},
            trust_env=False,
            timeout=30,
        )
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def move(self, key: str, status: str, *, who: str = ANN) -> None:
        ways = self.person("GET", f"/issue/{key}/transitions")["transitions"]
        way = next(one["id"] for one in ways if one["name"] == status)
        fields = {"resolution": {"name": "Done"}} if status == "Done" else {}
        self.person("POST", f"/issue/{key}/transitions", {"transition": {"id": way}, "fields": fields}, who=who)

    def remark(self, key: str, text: str, *, who: str = ANN) -> None:
        self.person("POST", f"/issue/{key}/comment", {"body": document([paragraph(words(text))])}, who=who)

    def fail(self, **fault: Any) -> None:
        self.providers.book.set_fault("jira", Fault(**fault) if fault else None)

    def row(self, view: IncidentView) -> Any:
        (row,) = self.estate.ask(f"SELECT * FROM tickets WHERE incident_id = {view.incident_id}")
        return row

    def events(self, view: IncidentView, kind: str) -> list[Any]:
        return self.estate.ask(
            f"SELECT * FROM incident_events WHERE incident_id = {view.incident_id} AND kind = '{kind}' ORDER BY event_id"
        )

    def state(self, view: IncidentView) -> str:
        (row,) = self.estate.ask(f"SELECT state FROM incidents WHERE incident_id = {view.incident_id}")
        return str(row.state)

    def comments(self, key: str) -> list[str]:
        return [plain_text(one["body"]) for one in self.jira.store.issues[key].comments]


@contextmanager
def ticket_world(platform: Platform, providers: Providers, rules: TicketRules | None = None) -> Iterator[TicketWorld]:
    world = TicketWorld(platform, providers, rules)
    try:
        yield world
    finally:
        world.engine.dispose()
