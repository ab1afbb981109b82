"""/api/v1/loaders over HTTP: drafts, edits under If-Match, decisions, diff, preview, capture (A6, A7, A10)."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.access.permissions import Role
from domain.vocabulary import QuarantineReason
from resources.access.audit_trail import AuditFilter
from resources.capture.engine import CaptureContext
from resources.capture.service import capture
from resources.clock import utc_now
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform

CODE = "ORDERS-DB"


class As:
    """Requests of one user."""

    def __init__(self, api: LiveApi, name: str, role: Role) -> None:
        api.add_user(name, role)
        self._client, self._headers = api.client, api.bearer(name)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self._client.request(method, f"/api/v1/loaders{path}", json=body, headers={**self._headers, **headers})

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self(method, path, body, **headers)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Values of the last hour, one a minute and region."""
    path = tmp_path / "orders.db"
    now = int(time.time()) // 60 * 60
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE orders (at REAL, region TEXT, value REAL)")
        rows = [(now - 60 * k, region, value) for k in range(90) for region, value in (("eu", 5.0), ("us", 7.0))]
        database.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)", [*rows, *((now - 60 * k, "xx", None) for k in range(3))]
        )
    return path


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    with live_api(platform.settings, platform.url) as running:
        yield running


@pytest.fixture
def ann(api: LiveApi) -> As:
    return As(api, "ann", Role.OPERATOR)


@pytest.fixture
def bob(api: LiveApi) -> As:
    return As(api, "bob", Role.OPERATOR)


def definition(source: Path | str, *, title: str = "orders", where: str = "") -> dict[str, Any]:
    query = f"SELECT at, region, value FROM orders WHERE at >= :window_start AND at < :window_end {where}"
    return {
        "code": CODE, "title": title, "source": "sql", "schedule": "* * * * *", "step_s": 60, "expected_latency_s": 0,
        "history_s": 600, "connection": {"url": f"sqlite:///{source}", "password": "canary-secret"},
        "sql": [{"metric_name": "orders", "time_column": "at", "dialect_time": "epoch_s", "sql": query}],
    }  # fmt: skip


def make_active(ann: As, bob: As, body: dict[str, Any]) -> dict[str, Any]:
    exists = ann("GET", f"/{CODE}").status_code == 200
    made = (
        ann.ok("POST", f"/{CODE}/drafts", {"basedOn": 1, "definition": body})
        if exists
        else ann.ok("POST", "", {"definition": body})
    )
    path = f"/{CODE}/versions/{made['version']}"
    ann.ok("POST", f"{path}/submit")
    return bob.ok("POST", f"{path}/approve", {"contentHash": made["contentHash"]})


@pytest.mark.requirement("A6")
def test_the_way_of_a_version_over_http(api: LiveApi, ann: As, bob: As, source: Path) -> None:
    made = ann("POST", "", {"definition": definition(source)})
    assert (made.status_code, made.headers["etag"]) == (201, f'"{CODE}.1.1"')
    assert "canary-secret" not in made.text
    assert made.json()["definition"]["connection"]["password"] == "********"
    assert ann("POST", "", {"definition": definition(source)}).status_code == 409
    path = f"/{CODE}/versions/1"
    body = {"definition": {**made.json()["definition"], "title": "orders by region"}}
    refused = ann("PUT", path, body)
    assert (refused.status_code, refused.json()["errorType"]) == (428, "PRECONDITION_REQUIRED")
    edited = ann("PUT", path, body, **{"If-Match": made.headers["etag"]})
    assert (edited.status_code, edited.headers["etag"]) == (200, f'"{CODE}.1.2"')
    for stale in (made.headers["etag"], '"OTHER.1.2"', "*"):
        assert bob("PUT", path, body, **{"If-Match": stale}).status_code == 412
    assert ann("POST", f"{path}/approve", {"contentHash": made.json()["contentHash"]}).status_code == 409
    waiting = ann.ok("POST", f"{path}/submit")
    assert (waiting["state"], waiting["submittedBy"]) == ("PENDING", "ann")
    four_eyes = ann("POST", f"{path}/approve", {"contentHash": waiting["contentHash"]})
    assert (four_eyes.status_code, "cannot approve" in four_eyes.json()["reason"]) == (403, True)
    assert bob("POST", f"{path}/approve", {"contentHash": made.json()["contentHash"]}).status_code == 412
    assert bob("POST", f"{path}/reject", {"reason": " "}).status_code == 422
    active = bob.ok("POST", f"{path}/approve", {"contentHash": waiting["contentHash"]})
    assert (active["state"], active["decidedBy"]) == ("ACTIVE", "bob")
    listed = ann.ok("GET", "?search=region&limit=10")
    assert [(one["code"], one["state"], one["activeVersion"]) for one in listed["items"]] == [(CODE, "ACTIVE", 1)]
    viewer = As(api, "vic", Role.VIEWER)
    seen = viewer.ok("GET", path)["definition"]["connection"]
    assert (seen["url"], "password" in seen) == ("********", False)
    assert viewer("POST", f"{path}/rollback", {}).status_code == 403
    missing = ann("GET", f"/{CODE}/versions/9")
    assert (missing.status_code, missing.json()["errorType"]) == (404, "NOT_FOUND")


