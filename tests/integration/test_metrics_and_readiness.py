"""What the API says of its own health: /readyz checks what it claims, /metrics is what Prometheus reads (A12, A15)."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from domain.access.permissions import Role
from domain.loaders.definition import LoaderDefinition
from domain.notification.message import Channel
from resources.capture.engine import CaptureContext
from resources.capture.service import capture
from resources.clock import utc_now
from resources.loaders.versions import load_loader_versions
from resources.postgres.engine import make_engine
from tests.fakes.api_server import ApiServer, bearer_of, serving, until
from tests.fakes.faulty_http import Asked, FaultyHttp, Reply, reply_json, unused_port
from tests.fakes.platform import Platform

#: Rows of every queue, waiting and not.
QUEUES = """
INSERT INTO push_batches (loader_code, batch_id, received_at, signals, moved_at)
    VALUES ('P', '1', now(), 1, now()), ('P', '2', now(), 1, NULL), ('P', '3', now(), 1, NULL);
INSERT INTO outbox (idempotency_key, kind, channel, recipient, severity, payload, state, created_at)
    SELECT row_number() OVER (), 'opened', channel, 'ann', 'HIGH', '{}', state, now()
    FROM (VALUES ('sms', 'PENDING'), ('sms', 'PENDING'), ('email', 'PENDING'), ('email', 'SENT'), ('voice', 'DEAD'))
    AS v (channel, state);
INSERT INTO incidents (title, severity, category, state, is_drill, onset_at, opened_at, last_alert_at)
    SELECT 't', severity, 'INFRASTRUCTURE', state, is_drill, now(), now(), now()
    FROM (VALUES ('CRITICAL', 'OPEN', false), ('CRITICAL', 'MONITORING', false), ('LOW', 'ACKNOWLEDGED', false),
                 ('HIGH', 'CLOSED', false), ('HIGH', 'OPEN', true)) AS v (severity, state, is_drill);
INSERT INTO tickets (incident_id, due_at, is_gone)
    SELECT incident_id, CASE severity WHEN 'LOW' THEN now() + interval '1 hour' ELSE now() END, state IN ('OPEN', 'CLOSED')
    FROM incidents;
INSERT INTO alerts (fingerprint, source, rule_id, title, summary, severity, category, status, labels, onset_at, fired_at,
                    detected_at, last_seen_at, is_drill)
    SELECT row_number() OVER (), 'rule', 'r', 't', 's', 'HIGH', 'INFRASTRUCTURE', status, '{}', now(), now(), now(), now(), is_drill
    FROM (VALUES ('FIRING', false), ('FIRING', false), ('FIRING', true), ('RESOLVED', false)) AS v (status, is_drill);
INSERT INTO dagster.runs (run_id, status) VALUES ('a', 'QUEUED'), ('b', 'QUEUED'), ('c', 'STARTED'), ('d', 'SUCCESS');
INSERT INTO dagster.daemon_heartbeats (daemon_type, timestamp)
    VALUES ('SCHEDULER', now() AT TIME ZONE 'utc' - interval '40 s');
INSERT INTO dagster.job_ticks (selector_id, timestamp, tick_body)
    SELECT 's', now() AT TIME ZONE 'utc' - age * interval '1 s', '{"instigator_name": "loaders_due"}'
    FROM (VALUES (70), (900)) AS v (age)
