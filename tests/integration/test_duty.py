"""Rounds of duty: what keeps people from being told becomes one incident by itself, and is over when it is mended (H6, H7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from domain.detection.alert_event import AlertStatus
from domain.notification.message import Channel
from domain.notification.on_call import External
from resources.duty.capture_watch import watch_capture
from resources.duty.dagster_watch import watch_dagster
from resources.duty.purge import purge_messages
from resources.duty.round import is_round_due, make_round
from resources.notification.auditor import audit_notification
from resources.notification.on_call_import import import_rotas
from resources.notification.rota_marks import write_rota_mark
from resources.notification.rule_store import LoadedRules
from resources.postgres.engine import make_engine, transaction
from resources.postgres.url import DAGSTER_SCHEMA
from resources.rule_files import shipped_rules
from tests.fakes.notification import START, demo_rules, estate_on
from tests.fakes.platform import Platform

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def later(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def rules_by_mail_alone(folder: Path) -> Path:
    """The shipped rules with one channel; the path of the file with people and policies."""
    copytree(shipped_rules(), folder)
    tiers = folder / "notification" / "tiers.yaml"
    written = tiers.read_text()
    for channels in ("[voice, sms, email, slack]", "[sms, email, slack]", "[email, slack]", "[slack]"):
        written = written.replace(f"channels: {channels}", "channels: [email]")
    tiers.write_text(written)
    return folder / "notification" / "demo.yaml"


@pytest.mark.requirement("H6")
def test_nobody_would_be_paged_is_one_incident_told_by_what_works_until_it_is_mended(
    platform: Platform, tmp_path: Path
) -> None:
    people = rules_by_mail_alone(tmp_path / "rules")
    whole = people.read_text()
    settings = platform.settings.model_copy(update={"rules_path": tmp_path / "rules"})
    engine = make_engine(platform.url)

    def rows(sql: str) -> list[Any]:
        with transaction(engine) as connection:
            return list(connection.execute(text(sql)))

    assert is_round_due(engine, now=NOW)
    calm = make_round(settings, engine, platform.lake, now=NOW)
    assert not calm.is_configured
    assert any(one.is_silence for one in calm.weaknesses), "the doctor says it"
    assert rows("SELECT 1 FROM incidents") == [], "nobody set anything up yet: nobody is bothered"
    assert not is_round_due(engine, now=later(14))
    assert is_round_due(engine, now=later(15))

    settings = settings.model_copy(update={"smtp_url": SecretStr("smtp://127.0.0.1:9")})
    assert make_round(settings, engine, platform.lake, now=later(15)).firing == 0, "all is well"
    people.write_text(whole.partition("policies:")[0])
    for minutes in (30, 31):  # the second round finds the same and says nothing twice
        assert make_round(settings, engine, platform.lake, now=later(minutes)).firing == 1
    (incident,) = rows("SELECT title, severity, category, service, state FROM incidents")
    assert tuple(incident) == ("there is no escalation policy", "CRITICAL", "platform", "etlmon", "OPEN")
    assert [tuple(row) for row in rows("SELECT kind, channel, recipient FROM outbox")] == [
        ("audit", "email", "team:data-platform")
    ]
    people.write_text(whole)
    mended = make_round(settings, engine, platform.lake, now=later(32))
    assert (mended.firing, mended.ended) == (0, 1)
    assert rows("SELECT 1 FROM alerts WHERE status = 'FIRING'") == []
    engine.dispose()


@pytest.mark.requirement("H6")
def test_a_rota_that_cannot_be_read_is_told_when_it_is_stale(platform: Platform) -> None:
    rules = demo_rules()
    external = External.model_validate(
        {"system": "pagerduty", "connection": "rota", "schedule_id": "P1", "people": {"X": "ann"}}
    )
    schedules = {**rules.schedules, "primary": rules.schedules["primary"].model_copy(update={"external": external})}
    with estate_on(platform, demo_rules(schedules=schedules)) as estate:

        def stale() -> list[str]:
            with transaction(estate.engine) as connection:
                loaded = LoadedRules(estate.rules)
                found = audit_notification(connection, loaded, list(Channel), now=estate.now)
            return [one.detail for one in found if one.subject == "rota:primary"]

        assert stale() == [], "nobody has tried yet"
        (one,) = import_rotas(platform.settings, estate.engine, estate.rules, now=START)
        assert "no connection" in one.problem
        estate.later(7201)
        (words,) = stale()
        assert "could not be read yet" in words
        assert "no connection" in words
        with transaction(estate.engine) as connection:
            write_rota_mark(connection, "primary", now=estate.now)
        assert stale() == []
        estate.later(7201)
        import_rotas(platform.settings, estate.engine, estate.rules, now=estate.now)
        assert f"since {estate.now - timedelta(seconds=7201):%Y-%m-%d %H:%M} UTC" in stale()[0]


@pytest.mark.requirement("H7")
def test_loaders_that_stand_still_are_one_alert_and_a_pause_of_the_platform_is_none(platform: Platform) -> None:
    def attempt(code: str, minutes: float, outcome: str) -> None:
        platform.lake.execute(
            "INSERT INTO capture_attempts BY NAME SELECT ? AS loader_code, ?::TIMESTAMPTZ AS window_start,"
            " ?::TIMESTAMPTZ AS window_end, ? AS outcome, false AS is_backfill, ? AS reason, ?::TIMESTAMPTZ AS recorded_at",
            [
                code,
                later(minutes - 1),
                later(minutes),
                outcome,
                "refused" if outcome == "missing" else None,
                later(minutes),
            ],
        )

    for minutes in range(-60, 0, 5):
        attempt("A", minutes, "captured" if minutes < -30 else "missing")
        attempt("B", minutes, "captured")
    found = watch_capture(platform.lake, ["A", "B"], since=later(-120), now=NOW)
    assert (found.status, found.title) == (AlertStatus.FIRING, "1 of 2 loaders are not captured")
    assert "A: no window since 2026-03-10 11:25 UTC; refused" in found.summary
    assert watch_capture(platform.lake, ["B"], since=later(-120), now=NOW).status is AlertStatus.RESOLVED
    just_up = watch_capture(platform.lake, ["A", "B"], since=later(-10), now=NOW)
    assert just_up.status is AlertStatus.RESOLVED, "what was missed while the platform was down is caught up"
    nobody = watch_capture(platform.lake, ["A", "B"], since=later(-120), now=later(40))
    assert "nothing has tried" in nobody.summary
    assert nobody.fingerprint == found.fingerprint


@pytest.mark.requirement("H7")
def test_a_dead_daemon_is_told_by_the_api_which_sends_meanwhile(platform: Platform) -> None:
    with estate_on(platform) as estate:
        now = datetime.now(UTC)
        assert watch_dagster(platform.settings, estate.engine, now=now) == [], "Dagster never ran here"

        def tick(age_s: int) -> None:
            with transaction(estate.engine) as connection:
                connection.execute(
                    text(
                        f"INSERT INTO {DAGSTER_SCHEMA}.job_ticks VALUES ('s', (now() AT TIME ZONE 'utc') - make_interval(secs => :age),"
                        ' \'{"instigator_name": "messages_due"}\')'
                    ),
                    {"age": age_s},
                )

        with transaction(estate.engine) as connection:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {DAGSTER_SCHEMA}"))
            connection.execute(
                text(f"CREATE TABLE {DAGSTER_SCHEMA}.job_ticks (selector_id text, timestamp timestamp, tick_body text)")
            )
        tick(400)
        assert watch_dagster(platform.settings, estate.engine, now=now) == ["messages_due"]
        (incident,) = estate.ask("SELECT severity, title FROM incidents")
        assert incident.severity == "CRITICAL"
        assert "does not tick" in incident.title
        states = {row.state for row in estate.rows()}
        assert states
        assert "PENDING" not in states, "handed over (here: refused, nothing is set up) by the API itself"
        tick(1)
        assert watch_dagster(platform.settings, estate.engine, now=now + timedelta(seconds=60)) == []
        assert estate.ask("SELECT 1 FROM alerts WHERE status = 'FIRING'") == []


@pytest.mark.requirement("H7")
def test_what_was_sent_long_ago_goes_and_what_is_open_stays(platform: Platform) -> None:
    with estate_on(platform) as estate:
        closed, open_ = estate.open().incident_id, estate.open().incident_id
        estate.tick()
        estate.later(86_400)
        estate.open()
        with transaction(estate.engine) as connection:
            values = {"closed": closed, "old": START, "new": estate.now}
            connection.execute(text("UPDATE incidents SET state = 'CLOSED' WHERE incident_id = :closed"), values)
            connection.execute(
                text("INSERT INTO inbound_deliveries VALUES ('slack', 'a', :old, ''), ('slack', 'b', :new, '')"), values
            )
        gone = purge_messages(estate.engine, until=estate.now - timedelta(hours=1))
        assert gone["inbound_deliveries"] == 1
        assert gone["outbox"] > 0
        left = {row.incident_id for row in estate.rows()}
        assert closed not in left
        assert open_ in left, "an incident that is open keeps its messages, however old"
        assert purge_messages(estate.engine, until=estate.now - timedelta(hours=1)) == dict.fromkeys(gone, 0)