@pytest.mark.requirement("A6")
@pytest.mark.requirement("A7")
def test_diff_rollback_and_drafts_of_any_version(ann: As, bob: As, source: Path) -> None:
    make_active(ann, bob, definition(source))
    second = {**definition(source, where="\nAND region = 'eu'"), "schedule": "*/5 * * * *"}
    second["connection"] = {**second["connection"], "password": "other-canary"}
    make_active(ann, bob, second)
    diff = ann.ok("GET", f"/{CODE}/diff?from=1&to=2")
    by_path = {one["path"]: one for one in diff["changes"]}
    assert by_path["schedule"]["sentence"] == "schedule every minute → every 5 minutes, 5× fewer captures"
    assert "+AND region = 'eu'" in by_path["sql[orders].sql"]["lines"]
    assert by_path["connection.password"]["sentence"] == "connection password changed (protected)"
    assert "canary" not in str(diff)
    assert diff["capturesPerDayMore"] == pytest.approx(288 - 1440, abs=2)
    back = bob.ok("POST", f"/{CODE}/versions/1/rollback", {"reason": "too slow"})
    assert back["state"] == "ACTIVE"
    assert [one["state"] for one in ann.ok("GET", f"/{CODE}/versions")["items"]] == ["ARCHIVED", "ACTIVE"]
    assert bob("POST", f"/{CODE}/versions/1/rollback", {}).status_code == 409
    copy = ann.ok("POST", f"/{CODE}/drafts", {"basedOn": 2})
    assert (copy["version"], copy["basedOn"], copy["state"]) == (3, 2, "DRAFT")
    assert ann.ok("GET", f"/{CODE}/diff?from=2&to=3")["changes"] == []
    assert ann.ok("POST", f"/{CODE}/versions/3/discard")["decision"] == "DISCARDED"


@pytest.mark.requirement("A6")
def test_a_preview_tells_what_would_be_captured_and_stores_nothing(
    platform: Platform, ann: As, bob: As, source: Path
) -> None:
    make_active(ann, bob, definition(source))
    capture(platform.settings, platform.url, platform.lake, CaptureContext(now=utc_now()))
    stored = platform.lake.query("SELECT count(*) AS n FROM signals")["n"][0]
    assert stored > 0
    body = definition(source, where="AND region <> 'eu' UNION ALL SELECT :window_start, 'new', 1")
    made = ann.ok("POST", f"/{CODE}/drafts", {"basedOn": 1, "definition": body})
    found = ann.ok("POST", f"/{CODE}/versions/{made['version']}/preview")
    assert found["problem"] is None
    assert found["newSeries"] == ['orders{"region":"new"}']
    assert found["vanishedSeries"] == ['orders{"region":"eu"}']
    assert (found["series"], found["labels"], found["capturesPerDay"]) == (2, ["region"], pytest.approx(1440, abs=1))
    assert (found["rows"], found["requests"], found["logLines"], found["droppedSeries"]) == (2, 1, 0, 0)
    assert found["tookMs"] > 0
    assert {(one["metric_name"], one["labels"], one["metric_value"]) for one in found["sample"]} == {
        ("orders", '{"region":"us"}', 7.0),
        ("orders", '{"region":"new"}', 1.0),
    }
    assert found["quarantine"] == {QuarantineReason.NOT_A_NUMBER.value: 1}, "the NULL of region xx"
    assert found["readers"]
    assert platform.lake.query("SELECT count(*) AS n FROM signals")["n"][0] == stored
    other = {"definition": definition(source, where="AND nowhere = 1")}
    broken = ann.ok("PUT", f"/{CODE}/versions/2", other, **{"If-Match": f'"{CODE}.2.1"'})
    problem = ann.ok("POST", f"/{CODE}/versions/2/preview")["problem"]
    assert problem["errorType"] == "SOURCE_QUERY_ERROR"
    assert broken["revision"] == 2


