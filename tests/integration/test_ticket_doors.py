"""Tickets from outside: Jira's webhooks, the command line, the doctor, the job and its sensor."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from dagster import DagsterInstance, RunRequest, SkipReason, build_sensor_context
from pydantic import SecretStr
from sqlalchemy import text

from api.cli.main import main
from domain.incidents.lifecycle import Action
from domain.vocabulary import Severity
from resources.dagster_bindings import PlatformResource
from resources.doctor.tickets import check_tickets
from resources.postgres.engine import transaction
from resources.simulator.jira import SIMULATED_JIRA_SECRET, SIMULATED_JIRA_TOKEN
from sensors.tickets import tickets, tickets_due
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform
from tests.fakes.receiving import Providers, providers, wait_for
from tests.fakes.ticket_world import US, TicketWorld, ticket_world

pytestmark = pytest.mark.requirement("H1")
KEY = "ETLOPS-1"
HOOK = "/api/v1/webhooks/jira"


@pytest.fixture(scope="module")
def jira() -> Iterator[Providers]:
    with providers() as running:
        yield running


@pytest.fixture
def world(platform: Platform, jira: Providers) -> Iterator[TicketWorld]:
    with ticket_world(platform, jira) as found:
        yield found
    jira.receivers.jira.webhook_url = ""


@pytest.fixture
def terminal(world: TicketWorld, monkeypatch: pytest.MonkeyPatch) -> TicketWorld:
    """The same as somebody at a terminal of that machine has it."""
    assert world.settings.database_url is not None
    monkeypatch.setenv("ETLMON_HOME", str(world.settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", world.settings.database_url.get_secret_value())
    monkeypatch.setenv("ETLMON_JIRA_URL", str(world.settings.jira_url))
    monkeypatch.setenv("ETLMON_JIRA_USER", US)
    monkeypatch.setenv("ETLMON_JIRA_TOKEN", SIMULATED_JIRA_TOKEN)
    return world


def post(api: LiveApi, body: bytes, *, secret: str = SIMULATED_JIRA_SECRET, **headers: str) -> httpx.Response:
    signature = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    given = {"X-Hub-Signature": signature, "Content-Type": "application/json; charset=UTF-8", **headers}
    return api.client.post(HOOK, content=body, headers=given)


@pytest.mark.requirement("E2")
def test_jira_acknowledges_by_webhook_within_moments(platform: Platform, world: TicketWorld, jira: Providers) -> None:
    view = world.open()
    world.settle()
    with live_api(world.settings, platform.url) as api:
        jira.receivers.jira.webhook_url = f"{api.url}{HOOK}"
        world.move(KEY, "In Progress")
        wait_for(lambda: world.state(view) == "ACKNOWLEDGED", deadline_s=30)
        world.remark(KEY, "looking")
        wait_for(lambda: world.events(view, "comment"), deadline_s=30)
        jira.receivers.jira.webhook_url = ""

        event = orjson.dumps({"webhookEvent": "jira:issue_updated", "issue": {"key": KEY}})
        named = {"X-Atlassian-Webhook-Identifier": "delivery-1"}
        with transaction(world.engine) as connection:
            before = connection.execute(text("SELECT changes FROM tickets")).scalar_one()
        answers = [post(api, event, **named) for _ in range(3)]
        assert [one.json() for one in answers] == [{"outcome": "noted"}] * 3
        with transaction(world.engine) as connection:
            assert connection.execute(text("SELECT changes FROM tickets")).scalar_one() == before + 1, "each once"
        for other in (
            {"issue": {"key": "OTHER-9"}},
            {"issue": {"key": "x' OR 1=1"}},
            {"webhookEvent": "sprint_started"},
        ):
            answer = post(api, orjson.dumps(other))
            assert (answer.status_code, answer.json()) == (200, {"outcome": "ignored"})
        assert post(api, event, secret="guessed").status_code == 403
        assert api.client.post(HOOK, json={"issue": {"key": KEY}}).status_code == 403
        assert post(api, event, **{"X-Hub-Signature": "sha1=0000"}).status_code == 403
        for body in (b"", b"[1]", b"{", b'"text"', b'{"issue": 7}', b'{"issue": {"key": "A-1\\u0000"}}'):
            assert post(api, body).status_code in {400, 422}, body


def test_the_job_does_what_is_due_and_the_sensor_starts_it_only_then(
    terminal: TicketWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> Any:
        context = build_sensor_context(resources={"platform": PlatformResource()})
        return tickets_due(context)

    view = terminal.open()
    request = asked()
    assert isinstance(request, RunRequest)
    assert request.run_key is not None
    assert request.run_key.startswith("tickets-")
    (tmp_path / "dagster").mkdir()
    facts: dict[str, Any] = {}
    with DagsterInstance.ephemeral(tempdir=str(tmp_path / "dagster")) as instance:
        done = tickets.execute_in_process(instance=instance, resources={"platform": PlatformResource()})
        for event in done.all_events:
            if event.is_successful_output:
                facts |= {name: value.value for name, value in event.step_output_data.metadata.items()}
    assert done.success
    assert (facts["created"], terminal.row(view).ticket_key) == (1, KEY)
    assert isinstance(asked(), SkipReason), "the poll was a moment ago and nothing is due"
    monkeypatch.delenv("ETLMON_JIRA_URL")
    terminal.act(view, Action.ACKNOWLEDGE)
    skipped = asked()
    assert isinstance(skipped, SkipReason)
    assert "not set up" in str(skipped.skip_message)


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert (ended.value.code or 0) == code
    told = capsys.readouterr()
    return told.err if code == 2 else told.out


def test_tickets_from_the_terminal(terminal: TicketWorld, capsys: pytest.CaptureFixture[str]) -> None:
    view, calm = terminal.open(), terminal.open(Severity.LOW)
    assert "1 brought up to date, 1 created" in run(capsys, "ticket", "sync", view.code)
    assert KEY in run(capsys, "ticket", "list")
    assert json.loads(run(capsys, "ticket", "show", view.code, "--json"))["ticket_key"] == KEY
    assert f"{calm.code} has no ticket" in run(capsys, "ticket", "show", calm.code, code=2)
    assert "1 created" in run(capsys, "ticket", "sync", calm.code)
    assert "there is no INC-9999" in run(capsys, "ticket", "sync", "INC-9999", code=2)

    terminal.jira.store.denied = {"ADD_COMMENTS"}
    terminal.act(view, Action.COMMENT, reason="hello")
    assert "1 refused" in run(capsys, "ticket", "sync", view.code, code=1)
    assert "HTTP 403" in run(capsys, "ticket", "list", "--failing")
    assert "1 refused" in run(capsys, "ticket", "sync", view.code, code=1)
    terminal.jira.store.denied = set()
    assert "1 brought up to date" in run(capsys, "ticket", "retry")
    assert run(capsys, "ticket", "list", "--failing") == "no tickets\n"

    page = httpx.get(f"{terminal.settings.jira_url}/browse/{KEY}", trust_env=False)
    assert "Connection pool of the loader is empty" in page.text
    assert httpx.get(f"{terminal.settings.jira_url}/browse/NO-1", trust_env=False).status_code == 404
    terminal.person("DELETE", f"/issue/{KEY}")
    assert "1 deleted over there" in run(capsys, "ticket", "sync", view.code)
    assert "1 created" in run(capsys, "ticket", "retry", view.code)
    assert len(terminal.jira.store.issues) == 2
    who = terminal.estate.ask("SELECT DISTINCT action FROM audit_entries WHERE action LIKE 'ticket.%' ORDER BY 1")
    assert [row.action for row in who] == ["ticket.retry", "ticket.sync"]


def test_the_doctor_says_exactly_what_jira_lacks(terminal: TicketWorld, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--json"])
    (found,) = [one for one in json.loads(capsys.readouterr().out) if one["check"] == "Jira" and one["verdict"] != "ok"]
    assert "no webhook secret" in found["detail"]

    def asked(**changes: Any) -> list[tuple[str, str]]:
        settings = terminal.settings.model_copy(update={"public_url": "https://etlmon.example", **changes})
        return [(one.verdict.value, one.detail) for one in check_tickets(settings)]

    assert asked() == [("ok", "tickets are created in ETLOPS as Incident, and followed")]
    store = terminal.jira.store
    store.denied = {"ADD_COMMENTS", "TRANSITION_ISSUES"}
    store.own_fields = {"customfield_10077": {"name": "Team", "required": True}}
    store.transitions = {"11": "To Do", "31": "Finito"}
    said = asked()
    for complaint in (
        ("problem", "our account lacks permissions in ETLOPS: ADD_COMMENTS, TRANSITION_ISSUES"),
        ("problem", "the field Team (customfield_10077) is required and would be missing"),
        ("warning", "no status of Incident is named under transitions.RESOLVED; there are To Do, Finito"),
        ("warning", "moving a ticket to Finito means nothing here"),
    ):
        assert complaint in said
    store.issue_types = ("Task", "Bug")
    assert ("problem", "ETLOPS has no issue type 'Incident'; it has Bug, Task") in asked()
    store.project = "OTHER"
    assert "there is no project ETLOPS for our account" in asked()[0][1]
    assert "HTTP 401" in asked(jira_token=SecretStr("not-the-token-at-all"))[0][1]
    assert "cannot reach" in asked(jira_url="http://127.0.0.1:9")[0][1]
    assert "no API token" in asked(jira_token=None)[0][1]
    assert [verdict for verdict, _ in asked(jira_url=None)] == ["ok"]
    secret = terminal.settings.home / "secrets" / "jira.token"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text(f"{SIMULATED_JIRA_TOKEN}\n")
    store.project, store.issue_types, store.denied, store.own_fields = "ETLOPS", ("Incident",), set(), {}
    assert "problem" not in {verdict for verdict, _ in asked(jira_token=None)}, "the token of the secret file is good"
