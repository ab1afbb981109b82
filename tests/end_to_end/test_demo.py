"""The newcomer's first five minutes, with eight days of history instead of thirty: start, look, break, stop, start again."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from resources.launch.dagster_control import DagsterControl
from resources.postgres.embedded import remove_server_data
from resources.rule_files import shipped_rules
from tests.fakes.demo import Demo, wait_for

pytestmark = pytest.mark.timeout(1500)


def _impatient_rules(folder: Path) -> Path:
    """The shipped rules, but pools are looked at each minute, and who is paged for a CRITICAL incident has one instead of five."""
    shutil.copytree(shipped_rules(), folder)
    tiers = folder / "notification" / "tiers.yaml"
    (pools,) = (path for path in (folder / "loaders").glob("*.yaml") if "metric_name: db_pool_pct" in path.read_text())
    for path, old, new in (
        (tiers, r"(CRITICAL: .*escalate_after_s: )300", r"\g<1>60"),
        (pools, r'schedule: "\*/5 ', 'schedule: "* '),
        (pools, "step_s: 300", "step_s: 60"),
    ):
        changed, count = re.subn(old, new, path.read_text())
        assert count == 1, old
        path.write_text(changed)
    return folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("demo") / "home"
    one = Demo(home, rules=_impatient_rules(home.parent / "rules"))
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        one.stop(signal.SIGINT)
    remove_server_data(home)


@pytest.mark.requirement("K1")
@pytest.mark.requirement("A18")
def test_the_first_screen_has_everything(demo: Demo) -> None:
    assert "✓ history" in demo.said(), demo.said()
    control = DagsterControl(f"http://127.0.0.1:{demo.ui}")
    assert control.loaded_locations() == {"analytics": "loaded", "operations": "loaded"}
    found = control.find_run("everything")
    assert found is not None
    assert found[1] == "SUCCESS"
    control.close()
    counts = demo.query(
        "SELECT (SELECT count(*) FROM signals) AS signals, (SELECT count(*) FROM baselines) AS baselines,"
        " (SELECT count(*) FROM forecasts) AS forecasts, (SELECT count(*) FROM log_templates) AS templates,"
        " (SELECT count(*) FROM capacity) AS capacity, (SELECT count(DISTINCT loader_code) FROM watermarks) AS loaders"
    )[0]
    assert counts["signals"] > 100_000
    assert min(counts.values()) > 0, counts
    assert counts["loaders"] >= 14
    for kind in ("weekly", "monthly", "sla"):
        assert list((demo.home / "reports").glob(f"{kind}*.html")), kind
        assert list((demo.home / "reports").glob(f"{kind}*.pdf")), kind
    status = json.loads(demo.call("status", "--json", code=None))
    assert status["is_running"]
    assert {one["last_error"] for one in status["loaders"]} <= {None, ""}
    assert httpx.get(f"{status['api']}/readyz", trust_env=False).json()["status"] == "ready"


@pytest.mark.needs("chromium")
@pytest.mark.requirement("C8")
def test_a_stranger_finds_lineage_asset_and_automation_in_the_browser(demo: Demo) -> None:
    from playwright.sync_api import sync_playwright

    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ]
    ui = f"http://127.0.0.1:{demo.ui}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.goto(f"{ui}/asset-groups")
        for group in ("sources", "capture", "analytics", "outlook", "marts", "reports"):
            page.get_by_text(group, exact=True).first.wait_for(timeout=60_000)
        assert page.get_by_text("Join the Dagster community").count() == 0, "no dialog over the first screen"
        page.goto(f"{ui}/assets/anomalies")
        page.get_by_text("Signals outside their baseline").first.wait_for(timeout=60_000)
        page.get_by_text("judged", exact=True).first.wait_for(timeout=60_000)
        page.goto(f"{ui}/automation")
        page.get_by_text("every_minute").first.wait_for(timeout=60_000)
        report = next((demo.home / "reports").glob("weekly*.html"))
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(report.as_uri())
        page.get_by_role("heading", name="Availability").first.wait_for(timeout=60_000)
        assert page.locator(".js-plotly-plot").count() >= 3
        assert errors == []
        browser.close()


@pytest.mark.requirement("A18")
def test_a_fault_on_demand_is_known_as_ground_truth(demo: Demo) -> None:
    names = {one["name"] for one in json.loads(demo.call("simulate", "list", "--json"))}
    assert len(names) >= 14
    assert {"slow-database", "connection-pool", "disk-fill", "missing-data", "late-data", "schema-change"} <= names
    demo.call("simulate", "fault", "connection-pool", "--for", "40m")
    active = json.loads(demo.call("simulate", "active", "--json"))
    assert "connection-pool" in json.dumps(active)
    demo.call(
        "drill", "start", "auth-failure-burst", "--duration", "20m"
    )  # an exercise, while something else really breaks


@pytest.mark.requirement("A10")
def test_the_run_that_a_request_starts_bears_its_correlation_id(demo: Demo) -> None:
    token = demo.call("user", "add-token", "ci", "--role", "OPERATOR", "--scope", "loaders:capture").split()[0]
    asked = "4d2c7f0f9f4e4b0c8a3d1e5b6c7d8e9f"
    answer = httpx.post(
        f"http://127.0.0.1:{demo.api}/api/v1/loaders/HTTP/capture", trust_env=False, timeout=60,
        headers={"Authorization": f"Bearer {token}", "X-Correlation-Id": asked},
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    assert answer.json()["correlationId"] == asked
    query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { tags { key value } } } }"
    body = {"query": query, "variables": {"id": answer.json()["runId"]}}
    run = httpx.post(f"http://127.0.0.1:{demo.ui}/graphql", json=body, trust_env=False, timeout=60).json()
    tags = {one["key"]: one["value"] for one in run["data"]["runOrError"]["tags"]}
    assert tags["etlmon/correlation_id"] == asked
    assert tags["etlmon/loader"] == "HTTP"


@pytest.mark.requirement("A17")
def test_a_pushed_signal_is_in_the_lake_within_two_minutes(demo: Demo) -> None:
    token = (demo.home / "secrets" / "push.token").read_text().strip()
    body = {"signals": [{"metric_name": "rows_loaded", "labels": {"loader": "orders"}, "metric_value": 42}]}
    answer = httpx.post(
        f"http://127.0.0.1:{demo.api}/api/v1/signals", params={"loader_code": "PUSHED"}, json=body, trust_env=False,
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    sql = "SELECT metric_value FROM signals_wide WHERE loader_code = 'PUSHED'"
    wait_for(lambda: demo.query(sql) == [{"metric_value": 42.0}], 150, demo.said)


@pytest.mark.requirement("D7")
@pytest.mark.requirement("E2")
@pytest.mark.requirement("H1")
@pytest.mark.requirement("H2")
def test_the_fault_is_one_incident_that_people_hear_of_and_take(demo: Demo) -> None:
    """The exhausted pool of two tests before: who is told, what happens when nobody answers, and when somebody does."""
    wait_for(lambda: any(one["severity"] == "CRITICAL" for one in demo.incidents(is_drill=False)), 420, demo.said)
    (incident,) = demo.incidents(is_drill=False)
    code = incident["incident"]
    assert (incident["service"], incident["category"]) == ("loader", "infrastructure")
    for channel in ("slack", "email", "sms", "jira"):
        wait_for(
            lambda channel=channel: bool(demo.received(channel, code)), 120, lambda channel=channel: f"no {channel}"
        )
    wait_for(lambda: bool(demo.received("voice", "Incident: loader: connection pool")), 120, lambda: "nobody is called")

    def numbers() -> set[str]:
        return {one["to"] for one in demo.received("sms", code)}

    first = numbers()
    wait_for(lambda: len(numbers()) > len(first), 180, lambda: "nobody else is told although nobody answers")
    link = re.search(rf"http://127\.0\.0\.1:{demo.api}/ack/[\w.~-]+", demo.received("sms", code)[0]["text"])
    assert link is not None, demo.received("sms", code)[0]
    with httpx.Client(trust_env=False) as phone:
        assert phone.get(link[0]).status_code == 200
        assert demo.incidents(is_drill=False)[0]["state"] == "OPEN", "looking at the link takes nothing"
        assert phone.post(link[0]).status_code == 200
    assert demo.incidents(is_drill=False)[0]["state"] == "ACKNOWLEDGED"
    assert "has stopped: acknowledged by" in demo.call("why", str(incident["root_alert_id"]))
    wait_for(lambda: "In Progress" in demo.call("ticket", "show", code), 120, lambda: demo.call("ticket", "show", code))
    assert "nobody would be told" not in demo.call("doctor", code=None), "commands see the channels of the demo"
    assert [one["incident"] for one in demo.incidents(is_drill=False)] == [code], "one incident, not ten"
    demo.call("simulate", "stop", "connection-pool")


@pytest.mark.requirement("E5")
def test_a_drill_goes_the_whole_way_and_says_so_everywhere(demo: Demo) -> None:
    """The one that began beside the real fault."""
    wait_for(lambda: bool(demo.incidents(is_drill=True)), 400, lambda: demo.call("drill", "report", "1", code=None))
    (incident,) = demo.incidents(is_drill=True)
    code = incident["incident"]
    assert incident["service"] == "auth"
    for channel in ("slack", "email", "sms", "jira"):
        wait_for(
            lambda channel=channel: bool(demo.received(channel, code)), 120, lambda channel=channel: f"no {channel}"
        )
        assert all("DRILL" in json.dumps(one) for one in demo.received(channel, code)), channel
    demo.call("incident", "ack", code)
    demo.call("drill", "stop")
    report = json.loads(demo.call("drill", "report", "1", "--json", code=None))
    taken = {one["name"]: one["seconds"] for one in report["steps"]}
    assert taken["incident"] is not None
    assert taken["first message by sms"] is not None
    assert taken["acknowledged"] is not None
    assert report["incidents"] == [code]


@pytest.mark.requirement("K1")
@pytest.mark.requirement("B6")
def test_stopping_leaves_nothing_behind_and_a_second_start_continues(demo: Demo) -> None:
    before = demo.query("SELECT loader_code, complete_until FROM watermarks WHERE loader_code = 'HTTP'")
    assert demo.stop(signal.SIGINT) == 0
    assert demo.processes() == []
    demo.start()
    sql = "SELECT loader_code, complete_until FROM watermarks WHERE loader_code = 'HTTP'"
    wait_for(lambda: str(demo.query(sql)) > str(before), 180, demo.said)
    doubled = demo.query("SELECT count(*) - count(DISTINCT (series_id, captured_at)) AS n FROM signals")
    assert doubled == [{"n": 0}]
    gaps = demo.query(
        "SELECT loader_code, window_end, next_start FROM (SELECT loader_code, window_end, lead(window_start) OVER"
        " (PARTITION BY loader_code ORDER BY window_start) AS next_start FROM capture_ledger WHERE outcome <> 'missing'"
        " AND loader_code <> 'PUSHED') WHERE next_start <> window_end"
    )
    assert gaps == []


def test_even_kill_9_of_the_starter_leaves_no_process(demo: Demo) -> None:
    assert demo.process is not None
    demo.process.kill()
    demo.process.wait()

    def others() -> list[str]:
        return [one for one in demo.processes() if "postgres" not in one]

    wait_for(lambda: not others(), 60, lambda: "\n".join(others()))
    demo.query("SELECT 1 AS one")  # the last user of the database stops it
    wait_for(lambda: demo.processes() == [], 30, lambda: "\n".join(demo.processes()))
