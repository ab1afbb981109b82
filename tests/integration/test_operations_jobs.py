"""The jobs of the operations location, executed by Dagster in process on real storage: from a bad signal to a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    JobDefinition,
    RunRequest,
    SkipReason,
    build_run_status_sensor_context,
    build_sensor_context,
    job,
    op,
)
from sqlalchemy import text

from domain.incidents.lifecycle import Action, Request
from resources.access.audit_log import load_audit_log
from resources.alerts.opening import open_incident_desk
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.drills.desk import Wanted
from resources.drills.opening import open_drill_desk
from resources.postgres.engine import make_engine, transaction
from sensors.detection import capture_finished, detection
from sensors.duty import DUTY_SENSORS, drills, duty, import_rotas_job
from sensors.notification import NOTIFICATION_SENSORS, escalation, notification, sla
from sensors.run_failures import run_failures
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("D6")
SERIES = (
    "INSERT INTO series BY NAME SELECT 7 AS series_id, 'HTTP' AS loader_code, 'http_latency_p99_ms' AS metric_name,"
)


@pytest.fixture
def environment(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setenv("ETLMON_HOME", str(platform.settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.url.render())
    return platform


@contextmanager
def dagster(tmp: Path) -> Iterator[DagsterInstance]:
    tmp.mkdir(exist_ok=True)
    with DagsterInstance.ephemeral(tempdir=str(tmp)) as instance:
        yield instance


def run(job: JobDefinition, instance: DagsterInstance) -> dict[str, object]:
    """Run it; the metadata of its steps."""
    done = job.execute_in_process(instance=instance, resources={"platform": PlatformResource()})
    assert done.success
    facts: dict[str, object] = {}
    for event in done.all_events:
        if event.is_successful_output:
            facts |= {name: value.value for name, value in event.step_output_data.metadata.items()}
    return facts


def slow_service(platform: Platform, *, now: datetime) -> None:
    """Ten minutes of latencies of which the last five are far beyond the limit."""
    platform.lake.execute(SERIES + ' \'{"service":"loader"}\' AS labels')
    for minutes in range(10, 0, -1):
        value = 2_900.0 if minutes <= 5 else 300.0
        platform.lake.execute("INSERT INTO signals VALUES (7, ?, ?, ?)", [now - timedelta(minutes=minutes), value, now])
    platform.lake.execute("INSERT INTO watermarks VALUES ('HTTP', ?, ?)", [now, now])


def rows(platform: Platform, sql: str) -> list[tuple[object, ...]]:
    engine = make_engine(platform.url)
    with transaction(engine) as connection:
        found = [tuple(row) for row in connection.execute(text(sql))]
    engine.dispose()
    return found


def test_a_bad_signal_becomes_one_incident_with_messages_and_the_same_again_adds_nothing(
    environment: Platform, tmp_path: Path
) -> None:
    slow_service(environment, now=utc_now().replace(second=0, microsecond=0))
    with dagster(tmp_path / "dagster") as instance:
        first = run(detection, instance)
        again = run(detection, instance)
    assert first["incidents_opened"] == 1
    assert again["incidents_opened"] == again["events"] == 0
    assert rows(environment, "SELECT severity, service, state FROM incidents") == [("HIGH", "loader", "OPEN")]
    channels = {str(row[0]) for row in rows(environment, "SELECT channel FROM outbox WHERE kind = 'opened'")}
    assert {"sms", "email", "slack"} <= channels


def test_sensors_start_something_only_when_it_is_due(environment: Platform, tmp_path: Path) -> None:
    now = utc_now().replace(second=0, microsecond=0)
    by_name = {one.name: one for one in NOTIFICATION_SENSORS}

    def asked(name: str) -> type:
        context = build_sensor_context(resources={"platform": PlatformResource()})
        return type(by_name[name](context))

    assert {asked(name) for name in by_name} == {SkipReason}
    slow_service(environment, now=now)
    with dagster(tmp_path / "dagster") as instance:
        run(detection, instance)
        engine = make_engine(environment.url)
        with transaction(engine) as connection:  # a quarter of an hour later nobody has acknowledged
            connection.execute(text("UPDATE escalations SET due_at = now() - interval '1 second'"))
            connection.execute(
                text("UPDATE sla_clocks SET warn_at = now() - interval '1 second' WHERE measure = 'acknowledge'")
            )
        assert asked("escalations_due") is asked("clocks_due") is RunRequest
        assert run(escalation, instance)["incidents_escalated"] == 1
        assert run(sla, instance)["warned"] == 1
        warnings = rows(environment, "SELECT channel, recipient FROM outbox WHERE kind = 'sla-warning'")
        assert warnings, "people are told before the target is missed"
        assert asked("clocks_due") is SkipReason
        desk = open_incident_desk(environment.settings)
        with transaction(engine) as connection:
            desk.act(connection, 1, Request(Action.ACKNOWLEDGE, "ann", "api", utc_now()))
        engine.dispose()
        run(notification, instance)
    kinds = [str(row[0]) for row in rows(environment, "SELECT kind FROM incident_events ORDER BY event_id")]
    assert kinds[0] == "opened"
    assert {"sla-warning", "acknowledge"} <= set(kinds)
    assert rows(environment, "SELECT due_at FROM escalations") == [(None,)]


@pytest.mark.requirement("E5")
@pytest.mark.requirement("H6")
def test_a_round_of_duty_and_the_end_of_a_drill_as_jobs(environment: Platform, tmp_path: Path) -> None:
    due = {one.name: one for one in DUTY_SENSORS}
    engine = make_engine(environment.url)
    drills_desk = open_drill_desk(environment.settings, engine)
    began = utc_now() - timedelta(hours=1)
    audit = load_audit_log(environment.settings.home)
    drills_desk.start(Wanted("nobody-answers", 60), actor="ada", now=began, audit=audit)

    def asked(name: str) -> object:
        return due[name](build_sensor_context(resources={"platform": PlatformResource()}))

    with dagster(tmp_path / "dagster") as instance:
        assert isinstance(asked("duty_due"), RunRequest)
        assert run(duty, instance)["is_notification_configured"] is False
        assert isinstance(asked("duty_due"), SkipReason), "the next one in a quarter of an hour"
        assert isinstance(asked("drills_due"), RunRequest)
        assert run(drills, instance)["state"] == "OVER"
        assert isinstance(asked("drills_due"), SkipReason)
        assert run(import_rotas_job, instance) == {}, "no schedule is kept elsewhere"
    assert rows(environment, "SELECT outcome FROM drills") == [("COMPLETED",)]
    engine.dispose()


@pytest.mark.requirement("E4")
def test_a_failed_run_is_an_incident_until_a_good_one_and_a_capture_starts_detection_once(
    environment: Platform, tmp_path: Path
) -> None:
    is_well = False

    @op
    def fetch() -> None:
        if not is_well:
            raise RuntimeError("the disk is full")

    @job(name="nightly_load")
    def nightly_load() -> None:
        fetch()

    with dagster(tmp_path / "dagster") as instance:
        failed = nightly_load.execute_in_process(instance=instance, raise_on_error=False)
        event = failed.get_run_failure_event()
        context = build_run_status_sensor_context(
            "run_failures", event, instance, failed.dagster_run, resources={"platform": PlatformResource()}
        )
        run_failures(context.for_run_failure())
        run_failures(context.for_run_failure())
        opened = rows(environment, "SELECT title, category, state FROM incidents")
        assert len(opened) == 1, "a tick that comes twice opens nothing twice"
        assert "nightly_load" in str(opened[0][0])
        assert opened[0][1:] == ("data", "OPEN")
        is_well = True
        done = nightly_load.execute_in_process(instance=instance)
        run(detection, instance)
        assert rows(environment, "SELECT status FROM alerts") == [("RESOLVED",)], "a run that ends well is the recovery"
        ended = build_run_status_sensor_context(
            "capture_finished", done.get_run_success_event(), instance, done.dagster_run
        )
        first, again = capture_finished(ended), capture_finished(ended)
    assert isinstance(first, RunRequest)
    assert isinstance(again, RunRequest)
    assert first.run_key == again.run_key == f"detection-{done.run_id}", "Dagster starts one run for a key"
