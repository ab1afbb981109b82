"""The whole way to people: an incident in the database, the shipped rules, the real adapters, the simulated providers (H2, H5, H7)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from api.cli.main import main
from domain.circuit_breaker import BreakerRules
from domain.incidents.lifecycle import Action
from domain.notification.message import Channel
from domain.vocabulary import Severity
from resources.breakers import process_breakers
from resources.clock import utc_now
from resources.notification.service import delivery_of
from resources.postgres.engine import transaction
from resources.rule_files import shipped_rules
from resources.settings import Settings, export_environment
from resources.simulator.received import Fault
from tests.fakes.notification import Estate, estate_on
from tests.fakes.platform import Platform
from tests.fakes.receiving import TOKEN, Providers, providers

pytestmark = [pytest.mark.requirement("H2"), pytest.mark.requirement("H5"), pytest.mark.requirement("H7")]


@pytest.fixture
def world() -> Iterator[Providers]:
    process_breakers().attach(None, BreakerRules())
    with providers() as running:
        yield running
    process_breakers().attach(None, BreakerRules())


@pytest.fixture
def settings(platform: Platform, world: Providers) -> Settings:
    changes: dict[str, Any] = {
        "twilio_account_sid": "ACtest",
        "twilio_auth_token": SecretStr(TOKEN),
        "twilio_from": "+14155559999",
        "twilio_url": f"{world.url}/receivers/twilio",
        "slack_bot_token": SecretStr("xoxb-token-of-tests"),
        "slack_url": f"{world.url}/receivers/slack/api",
        "smtp_url": SecretStr(world.mail.url),
        "public_url": "https://etlmon.example",
    }
    return platform.settings.model_copy(update=changes)


@pytest.fixture
def estate(platform: Platform, settings: Settings) -> Iterator[Estate]:
    with estate_on(platform) as one:
        one.now = utc_now()
        one.delivery = delivery_of(settings, one.engine, lambda: one.rules)
        yield one


def received(world: Providers) -> dict[str, list[dict[str, Any]]]:
    return {name: world.got(name) for name in ("voice", "sms", "email", "slack")}


def test_a_critical_incident_reaches_its_person_by_all_four_channels(estate: Estate, world: Providers) -> None:
    view = estate.open(Severity.CRITICAL)
    counts = estate.deliver()
    assert (counts.sent, counts.dead, counts.delayed) == (4, 0, 0), estate.rows()
    got = received(world)
    assert {name: len(messages) for name, messages in got.items()} == {"voice": 1, "sms": 1, "email": 1, "slack": 1}
    person = estate.rows()[0].recipient
    assert got["sms"][0]["to"] == estate.rules.address_of(person, Channel.SMS)
    assert view.code in got["sms"][0]["text"]
    assert "https://etlmon.example/ack/" in got["sms"][0]["text"]
    stored = json.dumps([row.payload for row in estate.rows()])
    assert "/ack/" not in stored, "no token is ever stored"
    estate.later(20)
    estate.act(view.incident_id, Action.ACKNOWLEDGE)
    estate.deliver()
    assert len(world.got("voice")) == 1
    assert len(world.got("email")) == 2


def test_a_storm_names_every_critical_in_words_that_arrive(estate: Estate, world: Providers) -> None:
    with transaction(estate.engine) as connection:
        codes = [
            estate.open_in(connection, Severity.CRITICAL if number % 2 else Severity.HIGH, service=f"s{number}").code
            for number in range(60)
        ]
    counts = estate.deliver()
    assert counts.dead == 0, [row.last_error for row in estate.rows("state = 'DEAD'")]
    got = received(world)
    assert {name: len(messages) <= 2 for name, messages in got.items()} == dict.fromkeys(got, True)
    mails = " ".join(one["text"] + json.dumps(one["detail"], default=str) for one in got["email"])
    assert [code for code in codes[1::2] if code not in mails] == []


def test_a_provider_that_is_down_gives_way_to_the_fallback_and_is_tried_again(estate: Estate, world: Providers) -> None:
    world.book.set_fault("sms", Fault(status=401))
    world.book.set_fault("slack", Fault(status=503, times=1))
    estate.open(Severity.HIGH)
    estate.deliver()
    assert [row.state for row in estate.rows("channel = 'sms'")] == ["DEAD"]
    assert "+1555" not in str(estate.rows("channel = 'sms'")[0].last_error)
    estate.now = utc_now() + timedelta(seconds=6)
    estate.deliver()
    assert len(world.got("slack")) == 1
    assert len(world.got("email")) == 1, "stands in for the SMS, once"


def test_a_test_by_hand_goes_the_real_way(
    settings: Settings,
    world: Providers,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    folder = shutil.copytree(shipped_rules(), tmp_path / "rules")
    people = folder / "notification" / "demo.yaml"
    more = f'slack: U0ANN, pagerduty: default, opsgenie: default, webhook: "{world.url}/receivers/webhook"}}'
    people.write_text(people.read_text().replace("slack: U0ANN}", more))
    changes: dict[str, Any] = {
        "rules_path": folder,
        "pagerduty_routing_key": SecretStr("routingkeyoftests000000000000000"),
        "pagerduty_url": f"{world.url}/receivers/pagerduty",
        "opsgenie_key": SecretStr("opsgenie-key-of-tests"),
        "opsgenie_url": f"{world.url}/receivers/opsgenie",
        "webhook_url": SecretStr(f"{world.url}/receivers/webhook"),
        "webhook_secret": SecretStr("webhook-secret-of-tests"),
    }
    for name, value in export_environment(settings.model_copy(update=changes)).items():
        if name.startswith("ETLMON_"):
            monkeypatch.setenv(name, value)
    for channel in ("slack", "sms", "email", "voice", "pagerduty", "opsgenie", "webhook"):
        with pytest.raises(SystemExit) as end:
            main(["notify", "test", channel, "--to", "ann"])
        assert not end.value.code, capsys.readouterr()
        assert f"the test reached the provider of {channel} for ann" in capsys.readouterr().out
        assert len(world.got(channel)) == 1
