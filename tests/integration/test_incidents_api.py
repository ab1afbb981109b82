"""Incidents over HTTP, as operators, viewers and machines meet them: lists, life, splits, merges, measures, report."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from domain.access.permissions import Role
from domain.vocabulary import Severity
from resources.clock import utc_now
from tests.fakes.alert_world import NOON, AlertWorld, make_event, make_world
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform

pytestmark = [pytest.mark.requirement("E1"), pytest.mark.requirement("E2"), pytest.mark.requirement("E3")]
PATH = "/api/v1/incidents"


@dataclass
class Estate:
    """An API, alerts that begin now by its clock, and an operator's requests."""

    api: LiveApi
    world: AlertWorld
    olga: dict[str, str]
    vera: dict[str, str]

    def fire(self, **labels: Any) -> None:
        self.world.receive(make_event((utc_now() - NOON).total_seconds() / 60, **labels))

    def get(self, path: str = "", **parameters: Any) -> httpx.Response:
        return self.api.client.get(PATH + path, params=parameters, headers=self.olga)

    def post(self, path: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return self.api.client.post(PATH + path, json=body, headers={**self.olga, **(headers or {})})

    def act(self, incident: str, action: str, **body: Any) -> dict[str, Any]:
        answer = self.post(f"/{incident}/actions", action=action, **body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def refused(self, incident: str, action: str, **body: Any) -> int:
        answer = self.post(f"/{incident}/actions", action=action, **body)
        assert answer.json()["suggestion"]
        return answer.status_code

    def timeline(self, incident: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/{incident}/timeline").json()["items"]
        return found


@pytest.fixture
def estate(platform: Platform) -> Iterator[Estate]:
    world = make_world(platform)
    with live_api(platform.settings, platform.url) as api:
        api.add_user("olga", Role.OPERATOR)
        api.add_user("vera", Role.VIEWER)
        yield Estate(api, world, api.bearer("olga"), api.bearer("vera"))
    world.engine.dispose()


def later(**length: float) -> str:
    return (utc_now() + timedelta(**length)).isoformat()


def test_the_life_of_an_incident(estate: Estate) -> None:
    estate.fire(service="loader")
    opened = estate.get("/inc-1")
    assert (opened.json()["incident"], opened.json()["state"], opened.headers["etag"]) == ("INC-1", "OPEN", '"INC-1.1"')
    assert opened.json()["actions"][0] == "acknowledge"
    assert [(one["measure"], one["isMissed"]) for one in opened.json()["clocks"]] == [
        ("acknowledge", False),
        ("mitigate", False),
        ("resolve", False),
    ]
    taken = estate.act("INC-1", "acknowledge", reason="on it")
    assert (taken["isChange"], taken["incident"]["acknowledgedBy"], taken["incident"]["state"]) == (
        True,
        "olga",
        "ACKNOWLEDGED",
    )
    again = estate.act("1", "acknowledge")
    assert not again["isChange"]
    assert "already, by olga" in again["note"]
    assert "acknowledge" not in again["incident"]["actions"]
    stale = estate.post("/1/actions", {"If-Match": opened.headers["etag"]}, action="set-severity", severity="LOW")
    assert (stale.status_code, stale.json()["errorType"]) == (412, "STALE_EDIT")
    assert estate.post("/1/actions", {"If-Match": '"INC-2.1"'}, action="investigate").status_code == 412
    seen = estate.get("/1").headers["etag"]
    assert estate.post("/1/actions", {"If-Match": seen}, action="investigate").status_code == 200
    for action, body in [
        ("assign", {"assignee": "olga"}),
        ("comment", {"reason": "the pool is empty"}),
        ("set-severity", {"severity": "CRITICAL"}),
        ("snooze", {"until": later(hours=1)}),
        ("wake", {}),
        ("remediate", {}),
        ("monitor", {}),
        ("resolve", {"reason": "pool raised"}),
        ("close", {}),
        ("reopen", {"reason": "it is back"}),
    ]:
        found = estate.act("1", action, **body)
        assert found["isChange"], action
        assert found["incident"]["isBreached"] is False
    assert (found["incident"]["state"], found["incident"]["reopenedCount"], found["incident"]["assignee"]) == (
        "OPEN",
        1,
        "olga",
    )
    assert (found["incident"]["acknowledgedBy"], found["incident"]["mitigatedAt"]) == ("olga", None)
    entries = [one for one in estate.timeline("INC-1") if one["actor"] == "olga"]
    assert [one["kind"] for one in entries] == [
        "acknowledge", "investigate", "assign", "comment", "set-severity", "snooze", "wake", "remediate", "monitor", "resolve",
        "close", "reopen",
    ]  # fmt: skip
    assert {one["cause"] for one in entries} == {"api"}
    assert entries[-1]["detail"]["reason"] == "it is back"
    written = estate.world.rows(
        "SELECT action, resource_id FROM audit_entries WHERE actor = 'olga' AND resource = 'incidents'"
    )
    assert [row.action for row in written][:2] == ["incident.acknowledge", "incident.investigate"]
    assert {row.resource_id for row in written} == {"INC-1"}
    assert len(written) == 12


def test_what_cannot_be_done_is_refused_and_changes_nothing(estate: Estate) -> None:
    estate.fire(service="loader")
    estate.fire(service="other", rule="x")
    before = (estate.get("/1").json(), estate.timeline("1"))
    refused = {
        ("close",): 409,
        ("reopen",): 409,
        ("acknowledged",): 422,
        ("comment",): 422,
        ("comment", "reason", "  "): 422,
        ("snooze",): 422,
        ("snooze", "until", later(minutes=-1)): 422,
        ("snooze", "until", later(days=400)): 422,
        ("snooze", "until", "0001-01-01T00:00:00+14:00"): 422,
        ("snooze", "until", "tomorrow"): 422,
        ("snooze", "until", 1893456000): 422,
        ("set-severity",): 422,
        ("set-severity", "severity", "URGENT"): 422,
        ("assign", "assignee", "nobody-of-that-name"): 422,
        ("assign", "assignee", "x\0"): 422,
        ("merge",): 422,
        ("merge", "into", "INC-1"): 422,
        ("merge", "into", "INC-99"): 404,
        ("merge", "into", "9" * 18): 404,
        ("merge", "into", "loader"): 422,
        ("acknowledge", "more", 1): 422,
    }
    for (action, *field), status in refused.items():
        assert estate.refused("1", action, **(dict([field]) if field else {})) == status, (action, field)  # type: ignore[arg-type]
    for name in ("INC-99", "0", "9" * 18):
        assert estate.get(f"/{name}").status_code == 404
        assert estate.refused(name, "acknowledge") == 404
        assert estate.get(f"/{name}/timeline").status_code == estate.get(f"/{name}/alerts").status_code == 404
        assert estate.post(f"/{name}/split", alertIds=[1]).status_code == 404
    for name in ("-1", "9" * 19, "INC-", "INC-1x", "1.5", "%00", "١"):
        assert estate.get(f"/{name}").status_code in {400, 422}, name
    for alerts in ([], [99], [1], [2], [0], ["x"]):
        assert estate.post("/1/split", alertIds=alerts).status_code == 422, alerts
    assert (
        estate.api.client.post(f"{PATH}/1/actions", json={"action": "acknowledge"}, headers=estate.vera).status_code
        == 403
    )
    assert estate.api.client.post(PATH, json={"title": "x", "severity": "LOW"}, headers=estate.vera).status_code == 403
    assert estate.api.client.get(f"{PATH}/1", headers=estate.vera).status_code == 200
    assert [one | {"clocks": 0} for one in (estate.get("/1").json(),)] == [before[0] | {"clocks": 0}]
    assert estate.timeline("1") == before[1]
    for wrong in ({"title": " "}, {"severity": None}, {"onsetAt": later(hours=1)}, {"onsetAt": "2001-01-01T00:00:00Z"},
                  {"title": "a\0b"}, {"more": 1}, {"category": "A B"}):  # fmt: skip
        assert estate.post("", **{"title": "broken", "severity": "HIGH", **wrong}).status_code == 422, wrong


def test_lists_splits_merges_and_incidents_opened_by_people(estate: Estate) -> None:
    estate.fire(service="loader")
    estate.fire(service="gateway", rule="errors", severity=Severity.CRITICAL)  # it calls the loader
    made = estate.post("", title="users complain", severity="MEDIUM", service="portal", category="data")
    assert made.status_code == 201, made.text
    assert made.headers["etag"] == '"INC-2.1"'
    assert made.json()["labels"]["opened_by"] == "olga"
    assert made.json()["escalation"]["dueAt"] is not None  # whoever is on call is told, and then the next
    alerts = estate.get("/1/alerts").json()
    assert (alerts["total"], [one["isRoot"] for one in alerts["items"]]) == (2, [True, False])
    leaving = alerts["items"][1]["alertId"]
    assert estate.post("/1/split", alertIds=[one["alertId"] for one in alerts["items"]]).status_code == 422
    split = estate.post("/INC-1/split", alertIds=[leaving])
    assert (split.status_code, split.json()["incident"], split.json()["alerts"]) == (201, "INC-3", 1)
    assert [one["spentS"] < 60 for one in split.json()["clocks"]] == [True] * 3
    assert [estate.timeline(one)[-1]["kind"] for one in ("1", "3")] == ["split", "split-from"]
    estate.fire(service="loader", pod="p9")  # a reason to take the gateway's trouble for a symptom
    estate.world.review((utc_now() - NOON).total_seconds() / 60)
    assert estate.get("/3").json()["mergedInto"] is None
    assert estate.get("/1").json()["mergedInto"] is None

    def found(**wanted: Any) -> list[str]:
        answer = estate.get("", **wanted)
        assert answer.status_code == 200, answer.text
        return [one["incident"] for one in answer.json()["items"]]

    assert set(found()) == {"INC-1", "INC-2", "INC-3"}
    assert found()[-1] == "INC-2"  # the least urgent of them
    assert found(severity=["MEDIUM", "LOW"]) == found(search="COMPLAIN") == found(search="inc-2") == ["INC-2"]
    assert found(category="data", service="portal", is_open=True, is_drill=False, is_merged=False) == ["INC-2"]
    assert found(is_mine=True) == found(state="CLOSED") == found(assignee="olga") == []
    assert found(search="100%_'") == found(opened_until=later(days=-1)) == []
    assert found(sort="-incident", limit=1, offset=1) == ["INC-2"]
    assert estate.get("", limit=1).json()["total"] == 3
    assert estate.get("", sort="danger").status_code == estate.get("", state="GONE").status_code == 422
    taken = estate.act("2", "acknowledge")["incident"]["escalation"]
    assert (taken["dueAt"], taken["stoppedReason"]) == (None, "acknowledged by olga")
    assert found(is_mine=True) == ["INC-2"]
    merged = estate.act("INC-2", "merge", into="INC-1", reason="the same")
    assert (merged["incident"]["mergedInto"], merged["incident"]["state"], merged["incident"]["actions"]) == (
        "INC-1",
        "CLOSED",
        ["comment"],
    )
    assert estate.get("/1").json()["mergedFrom"] == ["INC-2"]
    assert estate.timeline("1")[-1]["kind"] == "merged-in"
    assert estate.refused("1", "merge", into="INC-2") == 409  # a circle
    assert estate.refused("2", "reopen") == 409
    estate.act("3", "resolve")
    assert estate.refused("1", "merge", into="INC-3") == 409  # nothing goes into what is over
    assert estate.post("/3/split", alertIds=[leaving]).status_code == 409
    assert found(is_open=True) == ["INC-1"]


def test_measures_and_the_report_of_the_sla(estate: Estate) -> None:
    estate.fire(service="loader")
    estate.act("1", "acknowledge")
    estate.act("1", "resolve")
    month = {"opened_from": later(days=-30), "opened_until": later(minutes=1)}
    lines = estate.get("/measures", **month).json()["items"]
    total, high = lines[0], next(one for one in lines if one["severity"] == "HIGH")
    assert (total["faults"], high["faults"]) == (1, 1)
    assert high["durations"]["detect"]["medianS"] == pytest.approx(
        60, abs=5
    )  # the first bad sample was a minute before
    assert 0 <= high["durations"]["resolve"]["p90S"] < 60
    low = next(one for one in lines if one["severity"] == "LOW")
    assert low["durations"]["resolve"] == {"count": 0, "medianS": None, "p90S": None}
    nothing = estate.get("/measures", opened_from=later(days=-2), opened_until=later(days=-1)).json()["items"]
    assert {one["faults"] for one in nothing} == {0}
    report = estate.get("/sla-report", period="this-week").json()
    assert (report["incidents"], report["worst"], report["isComplete"]) == (1, [], datetime.now().weekday() == 6)  # noqa: DTZ005
    met = {(one["severity"], one["measure"]): (one["met"], one["metPct"]) for one in report["items"]}
    assert met["HIGH", "resolve"] == met[None, "acknowledge"] == (1, 100.0)
    assert met["LOW", "resolve"] == (0, None)
    table = estate.get("/sla-report", format="csv")
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert {"severity": "HIGH", "measure": "resolve", "met": "1", "missed": "0", "missed_open": "0", "undecided": "0",
            "met_pct": "100.00"} in rows  # fmt: skip
    for wrong in ("2026-13", "2999-01", "yesterday", "2026-W60", ""):
        assert estate.get("/sla-report", period=wrong).status_code == 422, wrong
