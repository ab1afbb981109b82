"""Alerts, silences, windows, verdicts and `why` over HTTP, as an operator and a viewer meet them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.access.permissions import Role
from resources.clock import utc_now
from tests.fakes.alert_world import NOON, AlertWorld, make_event, make_world
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("D7")
SERVICE = [{"label": "service", "op": "=", "value": "loader"}]


@pytest.fixture
def world(platform: Platform) -> Iterator[AlertWorld]:
    found = make_world(platform)
    yield found
    found.engine.dispose()


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    with live_api(platform.settings, platform.url) as running:
        running.add_user("olga", Role.OPERATOR)
        running.add_user("vera", Role.VIEWER)
        yield running


@pytest.fixture
def olga(api: LiveApi) -> dict[str, str]:
    return api.bearer("olga")


def later(**length: float) -> str:
    return (utc_now() + timedelta(**length)).isoformat()


def fire(world: AlertWorld, **labels: str) -> None:
    """Now, by the clock of the API."""
    minutes = (utc_now() - NOON).total_seconds() / 60
    world.receive(make_event(minutes, **labels))


def test_a_silence_from_preview_to_end(api: LiveApi, olga: dict[str, str], world: AlertWorld) -> None:
    fire(world, service="loader")
    fire(world, service="auth")
    seen = api.client.post("/api/v1/silences/preview", json={"matchers": SERVICE}, headers=api.bearer("vera")).json()
    assert (seen["firing"], seen["lastDay"], seen["byRule"]) == (1, 1, {"api-latency-p99": 1})
    body = {"matchers": SERVICE, "endsAt": later(hours=1), "reason": "moving the database"}
    made = api.client.post("/api/v1/silences", json=body, headers=olga)
    assert made.status_code == 201, made.text
    silence_id = made.json()["silenceId"]
    alerts = api.client.get("/api/v1/alerts", params={"label": "service=loader"}, headers=olga).json()["items"]
    assert "silenced" in world.timeline(alerts[0]["incidentId"])  # what is open already is told so
    fire(world, service="loader", pod="p2")
    held = api.client.get("/api/v1/alerts", params={"is_held_back": True}, headers=olga)
    assert {one["suppressedBy"] for one in held.json()["items"]} == {f"silence:{silence_id}"}
    assert [one["labels"]["pod"] for one in held.json()["items"]] == ["p2"]
    (listed,) = api.client.get("/api/v1/silences", headers=olga).json()["items"]
    assert (listed["holdsBack"], listed["createdBy"], listed["isInForce"]) == (1, "olga", True)
    assert api.client.delete(f"/api/v1/silences/{silence_id}", headers=olga).status_code == 204
    assert api.client.delete(f"/api/v1/silences/{silence_id}", headers=olga).status_code == 409
    minutes = (utc_now() - NOON).total_seconds() / 60
    told = world.review(minutes + 0.1)
    assert told.opened or told.joined
    actions = world.rows("SELECT action, actor FROM audit_entries WHERE resource = 'silences' ORDER BY sequence")
    assert [tuple(one) for one in actions] == [("silence.add", "olga"), ("silence.end", "olga")]


@pytest.mark.parametrize(
    "change",
    [
        {"matchers": []},
        {"matchers": [{"label": "service", "op": "=~", "value": "("}]},
        {"matchers": [{"label": "service", "op": "=~", "value": ".*"}]},
        {"matchers": [{"label": "service", "op": "==", "value": "x"}]},
        {"matchers": [{"label": "a b", "op": "=", "value": "x"}]},
        {"reason": ""},
        {"reason": "     "},
        {"endsAt": "2020-01-01T00:00:00Z"},
        {"endsAt": "2099-01-01T00:00:00Z"},
        {"endsAt": "tomorrow"},
        {"endsAt": None},
        {"endsAt": 1893456000},
        {"endsAt": "0001-01-01T00:00:00+14:00"},
        {"endsAt": "9999-12-31T23:59:59-14:00"},
        {"startsAt": "9999-12-31T23:59:59-14:00"},
        {"more": 1},
    ],
)
def test_silences_that_make_no_sense_are_refused(api: LiveApi, olga: dict[str, str], change: dict[str, Any]) -> None:
    body = {"matchers": SERVICE, "endsAt": later(hours=1), "reason": "because", **change}
    answer = api.client.post("/api/v1/silences", json=body, headers=olga)
    assert answer.status_code == 422, answer.text
    assert answer.json()["suggestion"]


def test_a_viewer_looks_and_does_not_touch(api: LiveApi, world: AlertWorld) -> None:
    fire(world, service="loader")
    vera = api.bearer("vera")
    assert api.client.get("/api/v1/alerts", headers=vera).status_code == 200
    body = {"matchers": SERVICE, "endsAt": later(hours=1), "reason": "because"}
    assert api.client.post("/api/v1/silences", json=body, headers=vera).status_code == 403
    assert (
        api.client.put("/api/v1/alerts/1/verdict", json={"verdict": "TRUE_POSITIVE"}, headers=vera).status_code == 403
    )


def test_maintenance_once_and_again(api: LiveApi, olga: dict[str, str], world: AlertWorld) -> None:
    path = "/api/v1/maintenance-windows"
    common = {"title": "disks", "matchers": SERVICE, "reason": "new disks"}
    once = {**common, "startsAt": later(minutes=-5), "endsAt": later(minutes=5)}
    assert api.client.post(path, json=once, headers=olga).status_code == 201
    weekly = {**common, "cron": "0 2 * * 6", "durationS": 7200, "timeZone": "Europe/Berlin"}
    made = api.client.post(path, json=weekly, headers=olga)
    assert made.status_code == 201, made.text
    for wrong in (common, {**once, **weekly}, {**weekly, "timeZone": "Mars"}, {**weekly, "cron": "61 * * * *"}):
        assert api.client.post(path, json=wrong, headers=olga).status_code == 422
    listed = api.client.get(path, headers=olga).json()["items"]
    assert [one["cron"] for one in listed] == ["0 2 * * 6", None]
    assert listed[1]["openUntil"] is not None
    fire(world, service="loader")
    (alert,) = api.client.get("/api/v1/alerts", headers=olga).json()["items"]
    assert (alert["suppressedBy"], alert["incidentId"]) == ("maintenance:1", None)
    assert api.client.delete(f"{path}/1", headers=olga).status_code == 204
    assert api.client.delete(f"{path}/1", headers=olga).status_code == 404


@pytest.mark.requirement("D8")
def test_what_is_on_the_allow_list_is_recorded_and_told_to_nobody(
    api: LiveApi, olga: dict[str, str], world: AlertWorld
) -> None:
    path = "/api/v1/silences/allow-list"
    entry = {"ruleId": "api-latency-p99", "matchers": SERVICE, "reason": "batch hours"}
    assert api.client.put(path, json=entry, headers=olga).status_code == 204
    assert api.client.put(path, json={**entry, "ruleId": "*", "matchers": []}, headers=olga).status_code == 422
    fire(world, service="loader")
    (alert,) = api.client.get("/api/v1/alerts", headers=olga).json()["items"]
    assert (alert["suppressedBy"], alert["incidentId"]) == ("allow-list", None)
    assert world.why(alert["alertId"])[-1] == "Nobody was paged: it is held back by allow-list."
    (listed,) = api.client.get(path, headers=olga).json()["items"]
    assert listed["createdBy"] == "olga"
    gone = {"ruleId": "api-latency-p99", "matchers": SERVICE}
    assert api.client.request("DELETE", path, json=gone, headers=olga).status_code == 204
    assert api.client.request("DELETE", path, json=gone, headers=olga).status_code == 404
    assert world.review((utc_now() - NOON).total_seconds() / 60).opened


@pytest.mark.requirement("D8")
def test_verdicts_show_how_precise_a_rule_is_and_how_far_its_threshold_would_have_to_move(
    api: LiveApi, olga: dict[str, str], world: AlertWorld
) -> None:
    minutes = (utc_now() - NOON).total_seconds() / 60
    values = [2050, 2080, 2150, 2190, 4000, 5000]
    world.receive(*(make_event(minutes, service=f"s{k}", value=value) for k, value in enumerate(values)))
    for alert in api.client.get("/api/v1/alerts", headers=olga).json()["items"]:
        said = "FALSE_POSITIVE" if alert["value"] < 3000 else "TRUE_POSITIVE"
        answer = api.client.put(f"/api/v1/alerts/{alert['alertId']}/verdict", json={"verdict": said}, headers=olga)
        assert answer.json()["verdictBy"] == "olga"
    (rule,) = api.client.get("/api/v1/rules/precision", headers=api.bearer("vera")).json()["items"]
    assert (rule["truePositives"], rule["falsePositives"], round(rule["precisionPct"]), rule["isNoisy"]) == (
        2,
        4,
        33,
        True,
    )
    assert [(round(s["threshold"]), s["sparedFalse"], s["missedTrue"]) for s in rule["steps"]] == [
        (2100, 2, 0),
        (2200, 4, 0),
    ]
    wrong = api.client.put("/api/v1/alerts/1/verdict", json={"verdict": "MAYBE"}, headers=olga)
    assert wrong.status_code == 422
    nothing = api.client.put("/api/v1/alerts/999/verdict", json={"verdict": "TRUE_POSITIVE"}, headers=olga)
    assert nothing.status_code == 404


def test_why_tells_the_story_in_sentences(api: LiveApi, olga: dict[str, str], world: AlertWorld) -> None:
    world.receive(make_event(0))
    with world.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO outbox (idempotency_key, incident_id, kind, channel, recipient, severity, payload, state, sent_at, created_at)"
                " VALUES ('k', 1, 'opened', 'sms', 'ann', 'HIGH', '{}', 'SENT', :at, :at)"
            ),
            {"at": NOON},
        )
    story = " ".join(api.client.get("/api/v1/alerts/1/why", headers=olga).json()["sentences"])
    for words in ("fired at 2026-03-10 12:00:00 UTC", "INC-1 was opened", "sms (opened) was sent to ann"):
        assert words in story
    world.receive(make_event(0, service="other"), make_event(1, over=True, began=0, service="other"), at=2)
    story = " ".join(api.client.get("/api/v1/alerts/2/why", headers=olga).json()["sentences"])
    assert "Nobody was paged" in story
    assert "before it was looked at" in story
    assert api.client.get("/api/v1/alerts/77/why", headers=olga).status_code == 404


def test_lists_are_filtered_and_paged(api: LiveApi, olga: dict[str, str], world: AlertWorld) -> None:
    world.receive(*(make_event(0, rule=f"r{k}", service="loader") for k in range(5)))
    first = api.client.get("/api/v1/alerts", params={"limit": 2}, headers=olga).json()
    second = api.client.get("/api/v1/alerts", params={"limit": 3, "before": first["nextBefore"]}, headers=olga).json()
    assert [one["alertId"] for one in first["items"] + second["items"]] == [5, 4, 3, 2, 1]
    assert second["nextBefore"] is None
    assert api.client.get("/api/v1/alerts", params={"label": "x"}, headers=olga).status_code == 422
    found = api.client.get("/api/v1/alerts", params={"label": "service=o'; DROP TABLE alerts"}, headers=olga)
    assert found.json()["items"] == []
