"""Alertmanager's webhook: hostile bodies, wrong tokens, replays; and the real Alertmanager of Debian (E4)."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.access.permissions import Role
from resources.secret_files import load_token
from tests.fakes.alert_world import AlertWorld, make_world
from tests.fakes.api_server import until
from tests.fakes.faulty_http import unused_port
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("E4")
PATH = "/api/v1/webhooks/alertmanager"
ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "HighLatency", "service": "shop", "severity": "critical"},
    "annotations": {"summary": "shop is slow", "description": "p99 is 4 s"},
    "startsAt": "2026-03-10T12:00:00.000Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "0123456789abcdef",
}


def message(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "etlmon",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am",
        "alerts": list(alerts) or [ALERT], **changes,
    }  # fmt: skip


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    with live_api(platform.settings, platform.url) as running:
        yield running


@pytest.fixture
def world(platform: Platform) -> Iterator[AlertWorld]:
    found = make_world(platform)
    yield found
    found.engine.dispose()


@pytest.fixture
def token(platform: Platform) -> dict[str, str]:
    return {"Authorization": f"Bearer {load_token(platform.settings.home, 'webhooks.token')}"}


def test_an_alert_becomes_an_incident_and_its_end_ends_it(
    api: LiveApi, token: dict[str, str], world: AlertWorld
) -> None:
    answer = api.client.post(PATH, json=message(), headers=token)
    assert answer.status_code == 200, answer.text
    (incident_id,) = answer.json()["opened"]
    incident = world.incident(incident_id)
    assert (incident.title, incident.severity, incident.service) == ("shop is slow", "CRITICAL", "shop")
    (row,) = world.rows("SELECT fingerprint, source, rule_id, status FROM alerts")
    assert tuple(row) == ("0123456789abcdef", "alertmanager", "HighLatency", "FIRING")
    over = message({**ALERT, "status": "resolved", "endsAt": "2026-03-10T12:10:00Z"}, status="resolved")
    assert api.client.post(PATH, json=over, headers=token).status_code == 200
    assert world.rows("SELECT status FROM alerts")[0].status == "RESOLVED"


def test_a_replay_changes_nothing(api: LiveApi, token: dict[str, str], world: AlertWorld) -> None:
    api.client.post(PATH, json=message(), headers=token)
    again = api.client.post(PATH, json=message(), headers=token).json()
    assert (again["isDuplicate"], again["opened"]) == (True, [])
    assert world.rows("SELECT occurrences FROM alerts")[0].occurrences == 1


def test_an_end_that_overtakes_its_beginning_leaves_nothing_firing(
    api: LiveApi, token: dict[str, str], world: AlertWorld
) -> None:
    over = message({**ALERT, "status": "resolved", "endsAt": "2026-03-10T12:10:00Z"}, status="resolved")
    api.client.post(PATH, json=over, headers=token)
    api.client.post(PATH, json=message(), headers=token)
    (row,) = world.rows("SELECT status, incident_id FROM alerts")
    assert tuple(row) == ("RESOLVED", None)


def test_only_with_the_right_credential(api: LiveApi, platform: Platform, token: dict[str, str]) -> None:
    api.add_user("vera", Role.VIEWER)
    api.add_user("olga", Role.OPERATOR)
    wrong = [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {load_token(platform.settings.home, 'push.token')}"},
        {
            "Authorization": token["Authorization"][:-1] + "0"
            if not token["Authorization"].endswith("0")
            else "Bearer 0"
        },
        {"Authorization": token["Authorization"].replace("Bearer", "Basic")},
        api.bearer("vera"),
    ]
    statuses = [api.client.post(PATH, json=message(), headers=one).status_code for one in wrong]
    assert statuses == [401, 401, 403, 401, 401, 403]
    assert api.client.post(PATH, json=message(), headers=api.bearer("olga")).status_code == 200
    for path in ("/api/v1/alerts", "/api/v1/silences", "/api/v1/loaders"):
        assert api.client.get(path, headers=token).status_code == 403


def test_hostile_bodies_are_refused_as_a_whole(api: LiveApi, token: dict[str, str], world: AlertWorld) -> None:
    bodies: list[Any] = [
        None, [], {}, "x", message(version="3"), message(alerts=[]), message(alerts="x"), message(status="odd"),
        message({**ALERT, "status": "odd"}), message({**ALERT, "fingerprint": "zz"}), message({**ALERT, "fingerprint": "0" * 17}),
        message({**ALERT, "startsAt": "yesterday"}), message({**ALERT, "startsAt": "2026-03-10T12:00:00"}),
        message({**ALERT, "labels": {"a": 1}}), message({**ALERT, "labels": {str(k): "x" for k in range(65)}}),
        message({**ALERT, "labels": {"a": "x" * 4001}}), message({**ALERT, "labels": None}),
        message({k: v for k, v in ALERT.items() if k != "startsAt"}), message(ALERT, {**ALERT, "status": "odd"}),
        message({**ALERT, "labels": {"a": "\x00"}}), message({**ALERT, "endsAt": 0}), message({**ALERT, "startsAt": 1.5}),
    ]  # fmt: skip
    for body in bodies:
        answer = api.client.post(PATH, json=body, headers=token)
        assert answer.status_code in {400, 422}, (body, answer.text)
    raw = [b"", b"{", b"\xff\xfe", b'{"a":1,"a":2}', b"[" * 5_000]
    for data in raw:
        answer = api.client.post(PATH, content=data, headers={**token, "Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, (data[:20], answer.text)
    big = api.client.post(
        PATH,
        content=json.dumps(message({**ALERT, "annotations": {"a": "x" * 2**21}})),
        headers={**token, "Content-Type": "application/json"},
    )
    assert big.status_code == 413
    assert world.rows("SELECT 1 FROM alerts") == []


def test_strange_but_legal_bodies_are_taken_as_they_are_meant(
    api: LiveApi, token: dict[str, str], world: AlertWorld
) -> None:
    odd = [
        {**ALERT, "fingerprint": "0" * 16, "labels": {}, "annotations": {}},
        {**ALERT, "fingerprint": "1" * 16, "startsAt": "2099-01-01T00:00:00Z"},
        {
            **ALERT,
            "fingerprint": "2" * 16,
            "labels": {"alertname": "a\nb\r\x1b[31m", "severity": "🤷", "service": "<b>'; --"},
        },
        {**ALERT, "fingerprint": "3" * 16, "status": "resolved", "endsAt": "2026-03-10T11:00:00Z"},
        {**ALERT, "fingerprint": "4" * 16, "later": {"version": 5}},
        {
            **ALERT,
            "fingerprint": "5" * 16,
            "startsAt": "0312-02-23T09:04:01.939650-21:48",
            "endsAt": "0001-01-01T00:00:00+14:00",
        },
        {**ALERT, "fingerprint": "6" * 16, "startsAt": "2026-03-10T12:00:00-21:48"},
    ]
    answer = api.client.post(PATH, json=message(*odd), headers=token)
    assert answer.status_code == 200, answer.text
    rows = {row.fingerprint[0]: row for row in world.rows("SELECT * FROM alerts")}
    assert rows["0"].title == "alertmanager"
    assert rows["1"].fired_at <= rows["1"].detected_at
    assert (rows["2"].rule_id, rows["2"].severity) == ("a b [31m", "MEDIUM")
    assert (rows["3"].status, rows["3"].incident_id) == ("RESOLVED", None)
    assert rows["5"].fired_at == rows["5"].detected_at
    assert rows["6"].fired_at == datetime(2026, 3, 11, 9, 48, tzinfo=UTC)


@pytest.mark.needs("alertmanager")
def test_the_real_alertmanager_delivers(api: LiveApi, platform: Platform, world: AlertWorld, tmp_path: Path) -> None:
    load_token(platform.settings.home, "webhooks.token")
    secret = platform.settings.home / "secrets" / "webhooks.token"
    config = tmp_path / "alertmanager.yml"
    config.write_text(
        "route: {receiver: etlmon, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}\n"
        "receivers:\n- name: etlmon\n  webhook_configs:\n"
        f"  - {{url: '{api.url}{PATH}', send_resolved: true, http_config: {{authorization: {{credentials_file: '{secret}'}}}}}}\n"
    )
    address = f"127.0.0.1:{unused_port()}"
    command = [
        "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={tmp_path / 'am'}",
        f"--web.listen-address={address}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (tmp_path / "am.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
                until(lambda: _is_ready(client))
                labels = {"alertname": "DiskFull", "node": "n1", "severity": "page"}
                posted = [{"labels": labels, "annotations": {"summary": "n1 is full"}}]
                assert client.post("/api/v2/alerts", json=posted).status_code == 200
                until(lambda: bool(world.rows("SELECT 1 FROM incidents")))
                (theirs,) = client.get("/api/v2/alerts").json()
                (row,) = world.rows("SELECT * FROM alerts")
                assert (row.fingerprint, row.severity, row.title) == (theirs["fingerprint"], "CRITICAL", "n1 is full")
                over = {**posted[0], "endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
                client.post("/api/v2/alerts", json=[over])
                until(lambda: world.rows("SELECT status FROM alerts")[0].status == "RESOLVED")
                assert len(world.rows("SELECT 1 FROM incidents")) == 1
        finally:
            server.terminate()
            server.wait(10)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False