@pytest.mark.requirement("A6")
def test_only_active_versions_run_and_a_change_holds_from_the_next_capture_on(
    platform: Platform, ann: As, bob: As, source: Path
) -> None:
    ann.ok("POST", "", {"definition": definition(source)})
    ann.ok("POST", f"/{CODE}/versions/1/submit")
    nothing = capture(platform.settings, platform.url, platform.lake, CaptureContext(now=utc_now()))
    assert nothing.outcomes == {}, "what is only proposed captures nothing"
    content = bob.ok("GET", f"/{CODE}/versions/1")["contentHash"]
    bob.ok("POST", f"/{CODE}/versions/1/approve", {"contentHash": content})
    first = capture(platform.settings, platform.url, platform.lake, CaptureContext(now=utc_now()))
    assert (first.outcomes[CODE].version, first.outcomes[CODE].error) == (1, None)
    make_active(ann, bob, definition(source, where="AND region = 'eu'"))
    second = capture(platform.settings, platform.url, platform.lake, CaptureContext(now=utc_now()))
    assert second.outcomes[CODE].version == 2
    bob.ok("POST", f"/{CODE}/versions/1/rollback", {})
    third = capture(platform.settings, platform.url, platform.lake, CaptureContext(now=utc_now()))
    assert third.outcomes[CODE].version == 1


@pytest.mark.requirement("A10")
@pytest.mark.requirement("A9")
def test_a_capture_is_audited_and_without_dagster_says_so(
    api: LiveApi, ann: As, bob: As, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.ok("POST", "", {"definition": definition(source)})
    assert ann("POST", f"/{CODE}/capture").status_code == 409
    content = ann.ok("POST", f"/{CODE}/versions/1/submit")["contentHash"]
    bob.ok("POST", f"/{CODE}/versions/1/approve", {"contentHash": content})
    answer = ann("POST", f"/{CODE}/capture")
    assert answer.status_code == 503
    assert "etlmon status" in answer.json()["suggestion"]
    launched = AuditFilter(action="loader.capture")
    assert api.control.audit_trail.count(launched) == 0, "nothing was launched"
    monkeypatch.setattr("api.routes.loader_impact.launch_capture", lambda *_, **__: "run-1")
    done = ann.ok("POST", f"/{CODE}/capture")
    (entry,) = api.control.audit_trail.list_entries(launched, limit=9)
    assert (entry.actor, entry.resource_id, entry.after) == ("ann", CODE, '{"runId":"run-1"}')
    assert entry.correlation_id == done["correlationId"]


@pytest.mark.requirement("A6")
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/lower-case", None, 422),
        ("GET", "/ORDERS-DB/versions/0", None, 422),
        ("GET", "/ORDERS-DB/versions/99999999999", None, 422),
        ("GET", "?search=%00", None, 400),
        ("GET", "?sort=definition", None, 422),
        ("GET", "?limit=501", None, 422),
        ("GET", "/ORDERS-DB/diff?from=1", None, 422),
        ("GET", "/ORDERS-DB", None, 404),
        ("POST", "", {"definition": {"code": "A\x00B"}}, 422),
        ("POST", "", {"definition": {"code": "AB", "title": ["x"]}}, 422),
        ("POST", "", {"definition": {}}, 422),
        ("POST", "", {"definition": {"code": "AB"}, "more": 1}, 422),
        ("POST", "", [], 422),
        ("POST", "/ORDERS-DB/drafts", {"basedOn": 1}, 404),
        ("POST", "/ORDERS-DB/versions/1/submit", None, 404),
        ("POST", "/ORDERS-DB/versions/1/reject", {"reason": "x\x00"}, 422),
        ("POST", "/ORDERS-DB/versions/1/preview", None, 404),
    ],
)  # fmt: skip
def test_odd_requests_get_a_problem_that_says_why(ann: As, method: str, path: str, body: Any, status: int) -> None:
    answer = ann(method, path, body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["suggestion"]


@pytest.mark.requirement("A6")
def test_fifty_clients_at_once_get_one_success_and_no_server_error(ann: As, bob: As, source: Path) -> None:
    with ThreadPoolExecutor(50) as pool:
        made = list(pool.map(lambda n: ann("POST", "", {"definition": definition(source, title=f"t{n}")}), range(50)))
        assert Counter(one.status_code for one in made) == {201: 1, 409: 49}
        content = ann.ok("POST", f"/{CODE}/versions/1/submit")["contentHash"]
        path = f"/{CODE}/versions/1/approve"
        approved = list(pool.map(lambda _: bob("POST", path, {"contentHash": content}), range(50)))
    assert Counter(one.status_code for one in approved) == {200: 1, 409: 49}