"""
EMPTY = '{"status":"success","data":{"resultType":"vector","result":[]}}'


def loader(code: str, url: str) -> LoaderDefinition:
    return LoaderDefinition.model_validate(
        {
            "code": code, "title": "a", "source": "prometheus", "connection": {"url": url}, "schedule": "* * * * *",
            "step_s": 60, "history_s": 120, "prometheus": [{"metric_name": "requests", "promql": "up"}],
        }
    )  # fmt: skip


def execute(platform: Platform, *statements: str) -> None:
    engine = make_engine(platform.url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.requirement("A15")
def test_readiness_follows_what_is_needed_and_only_that(platform: Platform) -> None:
    with FaultyHttp(lambda _: reply_json(EMPTY)) as up, serving(platform) as api:
        engine = make_engine(platform.url)
        good, bad = loader("DEMO-UP", up.url), loader("DEMO-DOWN", f"http://127.0.0.1:{unused_port()}")
        load_loader_versions(platform.settings.home, engine).seed([good, bad], at=utc_now())
        engine.dispose()
        viewer = bearer_of(platform, Role.VIEWER)

        def ready(headers: dict[str, str] | None = None) -> httpx.Response:
            return api.client.get("/readyz", headers=headers)

        until(lambda: ready().json()["status"] == "degraded", deadline_s=40)
        answer = ready()
        assert answer.status_code == 200, "a source that is down is not the platform being down"
        checks = answer.json()["checks"]
        assert set(checks) == {"database", "migrations", "lake", "disk", "sources"}
        assert all(check["latency_ms"] >= 0 for check in checks.values())
        assert up.url not in answer.text, "hosts and loaders are told to users only"
        assert "DEMO" not in answer.text
        told = {one["name"]: one["ok"] for one in ready(viewer).json()["checks"]["sources"]["facts"]["sources"]}
        assert told == {"DEMO-UP": True, "DEMO-DOWN": False}

        execute(platform, "UPDATE alembic_version SET version_num = '0001'")
        until(lambda: ready().status_code == 503, deadline_s=5)
        broken = ready(viewer).json()
        assert broken["status"] == "not ready"
        assert "at migration 0001" in broken["checks"]["migrations"]["reason"]
        assert broken["checks"]["database"]["ok"]
        assert api.client.get("/healthz").status_code == 200, "the process itself lives"


@pytest.mark.requirement("A15")
def test_without_its_database_it_is_not_ready_but_alive(platform: Platform) -> None:
    nowhere = SecretStr("postgresql://etlmon@127.0.0.1:1/etlmon")
    with serving(platform, database_url=nowhere) as api:
        answer = api.client.get("/readyz")
        body = answer.json()
        assert (answer.status_code, body["status"]) == (503, "not ready")
        assert body["checks"]["database"]["errorType"] == "STORAGE_UNAVAILABLE"
        assert not body["checks"]["lake"]["ok"]
        assert api.client.get("/livez").status_code == 200
        assert 'etlmon_up{storage="records"} 0.0' in api.client.get("/metrics").text


def scraped(api: ApiServer, **headers: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    answer = api.client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        sample.name: {} for family in text_string_to_metric_families(answer.text) for sample in family.samples
    } | _by_name(answer.text)


def _by_name(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def fill_queues(platform: Platform) -> None:
    """QUEUES; those of Dagster in the tables that Dagster itself makes."""
    engine = make_engine(platform.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS dagster")
        connection.exec_driver_sql("SET LOCAL search_path = dagster")
        RunStorageSqlMetadata.create_all(connection)
        ScheduleStorageSqlMetadata.create_all(connection)
    engine.dispose()
    execute(platform, QUEUES)


def one_point(asked: Asked) -> Reply:
    """One series with a value at the start of what was asked."""
    result = [{"metric": {"a": "b"}, "values": [[float(asked.fields["start"]), "7"]]}]
    return reply_json(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))


@pytest.mark.requirement("A12")
def test_metrics_of_requests_and_of_the_platform(platform: Platform) -> None:
    fill_queues(platform)
    with FaultyHttp(one_point) as source:
        engine = make_engine(platform.url)
        load_loader_versions(platform.settings.home, engine).seed([loader("DEMO-A", source.url)], at=utc_now())
        engine.dispose()
        capture(platform.settings, platform.url, platform.lake, CaptureContext(now=utc_now()))
    with serving(platform, rate_limit_per_minute=3) as api:
        for _ in range(5):
            api.client.get("/api/v1/auth/me")
        api.client.get("/api/v1/breakers/../../etc/passwd?x=1")
        found = scraped(api)
        requests = found["etlmon_http_requests_total"]
        key = (("method", "GET"), ("route", "/api/v1/auth/me"))
        assert requests[(*key, ("status", "401"))] == 3.0
        assert requests[(*key, ("status", "429"))] == 2.0
        assert found["etlmon_http_requests_rate_limited_total"][()] == 3.0, "unknown paths count too"
        assert found["etlmon_http_request_duration_seconds_count"][key] == 5.0
        assert found["etlmon_http_requests_in_flight"][()] == 1.0, "the scrape itself"
        assert not any("passwd" in str(labels) for labels in requests), "labels are templates, never paths"
        assert found["etlmon_capture_lag_seconds"][(("loader", "DEMO-A"),)] < timedelta(minutes=5).total_seconds()
        breakers = api.client.get("/api/v1/breakers", headers=bearer_of(platform, Role.ADMIN)).json()["items"]
        (listed,) = (one for one in breakers if one["name"] == f"prometheus {source.url}")
        breaker = (("breaker", listed["id"]), ("kind", "prometheus"))
        assert found["etlmon_circuit_breaker_state"][(*breaker, ("state", "CLOSED"))] == 1.0
        assert found["etlmon_circuit_breaker_state"][(*breaker, ("state", "OPEN"))] == 0.0
        told = api.client.get("/metrics").text
        assert "://" not in told, "addresses of sources are no VIEWER's business"
        assert "127.0.0.1" not in told
        assert found["etlmon_capture_rows_last_hour"][(("loader", "DEMO-A"),)] == 1.0
        assert_queues(found)
        assert {"etlmon_audit_head", "etlmon_approvals_pending", "etlmon_login_failures_last_hour"} <= found.keys()
        assert set(found["etlmon_up"].values()) == {1.0}


def assert_queues(found: dict[str, dict[tuple[tuple[str, str], ...], float]]) -> None:
    """What QUEUES come to."""
    plain = {name: values[()] for name, values in found.items() if () in values}
    assert plain["etlmon_push_batches_waiting"] == 2.0
    assert plain["etlmon_dead_letters"] == 1.0
    assert plain["etlmon_tickets_due"] == 1.0
    assert plain["etlmon_alerts_firing"] == 2.0
    assert plain["etlmon_dagster_runs_queued"] == 2.0
    waiting = {labels[0][1]: n for labels, n in found["etlmon_outbox_messages_waiting"].items()}
    assert waiting == {**{one.value: 0.0 for one in Channel}, "sms": 2.0, "email": 1.0}
    incidents = {labels[0][1]: n for labels, n in found["etlmon_incidents_open"].items()}
    assert incidents == {"CRITICAL": 2.0, "HIGH": 0.0, "MEDIUM": 0.0, "LOW": 1.0}
    assert 40 <= found["etlmon_daemon_age_seconds"][(("daemon", "SCHEDULER"),)] < 900
    assert 70 <= found["etlmon_tick_age_seconds"][(("name", "loaders_due"),)] < 900, "the newest tick"


@pytest.mark.requirement("A12")
def test_metrics_off_loopback_need_the_token_or_a_login(platform: Platform) -> None:
    with serving(platform, metrics_token=SecretStr("scrape-me")) as api:
        assert api.client.get("/metrics").status_code == 401
        assert api.client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert scraped(api, Authorization="Bearer scrape-me")
        assert scraped(api, **bearer_of(platform, Role.VIEWER))
    with serving(platform, api_host="0.0.0.0") as api:
        assert api.client.get("/metrics").status_code == 401


@pytest.mark.needs("prometheus")
@pytest.mark.requirement("A12")
def test_a_real_prometheus_scrapes_it(platform: Platform, tmp_path: Path) -> None:
    port = unused_port()
    with serving(platform) as api:
        config = {
            "scrape_configs": [
                {
                    "job_name": "etlmon",
                    "scrape_interval": "1s",
                    "static_configs": [{"targets": [f"127.0.0.1:{api.port}"]}],
                }
            ]
        }
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))
        command = [
            "prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:

            def value() -> bool:
                try:
                    answer = httpx.get(
                        f"http://127.0.0.1:{port}/api/v1/query",
                        params={"query": 'etlmon_http_requests_total{route="/metrics"} >= 1 and on() up == 1'},
                        trust_env=False,
                    )
                    return bool(answer.json()["data"]["result"])
                except (httpx.TransportError, ValueError, KeyError):
                    return False

            until(value, deadline_s=40)
        finally:
            process.terminate()
            process.wait(20)
