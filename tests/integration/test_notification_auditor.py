"""The auditor of silence: each way in which nobody would be told is found before it happens, and becomes an alert (H6, H7)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.notification.message import Channel, DeliveryDelayedError, DeliveryRefusedError
from domain.notification.people import Addresses
from domain.notification.readiness import rate_gap
from domain.vocabulary import Severity
from resources.breakers import Breakers
from resources.breakers_postgres import PostgresBreakers
from resources.doctor.notification import check_notification
from resources.notification.auditor import audit_notification
from resources.notification.on_call import add_override
from resources.notification.outbox import write_messages
from resources.notification.rule_store import LoadedRules, RuleStore
from resources.notification.service import compose_test
from resources.postgres.engine import transaction
from tests.fakes.notification import START, Estate, demo_rules, estate_on, failing
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("H6")


def found(
    estate: Estate, channels: Collection[Channel] = tuple(Channel), problems: tuple[str, ...] = ()
) -> dict[str, bool]:
    """Subject → whether it means silence."""
    with transaction(estate.engine) as connection:
        weaknesses = audit_notification(connection, LoadedRules(estate.rules, problems), channels, now=estate.now)
    return {one.subject: one.is_silence for one in weaknesses}


def urgencies(estate: Estate) -> dict[str, Severity | None]:
    """Subject → severity of the alert about it."""
    with transaction(estate.engine) as connection:
        weaknesses = audit_notification(connection, LoadedRules(estate.rules, ()), list(Channel), now=estate.now)
    return {one.subject: one.urgency for one in weaknesses}


def test_a_gap_is_the_more_urgent_the_nearer_it_is() -> None:
    def urgency(days: float) -> Severity | None:
        return rate_gap(START + timedelta(days=days), now=START, is_first_line=True)

    assert [urgency(days) for days in (0, 0.9, 6, 8)] == [Severity.CRITICAL, Severity.MEDIUM, Severity.LOW, None]
    assert rate_gap(START, now=START, is_first_line=False) is Severity.MEDIUM, "somebody else is told first"


def test_all_is_well_while_delivery_runs(platform: Platform) -> None:
    with estate_on(platform) as estate:
        assert found(estate) == {}, "nothing waits: that nothing has run yet harms nobody"
        estate.open()
        estate.tick()
        estate.later(299)
        assert found(estate) == {}
        estate.later(182)
        assert found(estate) == {"machinery:escalation": True}, "a step is due and nobody takes it"
        estate.escalate()
        estate.later(181)
        assert found(estate) == {"machinery:delivery": True}, "its messages wait and nobody sends them"
        with transaction(estate.engine) as connection:
            connection.execute(text("UPDATE detection_marks SET evaluated_until = :now"), {"now": estate.now})
        assert found(estate) == {"queue:delivery": False}, "delivery works, but does not keep up"


def test_gaps_of_the_coming_days_are_seen_and_an_override_closes_them(platform: Platform) -> None:
    rules = demo_rules()
    layer = rules.schedules["primary"].layers[0]
    late = layer.model_copy(update={"starts_on": (START + timedelta(days=20)).date()})
    schedules = {**rules.schedules, "primary": rules.schedules["primary"].model_copy(update={"layers": [late]})}
    with estate_on(platform, demo_rules(schedules=schedules)) as estate:
        estate.tick()
        assert found(estate) == {"gap:primary": False}, "the manager is told meanwhile: no silence"
        assert urgencies(estate) == {"gap:primary": Severity.CRITICAL}, "but nobody is on call"
        from resources.access.audit_log import load_audit_log

        with transaction(estate.engine) as connection:
            add_override(
                connection,
                estate.rules,
                schedule="primary",
                person="ben",
                starts_at=START - timedelta(days=1),
                ends_at=START + timedelta(days=40),
                reason="",
                actor="root",
                now=START,
                audit=load_audit_log(platform.settings.home),
            )
        assert found(estate) == {}
        estate.open(Severity.LOW)
        estate.deliver()
        assert [one.recipient for one in estate.sent()] == ["ben"], "and he is the one who is told"


def test_people_channels_and_rules_that_are_not_ready(platform: Platform) -> None:
    rules = demo_rules()
    nobody = rules.people["ann"].model_copy(update={"addresses": Addresses()})
    people = dict.fromkeys(rules.people, nobody)
    with estate_on(platform, demo_rules(people=people)) as estate:
        estate.tick()
        seen = found(estate)
        assert {f"silence:{severity.value}:*": True for severity in Severity}.items() <= seen.items()
        assert {"address:ann", "address:mia"} <= set(seen)
        estate.rules = rules
        only_mail = found(estate, [Channel.EMAIL], ("tiers.yaml:3: field x",))
        assert {"channel:voice", "channel:sms", "channel:slack", "rules"} == set(only_mail), "mail stands in for all"
        assert not any(only_mail.values())
        none = found(estate, [])
        assert none["silence:CRITICAL:*"]
        estate.rules = demo_rules(policies={}, routes=[])
        assert found(estate)["no-policy"]


@pytest.mark.requirement("H7")
def test_failed_tests_dead_letters_and_open_breakers(platform: Platform) -> None:
    with estate_on(platform) as estate:
        estate.channels[Channel.SMS].fail = failing(DeliveryRefusedError("wrong token", suggestion="renew it"))
        cause, planned = compose_test(Channel.SMS, "ann", reference="1", actor="root")
        with transaction(estate.engine) as connection:
            write_messages(connection, cause, [planned], now=estate.now)
        estate.tick()
        assert set(found(estate)) == {"dead-letters", "test:sms"}
        breakers = Breakers(clock=lambda: estate.now)
        breakers.attach(PostgresBreakers(estate.engine), breakers.rules)
        for _ in range(10):
            with pytest.raises(DeliveryDelayedError), breakers.guard("channel slack"):
                raise DeliveryDelayedError("503", suggestion="later")
        breakers.flush()
        seen = found(estate)
        assert "breaker:slack" in seen
        assert "silence:LOW:*" not in seen, "mail takes over from Slack"


def test_doctor_says_it_in_words(platform: Platform) -> None:
    findings = list(check_notification(platform.settings, platform.url))
    details = [one.detail for one in findings]
    assert any("nobody would be told of a CRITICAL incident" in one for one in details), (
        "no channel is set up in a test"
    )
    assert any("voice is used by the tiers and not set up" in one for one in details)
    assert all(one.remedy for one in findings)


def test_a_broken_file_leaves_the_last_good_rules_in_force(platform: Platform, tmp_path: object) -> None:
    from pathlib import Path
    from shutil import copytree

    from resources.rule_files import shipped_rules

    folder = Path(str(tmp_path)) / "rules"
    copytree(shipped_rules() / "notification", folder / "notification")
    settings = platform.settings.model_copy(update={"rules_path": folder})
    store = RuleStore(settings)
    assert "ann" in store().people
    demo = folder / "notification" / "demo.yaml"
    demo.write_text(demo.read_text().replace("repeat: 1", "repeat: often") + "\n# longer\n")
    loaded = store.load()
    assert "ann" in loaded.rules.people
    assert "demo.yaml" in loaded.problems[0]
    assert "repeat" in loaded.problems[0]
    fresh = RuleStore(settings).load()
    assert "ann" in fresh.rules.people, "another process has the last good ones too"
    assert fresh.problems
    demo.write_text(demo.read_text().replace("repeat: often", "repeat: 2"))
    assert store.load().problems == ()
    assert store().policies["data-platform"].repeat == 2
    kept = settings.home / "secrets" / "notification-rules.json"
    assert kept.stat().st_mode & 0o077 == 0, "it holds numbers and addresses"
