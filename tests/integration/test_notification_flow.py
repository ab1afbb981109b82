"""From an incident to people: tiers, escalation, acknowledgement, changes of severity; on PostgreSQL, through channels that record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.incidents.lifecycle import Action
from domain.notification.escalation import Policy
from domain.vocabulary import Severity
from tests.fakes.notification import START, Estate, demo_rules, estate_on
from tests.fakes.platform import Platform


@pytest.fixture
def estate(platform: Platform) -> Iterator[Estate]:
    with estate_on(platform) as one:
        yield one


TIERS = [
    (Severity.CRITICAL, {"voice", "sms", "email", "slack"}, 300),
    (Severity.HIGH, {"sms", "email", "slack"}, 900),
    (Severity.MEDIUM, {"email", "slack"}, 3600),
    (Severity.LOW, {"slack"}, None),
]


@pytest.mark.requirement("H2")
@pytest.mark.parametrize(("severity", "channels", "wait_s"), TIERS)
def test_each_severity_has_its_channels_and_its_time(
    estate: Estate, severity: Severity, channels: set[str], wait_s: int | None
) -> None:
    view = estate.open(severity)
    estate.deliver()
    (person,) = {one.recipient for one in estate.sent()}
    assert estate.told() == sorted(("opened", channel, person) for channel in channels)
    key = f"incident:{view.incident_id}:opened:slack:{person}"
    assert estate.channels["slack"].keys == {key: 1}  # type: ignore[index]
    estate.forget()
    if wait_s is None:
        estate.tick(86_400)
        assert estate.told() == []
        return
    estate.tick(wait_s - 1)
    assert estate.told() == [], "not before its time"
    estate.tick(1)
    assert {one[0] for one in estate.told()} == {"escalated"}
    assert {one[1] for one in estate.told()} == channels
    assert {one[2] for one in estate.told()} != {person}, "the second line"


@pytest.mark.requirement("E2")
def test_nobody_acknowledges_until_the_manager_is_told(estate: Estate) -> None:
    estate.open(Severity.CRITICAL)
    estate.deliver()
    told = []
    for _ in range(12):
        estate.forget()
        estate.tick(300)
        told.append(sorted({one[2] for one in estate.told()}))
    second, team = told[0], told[1]
    assert len(second) == 1
    assert team == ["ann", "ben", "cleo", "team:data-platform"], "members by phone, the team in its own channels"
    assert told[2:6] == [told[2], second, team, ["mia"]], "the round is repeated once, then the manager"
    assert told[6:] == [[]] * 6
    (row,) = estate.ask("SELECT * FROM escalations")
    assert (row.due_at, row.stopped_reason) == (None, "nobody acknowledged")


@pytest.mark.requirement("E2")
def test_acknowledging_stops_calls_and_escalation_and_tells_those_who_were_told(estate: Estate) -> None:
    view = estate.open(Severity.CRITICAL)
    estate.deliver()
    estate.forget()
    estate.tick(300)
    estate.forget()
    estate.later(10)
    estate.act(view.incident_id, Action.ACKNOWLEDGE, actor="ann")
    estate.act(view.incident_id, Action.ACKNOWLEDGE, actor="ben")
    for _ in range(4):
        estate.tick(300)
    assert {one[0] for one in estate.told()} == {"acknowledged"}
    assert {one[1] for one in estate.told()} == {"email", "slack"}
    assert len({one[2] for one in estate.told()}) == 2, "first and second line"
    (row,) = estate.ask("SELECT * FROM escalations")
    assert row.stopped_reason == "acknowledged by ann"


@pytest.mark.requirement("E2")
def test_acknowledged_before_anything_went_out(estate: Estate) -> None:
    view = estate.open(Severity.CRITICAL)
    estate.later(1)
    estate.act(view.incident_id, Action.ACKNOWLEDGE)
    estate.deliver()
    kinds = {(one[0], one[1]) for one in estate.told()}
    assert ("opened", "voice") not in kinds, "no call about what somebody has taken"
    assert {("opened", "sms"), ("opened", "email"), ("opened", "slack")} <= kinds, "the rest informs"
    assert [row.state for row in estate.rows("channel = 'voice'")] == ["CANCELLED"]


@pytest.mark.requirement("H2")
def test_more_urgent_adds_channels_and_hurries_less_urgent_slows_down(estate: Estate) -> None:
    view = estate.open(Severity.MEDIUM)
    estate.deliver()
    estate.forget()
    estate.later(60)
    estate.act(view.incident_id, Action.SET_SEVERITY, severity=Severity.CRITICAL)
    estate.deliver()
    assert {one[1] for one in estate.told()} == {"voice", "sms", "email", "slack"}
    (row,) = estate.ask("SELECT * FROM escalations")
    assert (row.due_at, row.severity) == (estate.now + timedelta(seconds=300), "CRITICAL")
    estate.forget()
    estate.later(60)
    estate.act(view.incident_id, Action.SET_SEVERITY, severity=Severity.LOW)
    estate.tick()
    assert {(one[0], one[1]) for one in estate.told()} == {("updated", "email"), ("updated", "slack")}
    assert estate.ask("SELECT due_at FROM escalations")[0].due_at is None


@pytest.mark.requirement("E2")
def test_snoozing_pauses_and_waking_counts_a_whole_wait(estate: Estate) -> None:
    view = estate.open(Severity.HIGH)
    estate.tick()
    estate.forget()
    estate.later(600)
    estate.act(view.incident_id, Action.SNOOZE, until=estate.now + timedelta(hours=2))
    estate.tick(7200)
    assert estate.told() == []
    estate.act(view.incident_id, Action.WAKE)
    estate.tick(899)
    assert estate.told() == []
    estate.tick(1)
    assert {one[0] for one in estate.told()} == {"escalated"}


@pytest.mark.requirement("E1")
def test_reopening_begins_anew_and_resolving_tells(estate: Estate) -> None:
    view = estate.open(Severity.HIGH)
    estate.tick()
    estate.later(10)
    estate.act(view.incident_id, Action.RESOLVE)
    estate.forget()
    estate.tick(900)
    assert {one[0] for one in estate.told()} == {"resolved"}
    estate.forget()
    estate.act(view.incident_id, Action.REOPEN)
    estate.tick()
    assert {(one[0], one[1]) for one in estate.told()} == {("opened", "sms"), ("opened", "email"), ("opened", "slack")}
    estate.forget()
    estate.tick(900)
    assert {one[0] for one in estate.told()} == {"escalated"}


@pytest.mark.requirement("E5")
def test_drills_are_marked(estate: Estate) -> None:
    estate.open(Severity.CRITICAL, is_drill=True)
    estate.tick()
    assert len(estate.sent()) == 4
    assert all(one.is_drill and one.facts["is_drill"] for one in estate.sent())


def test_facts_carry_what_the_texts_need(estate: Estate) -> None:
    view = estate.open(Severity.LOW)
    estate.deliver()
    (message,) = estate.sent()
    facts = message.facts
    assert (facts["code"], facts["service"], facts["impact"]) == (view.code, "loader", "Loads wait")
    assert facts["detected_at"] == START.isoformat()
    assert facts["incident_url"] == f"https://etlmon.example/incidents/{view.code}"
    paged = estate.ask("SELECT * FROM incident_events WHERE kind = 'paged'")
    assert paged[0].detail["to"] == {message.recipient: ["slack"]}
    assert message.address not in str(paged[0].detail), "addresses stay out of the timeline"


@pytest.mark.requirement("H6")
def test_nobody_on_call_means_the_manager_not_silence(platform: Platform) -> None:
    rules = demo_rules()
    schedule = rules.schedules["primary"].model_copy(
        update={
            "layers": [
                rules.schedules["primary"].layers[0].model_copy(update={"starts_on": START.date() + timedelta(days=30)})
            ]
        }
    )
    with estate_on(platform, demo_rules(schedules={**rules.schedules, "primary": schedule})) as estate:
        estate.open(Severity.CRITICAL)
        estate.deliver()
        assert {one[2] for one in estate.told()} == {"mia"}
        (event,) = estate.ask("SELECT * FROM incident_events WHERE kind = 'paged'")
        assert "primary has nobody now" in event.detail["notes"][0]


def test_without_any_policy_it_is_said_and_mended_later(platform: Platform) -> None:
    with estate_on(platform, demo_rules(policies={}, routes=[])) as estate:
        estate.open(Severity.CRITICAL)
        estate.tick(61)
        assert estate.told() == []
        assert estate.ask("SELECT * FROM incident_events WHERE kind = 'nobody-paged'")
        estate.rules = demo_rules()
        estate.tick(61)
        assert {one[0] for one in estate.told()} == {"opened"}
        estate.forget()
        estate.tick(300)
        assert {one[0] for one in estate.told()} == {"escalated"}


def test_a_step_with_its_own_wait(platform: Platform) -> None:
    policy = demo_rules().policies["data-platform"].model_dump()
    policy["steps"][0]["wait_s"] = 60
    with estate_on(platform, demo_rules(policies={"data-platform": Policy.model_validate(policy)})) as estate:
        estate.open(Severity.CRITICAL)
        estate.tick()
        estate.forget()
        estate.tick(60)
        assert {one[0] for one in estate.told()} == {"escalated"}
