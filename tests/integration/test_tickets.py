"""Tickets both ways, over real HTTP with the simulated Jira: each once, none lost, no loop, whatever Jira answers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from domain.incidents.lifecycle import Action
from domain.incidents.view import IncidentView
from domain.tickets.document import document, paragraph, plain_text, words
from domain.tickets.rules import OwnField, TicketRules
from domain.vocabulary import Severity
from resources.inbound.opening import open_responses
from resources.notification.outbox import list_messages
from resources.postgres.engine import transaction
from tests.fakes.platform import Platform
from tests.fakes.receiving import Providers, providers
from tests.fakes.ticket_world import ANN, TicketWorld, ticket_world

pytestmark = pytest.mark.requirement("H1")
KEY = "ETLOPS-1"


@pytest.fixture(scope="module")
def jira() -> Iterator[Providers]:
    with providers() as running:
        yield running


@pytest.fixture
def world(platform: Platform, jira: Providers) -> Iterator[TicketWorld]:
    with ticket_world(platform, jira) as found:
        yield found


def opened(world: TicketWorld, severity: Severity = Severity.CRITICAL) -> IncidentView:
    """An incident whose ticket exists."""
    view = world.open(severity)
    assert world.sync().created == 1
    return view


def test_an_urgent_incident_has_a_ticket_that_follows_it_to_its_end_and_back(world: TicketWorld) -> None:
    own = {
        "customfield_10050": OwnField(value="service"),
        "customfield_10051": OwnField(value="onset_at", type="date-time"),
    }
    world.rules = world.rules.model_copy(update={"fields": own})
    world.jira.store.own_fields = {
        "customfield_10050": {"name": "Service", "required": True},
        "customfield_10051": {"name": "Onset"},
    }
    view, calm = opened(world), world.open(Severity.MEDIUM)
    world.settle()
    (issue,) = world.jira.store.issues.values()
    assert (issue.status, issue.priority) == ("To Do", "Highest")
    assert issue.others["summary"] == f"[CRITICAL] {view.code} Connection pool of the loader is empty"
    assert f"etlmon-{view.code}" in issue.others["labels"]
    assert issue.others["customfield_10050"] == "loader"
    assert "Loads wait for a connection" in plain_text(issue.others["description"])
    assert world.estate.ask(f"SELECT 1 FROM tickets WHERE incident_id = {calm.incident_id}") == []

    world.act(view, Action.ACKNOWLEDGE)
    world.act(view, Action.COMMENT, reason="the pool leaks")
    world.act(view, Action.SET_SEVERITY, severity=Severity.HIGH)
    world.settle()
    assert (issue.status, issue.priority) == ("In Progress", "High")
    world.move(KEY, "To Do")
    world.move(KEY, "In Progress")  # at the same time, not knowing of it
    world.act(view, Action.RESOLVE, actor="detection", cause="rule", reason="every alert is over")
    world.act(view, Action.CLOSE)
    world.settle()
    assert (issue.status, issue.resolution, world.state(view)) == ("Done", "Done", "CLOSED")
    world.act(view, Action.REOPEN)
    world.settle()
    assert issue.status == "To Do"
    said = [one.splitlines()[0] for one in world.comments(KEY)]
    assert said == [
        "Acknowledged by ann via api.",
        "ann: the pool leaks",
        "Severity is HIGH now, by ann.",
        "Resolved by detection. every alert is over",
        "Closed by ann.",
        "Reopened by ann.",
    ]
    assert [event.detail["ticket"] for event in world.events(view, "ticket-created")] == [KEY]
    echoes = world.estate.ask("SELECT kind, actor FROM incident_events WHERE actor LIKE 'jira:%'")
    assert echoes == [], "what we wrote there is not told here as news"
    before = len(world.providers.got("jira"))
    world.act(view, Action.ASSIGN, assignee="bob")
    world.settle()
    assert len(world.providers.got("jira")) == before + 1, "one comment, and no echo of our own changes"


@pytest.mark.requirement("E2")
def test_what_people_do_in_jira_happens_to_the_incident(world: TicketWorld) -> None:
    view = opened(world)
    world.settle()
    world.move(KEY, "In Progress")
    world.remark(KEY, "I restart the pool")
    bob = world.person("GET", "/myself", who="bob@example.com")["accountId"]
    world.person("PUT", f"/issue/{KEY}/assignee", {"accountId": bob})
    assert world.poll().changed == 1
    assert world.sync().heard == 3
    (row,) = world.estate.ask(f"SELECT * FROM incidents WHERE incident_id = {view.incident_id}")
    assert (row.state, row.acknowledged_by, row.assignee) == ("ACKNOWLEDGED", "jira:Ann", "jira:Bob")
    (timer,) = world.estate.ask(f"SELECT due_at FROM escalations WHERE incident_id = {view.incident_id}")
    assert timer.due_at is None, "escalation has stopped"
    (comment,) = world.events(view, "comment")
    assert (comment.actor, comment.cause, comment.detail["reason"]) == ("jira:Ann", "jira", "I restart the pool")
    world.settle()
    assert world.comments(KEY) == ["I restart the pool"], "what came from there is not told back"

    world.move(KEY, "Done")
    world.settle()
    assert world.state(view) == "RESOLVED"
    world.move(KEY, "In Progress", who="bob@example.com")
    world.settle()
    assert world.state(view) == "ACKNOWLEDGED"
    assert world.jira.store.issues[KEY].status == "In Progress"
    assert [one.actor for one in world.events(view, "reopen")] == ["jira:Bob"]

    other = world.open()
    world.settle()
    world.act(view, Action.MERGE, into=other.incident_id)
    world.settle()
    world.move(KEY, "In Progress")
    world.settle()
    assert world.state(view) == "CLOSED"
    (conflict, *_) = world.events(view, "ticket-conflict")
    assert "was merged into" in conflict.detail["reason"]


@pytest.mark.requirement("H3")
def test_key_three_of_a_call_makes_a_ticket_of_the_highest_priority(world: TicketWorld) -> None:
    from resources.control_plane import ControlPlane
    from resources.postgres.url import DatabaseUrl

    view = world.open(Severity.MEDIUM)
    url = DatabaseUrl.parse(world.settings.database_url.get_secret_value())  # type: ignore[union-attr]
    responses = open_responses(ControlPlane(world.settings, url, world.engine))
    with transaction(world.engine) as connection:
        responses.escalate(connection, view.incident_id, actor="ann", cause="ivr", now=world.now)
        responses.acknowledge(connection, view.incident_id, actor="ann", cause="ivr", now=world.now)
    world.settle()
    issue = world.jira.store.issues[KEY]
    assert (issue.priority, issue.status) == ("Highest", "In Progress")
    with transaction(world.engine) as connection:
        (message,), _ = list_messages(connection, channel="jira")
    assert (message.state, message.provider_id) == ("DELIVERED", KEY)

    urgent = world.open(Severity.HIGH)
    world.settle()
    with transaction(world.engine) as connection:
        responses.escalate(connection, urgent.incident_id, actor="ann", cause="ivr", now=world.now)
    world.settle()
    assert world.jira.store.issues["ETLOPS-2"].priority == "Highest"


class Killed(BaseException):
    """The process ends here, without any chance to write something down."""


def kill_at(step: str) -> Any:
    def observe(name: str) -> None:
        if name == step:
            raise Killed

    return observe


@pytest.mark.requirement("H7")
def test_killed_between_a_request_and_its_record_nothing_is_lost_or_done_twice(world: TicketWorld) -> None:
    for number, step in enumerate(("creating", "created", "moving", "moved", "commenting", "commented"), 1):
        view = world.open()
        if not step.startswith("creat"):
            world.settle()
        world.act(view, Action.ACKNOWLEDGE)
        world.act(view, Action.COMMENT, reason="on it")
        with pytest.raises(Killed):
            world.sync(kill_at(step), after_s=1)
        assert world.sync(after_s=30).done == 0, "its lease has not ended"
        world.sync(after_s=300)
        world.settle()
        found = [one for one in world.jira.store.issues.values() if f"etlmon-{view.code}" in one.others["labels"]]
        assert [one.status for one in found] == ["In Progress"], step
        assert len(world.comments(found[0].key)) == 2, step
        assert len(world.jira.store.issues) == number


def test_a_lost_answer_makes_no_second_ticket_and_what_remains_possible_is_told(world: TicketWorld) -> None:
    view = world.open()
    world.fail(is_cut=True, times=1)
    assert world.sync().delayed == 1
    assert (world.row(view).ticket_key, len(world.jira.store.issues)) == (None, 1)
    assert world.sync(after_s=60).done == 0, "a new ticket may not be found yet"
    assert world.sync(after_s=60).created == 1
    assert (world.row(view).ticket_key, len(world.jira.store.issues)) == (KEY, 1)
    assert world.events(view, "ticket-created")[0].detail["found_again"] is True

    world.settle()
    slow = world.open()
    world.jira.store.index_lag_s = 600
    world.fail(is_cut=True, times=1)
    world.sync()
    world.sync(after_s=120)
    assert len(world.jira.store.issues) == 3, "Jira's index lags longer than any lease: then there are two"
    world.jira.store.index_lag_s = 0
    world.settle()
    world.poll()
    (twin,) = world.events(slow, "ticket-conflict")
    assert twin.detail["ticket"] == "ETLOPS-2"


def failing(world: TicketWorld, view: IncidentView) -> str:
    row = world.row(view)
    assert row.due_at is None or row.due_at > world.now
    return str(row.last_error)


def test_every_refusal_has_an_outcome_and_holds_up_nothing_else(world: TicketWorld) -> None:
    view = opened(world)
    world.settle()
    world.jira.store.denied = {"ADD_COMMENTS"}
    world.act(view, Action.ACKNOWLEDGE)
    assert world.sync().refused == 1
    assert "HTTP 403" in failing(world, view)
    assert world.jira.store.issues[KEY].status == "In Progress", "what is allowed was done"
    assert len(world.events(view, "ticket-refused")) == 1
    world.jira.store.denied = set()
    assert world.sync(after_s=3_601).done == 1
    assert (world.row(view).last_error, len(world.comments(KEY))) == (None, 1)

    world.jira.store.transitions = {"11": "To Do", "21": "In Progress", "91": "Finito"}
    world.act(view, Action.RESOLVE)
    world.sync()
    assert "is In Progress and none of its transitions stands for RESOLVED; there are: Finito, To Do" in failing(
        world, view
    )
    world.jira.store.transitions["31"] = "Done"
    world.jira.store.workflow = {"To Do": {"In Progress"}}
    world.move(KEY, "To Do")
    world.jira.store.issues[KEY].history.clear()
    world.sync(after_s=3_601)
    world.settle()
    assert world.jira.store.issues[KEY].status == "Done", "by way of work in progress"

    world.jira.store.own_fields = {"customfield_10077": {"name": "Team", "required": True}}
    bare = world.open()
    world.sync()
    assert "customfield_10077: Team is required." in failing(world, bare)
    world.jira.store.own_fields = {}

    world.settings = world.settings.model_copy(update={"jira_token": SecretStr("a-token-that-was-revoked")})
    late = world.open()
    world.sync()
    assert "HTTP 401" in failing(world, late)
    assert "a-token-that-was-revoked" not in failing(world, late)
    assert world.row(late).is_possibly_created is False


def test_a_jira_that_is_slow_or_down_is_asked_later(world: TicketWorld) -> None:
    view = world.open()
    world.fail(status=429, retry_after_s=200, times=1)
    assert world.sync().delayed == 1
    assert (world.row(view).due_at - world.now).total_seconds() == 200
    world.fail(status=500, times=1)
    assert world.sync(after_s=201).delayed == 1
    assert world.row(view).is_possibly_created is False, "Jira itself says that it failed"
    assert world.sync(after_s=73).created == 1
    world.timeout_s = 0.2
    world.fail(hangs_s=0.6, times=1)
    world.act(view, Action.ACKNOWLEDGE)
    assert world.sync().delayed == 1
    assert "did not answer within" in failing(world, view)
    world.timeout_s = 15.0
    world.fail(is_cut=True, times=1)
    world.sync(after_s=37)
    assert "cannot be read" in failing(world, view)
    world.settle()
    world.sync(after_s=900)
    world.settle()
    assert world.jira.store.issues[KEY].status == "In Progress"

    world.settings = world.settings.model_copy(update={"jira_url": "http://127.0.0.1:9"})
    later = [world.open() for _ in range(5)]
    world.act(later[0], Action.ACKNOWLEDGE)
    assert world.sync().delayed == 3, "it is not asked for the others"
    assert world.state(later[0]) == "ACKNOWLEDGED"
    for _ in range(5):
        world.sync(after_s=1_000)
    assert "CIRCUIT_OPEN" in {world.row(one).last_error.partition(":")[0] for one in later}


def test_a_ticket_that_was_deleted_is_left_alone_until_somebody_asks(world: TicketWorld) -> None:
    view, kept = opened(world), world.open()
    world.settle()
    world.person("DELETE", f"/issue/{KEY}")
    world.act(view, Action.ACKNOWLEDGE)
    assert world.sync().gone == 1
    assert (world.row(view).status, world.row(view).due_at) == ("DELETED", None)
    assert len(world.events(view, "ticket-gone")) == 1
    world.act(view, Action.RESOLVE)
    assert world.sync(after_s=60).done == 0

    world.jira.store.denied = {"BROWSE_PROJECTS"}
    world.jira.store.project = "ELSEWHERE"
    world.act(kept, Action.ACKNOWLEDGE)
    assert world.sync().refused == 1, "the whole project is out of sight: nothing was deleted"
    assert world.row(kept).is_gone is False


def test_polling_finds_incidents_without_a_ticket_and_tickets_that_moved(world: TicketWorld) -> None:
    view = world.open()
    with transaction(world.engine) as connection:
        connection.execute(text("DELETE FROM tickets"))  # opened before there was a Jira
    assert world.poll().missing == 1
    world.settle()
    world.jira.store.rename(world.jira.store.issues[KEY], "OPS-7")
    world.remark("OPS-7", "moved to us")
    world.settle()
    assert world.row(view).ticket_key == "OPS-7"
    assert [one.detail["reason"] for one in world.events(view, "comment")] == ["moved to us"]
    assert world.poll().changed == 0


def test_many_comments_all_arrive_once_and_in_order(world: TicketWorld) -> None:
    view = opened(world)
    for number in range(23):
        world.act(view, Action.COMMENT, reason=f"note {number}")
    world.settle()
    assert [one.splitlines()[0] for one in world.comments(KEY)] == [f"ann: note {number}" for number in range(23)]
    store = world.jira.store
    for number in range(120):  # more than one page
        store.comment(store.issues[KEY], store.account(ANN), document([paragraph(words(f"answer {number}"))]))
    world.settle()
    assert [one.detail["reason"] for one in world.events(view, "comment")][23:] == [f"answer {n}" for n in range(120)]


def test_workers_side_by_side_make_each_ticket_once(world: TicketWorld) -> None:
    views = [world.open() for _ in range(8)]
    with ThreadPoolExecutor(3) as threads:
        created = sum(one.created for one in threads.map(lambda _: world.sync(), range(3)))
    assert created == len(world.jira.store.issues) == len(views)


def test_broken_rules_keep_no_incident_from_being_told(platform: Platform, jira: Providers, tmp_path: Any) -> None:
    import shutil

    from resources.alerts.opening import open_incident_desk
    from resources.rule_files import shipped_rules

    shutil.copytree(shipped_rules(), tmp_path / "rules")
    (tmp_path / "rules" / "tickets.yaml").write_text("project: [")
    with ticket_world(platform, jira) as world:
        world.settings = world.settings.model_copy(update={"rules_path": tmp_path / "rules"})
        world.incidents = open_incident_desk(world.settings)
        view = world.open()
        assert world.estate.rows(f"incident_id = {view.incident_id} AND kind = 'opened'")
        assert isinstance(world.rules, TicketRules)
        assert world.poll().missing == 1, "found as soon as the rules are good again"
