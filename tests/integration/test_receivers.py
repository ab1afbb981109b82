"""The simulated providers as a person meets them: the page of what each channel got, the listing, faults and scripts on demand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from domain.circuit_breaker import BreakerRules
from domain.notification.message import Channel, DeliveryDelayedError
from resources.breakers import process_breakers
from resources.channels import channels_of
from resources.mail_smtp import MailServer, MailSmtp
from resources.settings import Settings
from resources.simulator.channel_environment import channel_environment
from resources.sms_twilio import SmsTwilio
from resources.twilio_door import TwilioAccount
from tests.fakes.receiving import TOKEN, Providers, a_message, providers

pytestmark = pytest.mark.requirement("H5")
NUMBER = "+14155550100"


@pytest.fixture
def world() -> Iterator[Providers]:
    process_breakers().attach(None, BreakerRules())
    with providers() as running:
        yield running


@pytest.fixture
def http(world: Providers) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.url, trust_env=False, timeout=10) as client:
        yield client


def sms(world: Providers, *, timeout_s: float = 5.0) -> SmsTwilio:
    url = f"{world.url}/receivers/twilio"
    return SmsTwilio(TwilioAccount("ACtest", SecretStr(TOKEN), "+14155559999", base_url=url, timeout_s=timeout_s))


def test_the_page_shows_what_each_channel_got_newest_first_and_escaped(world: Providers, http: httpx.Client) -> None:
    assert "Nothing yet." in http.get("/receivers").text
    sms(world).send(a_message(Channel.SMS, NUMBER, facts={"title": "the older <script>alert(1)</script>"}))
    mail = MailSmtp(MailServer.parse(world.mail.url), sender="etlmon@tiqmo.com")
    mail.send(a_message(Channel.EMAIL, "ann@example.com", facts={"title": "the younger"}))
    page = http.get("/receivers").text
    assert page.index("the younger") < page.index("the older")
    assert "<script>" not in page
    listed = http.get("/simulator/received").json()
    assert [one["receiver"] for one in listed["items"]] == ["email", "sms"]
    assert listed["counts"]["sms"] == 1
    assert [one["to"] for one in http.get("/simulator/received?receiver=sms").json()["items"]] == [NUMBER]
    assert http.get("/simulator/received?receiver=pigeon").status_code == 404
    assert http.delete("/simulator/received").json()["counts"]["sms"] == 0


def test_faults_come_and_go_as_told(world: Providers, http: httpx.Client) -> None:
    fault = {"status": 429, "retry_after_s": 11, "times": 1}
    assert http.post("/simulator/receivers/sms/fault", json=fault).status_code == 200
    with pytest.raises(DeliveryDelayedError) as slow:
        sms(world).send(a_message(Channel.SMS, NUMBER))
    assert slow.value.context["retry_after_s"] == 11
    sms(world).send(a_message(Channel.SMS, NUMBER))
    http.post("/simulator/receivers/sms/fault", json={"hangs_s": 1.0})
    with pytest.raises(DeliveryDelayedError):
        sms(world, timeout_s=0.2).send(a_message(Channel.SMS, NUMBER))
    http.delete("/simulator/receivers/sms/fault")
    sms(world).send(a_message(Channel.SMS, NUMBER))
    http.post("/simulator/receivers/email/fault", json={"status": 451, "times": 1})
    with pytest.raises(DeliveryDelayedError):
        MailSmtp(MailServer.parse(world.mail.url), sender="etlmon@tiqmo.com").send(
            a_message(Channel.EMAIL, "a@b.example")
        )


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/simulator/receivers/pigeon/fault", {"status": 500}, 404),
        ("/simulator/receivers/sms/fault", {"colour": "red"}, 400),
        ("/simulator/receivers/sms/fault", {}, 400),
        ("/simulator/receivers/script", {"digits": "1"}, 400),
        ("/simulator/receivers/script", {"outcome": "eaten"}, 400),
        ("/simulator/receivers/script", {"digits": ["1"], "outcome": "busy"}, 200),
    ],
)
def test_what_the_controls_take(http: httpx.Client, path: str, body: dict[str, object], status: int) -> None:
    assert http.post(path, json=body).status_code == status


def test_the_environment_of_a_demonstration_sets_every_channel_up(
    world: Providers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = channel_environment(f"{world.url}/receivers", smtp_url=world.mail.url)
    for name, value in {**environment, "ETLMON_PUBLIC_URL": world.url}.items():
        monkeypatch.setenv(name, value)
    channels = channels_of(Settings(home=tmp_path, _env_file=None))
    assert set(channels) == set(Channel)
    addresses = {Channel.SMS: NUMBER, Channel.EMAIL: "ann@etl.example", Channel.SLACK: "U0ANN"}
    for channel in set(Channel) - {Channel.VOICE}:  # a call would ask an API that is not there
        channels[channel].send(a_message(channel, addresses.get(channel, "default")))
        assert world.got(channel.value)
