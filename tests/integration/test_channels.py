"""Every channel against a provider that answers as the documented one does, well and badly; clients of others against our fakes."""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.webhook import WebhookClient

from domain.circuit_breaker import BreakerRules
from domain.errors import CircuitOpenError, ConfigurationError
from domain.notification.message import (
    Channel,
    DeliveryDelayedError,
    DeliveryError,
    DeliveryRefusedError,
    Message,
    MessageKind,
)
from domain.ports import MessageChannel
from resources.aws_signature import AwsCredentials
from resources.breakers import process_breakers
from resources.channels import channels_of
from resources.chat_slack import ChatSlack, SlackWorkspace
from resources.inbound.signatures import sign_slack
from resources.inbound.slack_reply import send_slack_reply
from resources.mail_smtp import MailServer, MailSmtp
from resources.paging_opsgenie import OpsgenieTeam, PagingOpsgenie
from resources.paging_pagerduty import PagerDutyService, PagingPagerDuty
from resources.settings import Settings
from resources.simulator.received import Fault
from resources.sms_sns import SmsSns, SmsWithSecond, SnsAccount
from resources.sms_twilio import SmsTwilio
from resources.tickets_jira import JiraSite, TicketsJira
from resources.twilio_door import TwilioAccount, TwilioDoor
from resources.voice_twilio import VoiceTwilio
from resources.webhook_http import WebhookHttp, WebhookTarget, sign_webhook
from tests.fakes.faulty_http import Asked, FaultyHttp, Reply, reply_json, unused_port, write_certificate
from tests.fakes.receiving import AT, TOKEN, Providers, a_message, providers

NUMBER = "+14155550100"
SECRET = SecretStr("a-secret-of-the-tests")
ROUTING_KEY = "r0utingkey0000000000000000000000"


@pytest.fixture(autouse=True)
def _fresh_breakers() -> Iterator[None]:
    """Failures of one test keep no door shut in another: ports come back."""
    process_breakers().attach(None, BreakerRules())
    yield
    process_breakers().attach(None, BreakerRules())


@pytest.fixture(scope="module")
def world() -> Iterator[Providers]:
    with providers() as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(world: Providers) -> None:
    world.book.clear()


def account(url: str, *, public_url: str | None = None, timeout_s: float = 5.0) -> TwilioAccount:
    return TwilioAccount("ACtest", SecretStr(TOKEN), "+14155559999", public_url, url, timeout_s)


#: Channel → an adapter for a base address, and the address of its message.
ADAPTERS: dict[str, tuple[Callable[[str, float], MessageChannel], Channel, str]] = {
    "sms": (lambda url, t: SmsTwilio(account(url, timeout_s=t)), Channel.SMS, NUMBER),
    "voice": (
        lambda url, t: VoiceTwilio(account(url, public_url="https://etlmon.example", timeout_s=t)),
        Channel.VOICE,
        NUMBER,
    ),
    "sns": (
        lambda url, t: SmsSns(SnsAccount("eu-west-1", AwsCredentials("AKID", SECRET), url, t)),
        Channel.SMS,
        NUMBER,
    ),
    "slack": (
        lambda url, t: ChatSlack(SlackWorkspace(SecretStr("xoxb-token-of-tests"), None, url, t)),
        Channel.SLACK,
        "C024BE91L",
    ),
    "pagerduty": (lambda url, t: PagingPagerDuty(PagerDutyService(None, url, t)), Channel.PAGERDUTY, ROUTING_KEY),
    "opsgenie": (lambda url, t: PagingOpsgenie(OpsgenieTeam(SECRET, url, t)), Channel.OPSGENIE, "default"),
    "webhook": (lambda url, t: WebhookHttp(WebhookTarget(None, SECRET, t)), Channel.WEBHOOK, "{url}/hook"),
}


def failure(name: str, url: str, *, timeout_s: float = 5.0) -> DeliveryError:
    make, channel, address = ADAPTERS[name]
    with pytest.raises(DeliveryError) as caught:
        make(url, timeout_s).send(a_message(channel, address.replace("{url}", url)))
    return caught.value


def answering(reply: Callable[[Asked], Reply] | Reply) -> FaultyHttp:
    return FaultyHttp(reply if callable(reply) else lambda _: reply)


@pytest.mark.requirement("H5")
@pytest.mark.parametrize("name", ADAPTERS)
def test_how_each_adapter_reads_what_goes_wrong(name: str) -> None:
    for status in (400, 404):
        with answering(reply_json(orjson.dumps({"code": 1, "message": f"bad {NUMBER}"}), status=status)) as server:
            refused = failure(name, server.url)
        assert isinstance(refused, DeliveryRefusedError), status
        assert NUMBER not in str(refused)
    for status in (401, 403):
        with answering(reply_json(b'{"message": "no"}', status=status)) as server:
            login = failure(name, server.url)
        assert isinstance(login, DeliveryRefusedError)
        assert "credentials" in login.reason
    with answering(reply_json(b'{"message": "slow"}', status=429, **{"Retry-After": "17"})) as server:
        slow = failure(name, server.url)
    assert isinstance(slow, DeliveryDelayedError)
    assert slow.context["retry_after_s"] == 17
    assert slow.context["is_certain"]
    for status in (500, 503):
        with answering(reply_json(b"{}", status=status, **{"Retry-After": "9"})) as server:
            down = failure(name, server.url)
            assert len(server.asked) == 1, "one try; trying again is the outbox's business"
        assert isinstance(down, DeliveryDelayedError)
        assert down.context["retry_after_s"] == 9
    gone = failure(name, f"http://127.0.0.1:{unused_port()}")
    assert isinstance(gone, DeliveryDelayedError)
    assert gone.context["is_certain"]


@pytest.mark.requirement("H5")
@pytest.mark.parametrize("name", ADAPTERS)
def test_silence_and_half_an_answer_may_have_gone_out(name: str) -> None:
    with answering(Reply(hangs=True)) as server:
        silent = failure(name, server.url, timeout_s=0.3)
    assert isinstance(silent, DeliveryDelayedError)
    assert not silent.context.get("is_certain")
    with answering(Reply(201, (b'{"sid": "SM1", "sta',), 500)) as server:
        cut = failure(name, server.url)
    assert isinstance(cut, DeliveryDelayedError)
    assert not cut.context.get("is_certain")
    if name != "webhook":  # where any 2xx is a receipt
        with answering(reply_json(b'{"sid": "SM1", "sta', status=201)) as server:
            half = failure(name, server.url)
        assert isinstance(half, DeliveryDelayedError)
        assert "may have gone out" in half.reason


@pytest.mark.requirement("H5")
@pytest.mark.requirement("A14")
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_provider_that_keeps_failing_is_not_asked_any_more(name: str) -> None:
    make, channel, address = ADAPTERS[name]
    with answering(reply_json(b"{}", status=500)) as server:
        process_breakers().attach(None, BreakerRules(minimum_calls=3, window=5))
        assert_opens(make(server.url, 5.0), a_message(channel, address.replace("{url}", server.url)))
        assert len(server.asked) == 3


@pytest.mark.requirement("H5")
@pytest.mark.requirement("A14")
def test_a_mail_server_and_a_jira_that_keep_failing_are_not_asked_any_more() -> None:
    process_breakers().attach(None, BreakerRules(minimum_calls=3, window=5))
    mail = MailSmtp(MailServer.parse(f"smtp://127.0.0.1:{unused_port()}"), sender="etlmon@tiqmo.com")
    assert_opens(mail, a_message(Channel.EMAIL, "ann@example.com"))
    with answering(reply_json(b"{}", status=500)) as server:
        jira = TicketsJira(JiraSite(server.url, SECRET), project="ETLOPS", issue_type="Incident")
        for expected in (*[DeliveryDelayedError] * 3, CircuitOpenError):
            with pytest.raises(expected):
                jira.own_account()
        assert len(server.asked) == 3


def assert_opens(adapter: MessageChannel, message: Message) -> None:
    """Three failures, and the fourth is not tried."""
    for expected in (*[DeliveryDelayedError] * 3, CircuitOpenError):
        with pytest.raises(expected):
            adapter.send(message)


@pytest.mark.requirement("H4")
@pytest.mark.parametrize(
    ("code", "words"), [(21211, "not valid"), (21610, "unsubscribed"), (21614, "no mobile"), (21408, "country")]
)
def test_twilios_reasons_are_told_in_words(code: int, words: str) -> None:
    body = orjson.dumps({"code": code, "message": f"about {NUMBER}", "status": 400})
    with answering(reply_json(body, status=400)) as server:
        refused = failure("sms", server.url)
    assert isinstance(refused, DeliveryRefusedError)
    assert words in refused.reason
    assert NUMBER not in str(refused)


@pytest.mark.requirement("H4")
def test_nothing_of_numbers_texts_or_tokens_is_logged(world: Providers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("sms", "sns"):
        make, channel, address = ADAPTERS[name]
        base = f"{world.url}/receivers/{'twilio' if name == 'sms' else 'sns'}"
        make(base, 5.0).send(a_message(channel, address))
    assert NUMBER not in caplog.text
    assert TOKEN not in caplog.text
    assert "Database connection failure" not in caplog.text


@pytest.mark.requirement("H4")
def test_sms_by_twilio_and_by_sns(world: Providers) -> None:
    sid = SmsTwilio(account(f"{world.url}/receivers/twilio")).send(a_message(Channel.SMS, "+1 (415) 555-0100"))
    sns = ADAPTERS["sns"][0](f"{world.url}/receivers/sns", 5.0).send(a_message(Channel.SMS, NUMBER))
    assert sid.provider_id.startswith("SM")
    assert sns.provider_id
    (one,), (other,) = world.got("sms"), world.got("sns")
    assert one["to"] == other["to"] == NUMBER
    assert one["text"] == other["text"]
    assert one["text"].startswith("[CRITICAL] ETL Monitor Alert\nService: loader-service\n")
    door = TwilioDoor(account(f"{world.url}/receivers/twilio/"))
    with pytest.raises(DeliveryRefusedError, match="not valid"):
        door.request(lambda client: client.messages.create(to="12", from_="+14155559999", body="x"))


@pytest.mark.requirement("H7")
def test_a_text_whose_answer_was_lost_is_found_at_twilio(world: Providers) -> None:
    now = datetime.now(UTC)
    link, other = {"ack_url": "https://a.example/ack/one"}, {"ack_url": "https://a.example/ack/two"}
    sms = SmsWithSecond(SmsTwilio(account(f"{world.url}/receivers/twilio")), ADAPTERS["sns"][0](world.url, 5.0))
    lost = replace(a_message(Channel.SMS, NUMBER, facts=link), created_at=now)
    again = replace(a_message(Channel.SMS, NUMBER, facts={**other, "possibly_repeated": True}), created_at=now)
    assert sms.find(again) is None
    sent = sms.send(lost)
    assert sms.find(again) == sent
    for stranger in (
        replace(again, address="+14155550199"),
        replace(again, created_at=now + timedelta(minutes=5)),
        replace(again, facts={**again.facts, "title": "another one"}),
        replace(again, facts={**again.facts, "dashboard_url": "https://a.example/incidents/INC-2#signal"}),
    ):
        assert sms.find(stranger) is None
    world.book.set_fault("sms", Fault(status=500, times=1))
    with pytest.raises(DeliveryDelayedError):
        sms.find(again)


@pytest.mark.requirement("H7")
def test_a_post_whose_answer_was_lost_is_found_in_slack(world: Providers) -> None:
    workspace = SlackWorkspace(SecretStr("xoxb-token-of-tests"), None, f"{world.url}/receivers/slack/api")
    slack = ChatSlack(workspace)
    lost = replace(a_message(Channel.SLACK, "C024BE91L"), created_at=datetime.now(UTC))
    assert slack.find(lost) is None
    sent = slack.send(lost)
    assert slack.find(lost) == sent
    assert slack.find(replace(lost, idempotency_key="another")) is None
    assert slack.find(replace(lost, address="C0OTHER")) is None
    assert ChatSlack(workspace, earlier=lambda _: "C1:1.0").find(replace(lost, kind=MessageKind.RESOLVED)) is None
    with pytest.raises(DeliveryRefusedError, match="not_authed"):
        ChatSlack(replace(workspace, bot_token=SecretStr("none"))).find(lost)


@pytest.mark.requirement("H4")
def test_the_second_provider_takes_only_what_the_first_certainly_did_not(world: Providers) -> None:
    first = SmsTwilio(account(f"{world.url}/receivers/twilio", timeout_s=0.5))
    both = SmsWithSecond(first, ADAPTERS["sns"][0](f"{world.url}/receivers/sns", 5.0))
    for fault in (Fault(status=429, times=1), Fault(status=500, times=1)):
        world.book.set_fault("sms", fault)
        both.send(a_message(Channel.SMS, NUMBER))
    assert len(world.got("sns")) == 2
    world.book.set_fault("sms", Fault(is_cut=True, times=1))
    with pytest.raises(DeliveryDelayedError):
        both.send(a_message(Channel.SMS, NUMBER))
    assert [len(world.got("sms")), len(world.got("sns"))] == [1, 2], "taken by the first: not sent twice"


@pytest.mark.requirement("H5")
def test_slack_posts_once_and_changes_that_message_later(world: Providers) -> None:
    sent: list[str] = []
    workspace = SlackWorkspace(SecretStr("xoxb-token-of-tests"), None, f"{world.url}/receivers/slack/api")
    slack = ChatSlack(workspace, earlier=lambda _: sent[0] if sent else None)
    sent.append(slack.send(a_message(Channel.SLACK, "C024BE91L")).provider_id)
    again = slack.send(a_message(Channel.SLACK, "C024BE91L", kind=MessageKind.RESOLVED, facts={"state": "RESOLVED"}))
    assert again.provider_id == sent[0]
    first, second = world.got("slack")
    assert [first["detail"]["method"], second["detail"]["method"]] == ["chat.postMessage", "chat.update"]
    assert first["detail"]["ts"] == second["detail"]["ts"]
    names = [one["text"]["text"] for one in first["detail"]["blocks"][-1]["elements"]]
    assert names == ["Acknowledge", "Escalate", "Details", "Dashboard", "Incident"]
    assert "Acknowledge" not in str(second["detail"]["blocks"])
    sent[0] = "C024BE91L:1.000001"  # somebody deleted it
    slack.send(a_message(Channel.SLACK, "C024BE91L", kind=MessageKind.ACKNOWLEDGED))
    assert world.got("slack")[-1]["detail"]["method"] == "chat.postMessage"


@pytest.mark.requirement("H5")
def test_slack_by_webhook_where_the_bot_is_not_let_in(world: Providers) -> None:
    hook = SecretStr(f"{world.url}/receivers/slack/hooks/T1")
    bot = SlackWorkspace(SecretStr("xoxb-token-of-tests"), hook, f"{world.url}/receivers/slack/api")
    ChatSlack(bot).send(a_message(Channel.SLACK, "#no-such-channel"))
    ChatSlack(SlackWorkspace(None, hook)).send(a_message(Channel.SLACK, "#etl"))
    assert [one["to"] for one in world.got("slack")] == ["T1", "T1"]
    alone = SlackWorkspace(SecretStr("xoxb-token-of-tests"), None, f"{world.url}/receivers/slack/api")
    with pytest.raises(DeliveryRefusedError, match="channel_not_found"):
        ChatSlack(alone).send(a_message(Channel.SLACK, "#no-such-channel"))


@pytest.mark.requirement("H5")
def test_slacks_own_client_gets_on_with_our_slack_and_agrees_on_signatures(world: Providers) -> None:
    client = WebClient("xoxb-token-of-tests", base_url=f"{world.url}/receivers/slack/api/")
    assert client.auth_test()["ok"]
    posted = client.chat_postMessage(channel="C1", text="hello")
    assert client.chat_update(channel="C1", ts=str(posted["ts"]), text="changed")["ok"]
    with pytest.raises(SlackApiError, match="channel_not_found"):
        client.chat_postMessage(channel="no-such", text="hello")
    assert WebhookClient(f"{world.url}/receivers/slack/hooks/T1").send(text="hello").status_code == 200
    verifier = SignatureVerifier("signing-secret")
    signature = sign_slack(b"payload=%7B%7D", timestamp="1760000000", secret="signing-secret")
    assert signature == verifier.generate_signature(timestamp="1760000000", body=b"payload=%7B%7D")


@pytest.mark.requirement("H5")
def test_pagerduty_and_opsgenie_follow_one_incident_by_one_key(world: Providers) -> None:
    duty = PagingPagerDuty(PagerDutyService(None, f"{world.url}/receivers/pagerduty"))
    genie = PagingOpsgenie(OpsgenieTeam(SECRET, f"{world.url}/receivers/opsgenie"))
    for kind in (MessageKind.OPENED, MessageKind.ACKNOWLEDGED, MessageKind.RESOLVED):
        assert duty.send(a_message(Channel.PAGERDUTY, ROUTING_KEY, kind=kind)).provider_id == "etlmon-INC-12345"
        genie.send(a_message(Channel.OPSGENIE, "default", kind=kind))
    events = [one["detail"]["event"] for one in world.got("pagerduty")]
    assert [one["event_action"] for one in events] == ["trigger", "acknowledge", "resolve"]
    assert {one["dedup_key"] for one in events} == {"etlmon-INC-12345"}
    assert events[0]["payload"]["severity"] == "critical"
    alerts = world.got("opsgenie")
    assert [one["to"] for one in alerts] == ["etlmon-INC-12345"] * 3
    assert [one["text"].split()[0] for one in alerts[1:]] == ["acknowledge", "close"]
    assert alerts[0]["detail"]["alert"]["priority"] == "P1"
    duty.send(a_message(Channel.PAGERDUTY, ROUTING_KEY, is_drill=True))
    assert world.got("pagerduty")[-1]["detail"]["event"]["dedup_key"] == "etlmon-drill-INC-12345"


@pytest.mark.requirement("H5")
def test_a_webhook_is_signed_over_time_and_body_and_names_its_key(world: Providers) -> None:
    target = WebhookTarget(SecretStr(f"{world.url}/receivers/webhook"), SECRET)
    WebhookHttp(target, clock=lambda: AT).send(a_message(Channel.WEBHOOK, "default"))
    (one,) = world.got("webhook")
    headers, body = one["detail"]["headers"], one["detail"]["body"].encode()
    assert headers["idempotency-key"] == "incident:12345:opened:webhook:ann"
    assert headers["x-etlmon-timestamp"] == str(int(AT.timestamp()))
    expected = sign_webhook(SECRET.get_secret_value(), timestamp=headers["x-etlmon-timestamp"], body=body)
    assert headers["x-etlmon-signature"] == expected
    assert orjson.loads(body)["incident"] == "INC-12345"


class MailBox:
    """An aiosmtpd handler that keeps envelopes."""

    def __init__(self, *, refusal: str = "") -> None:
        self.mails: list[Any] = []
        self.refusal = refusal

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refusal:
            return self.refusal
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 kept"


@pytest.mark.requirement("H5")
def test_mail_reaches_a_real_server_by_starttls_and_login(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    box = MailBox()

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"etlmon", b"p@ss word"), handled=False)

    controller = Controller(
        box,
        "127.0.0.1",
        unused_port(),
        tls_context=context,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    )
    controller.start()
    try:
        url = f"smtp://etlmon:p%40ss%20word@127.0.0.1:{controller.port}?ca_file={certificate}"
        mail = MailSmtp(MailServer.parse(url), sender="etlmon@tiqmo.com")
        first = mail.send(a_message(Channel.EMAIL, "ann@example.com", facts={"title": "Größe\r\nBcc: x@example.com"}))
        mail.send(a_message(Channel.EMAIL, "ann@example.com", kind=MessageKind.RESOLVED, idempotency_key="other"))
        wrong = MailServer.parse(url.replace("p%40ss", "wrong"))
        with pytest.raises(DeliveryRefusedError, match="login"):
            MailSmtp(wrong, sender="etlmon@tiqmo.com").send(a_message(Channel.EMAIL, "ann@example.com"))
        untrusted = MailServer.parse(url.partition("?")[0])
        with pytest.raises(DeliveryDelayedError, match="TLS"):
            MailSmtp(untrusted, sender="etlmon@tiqmo.com").send(a_message(Channel.EMAIL, "ann@example.com"))
    finally:
        controller.stop()
    one, two = box.mails
    assert one["Message-ID"] == first.provider_id
    assert one["Message-ID"] != two["Message-ID"]
    assert one["References"] == two["References"] == "<inc-12345.incident@tiqmo.com>"
    assert one["Auto-Submitted"] == "auto-generated"
    assert one["Bcc"] is None
    assert one["Subject"] == "[CRITICAL] INC-12345 Größe Bcc: x@example.com"
    assert [part.get_content_type() for part in one.iter_parts()] == ["text/plain", "text/html"]
    assert "Größe" in one.get_body(("plain",)).get_content()
    assert "Größe" in one.get_body(("html",)).get_content()


@pytest.mark.requirement("H5")
def test_mail_by_tls_from_the_start(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    box = MailBox()
    controller = Controller(box, "127.0.0.1", unused_port(), ssl_context=context)
    controller.ssl_context.check_hostname = False
    port = controller.port
    controller_thread_start(controller, certificate)
    try:
        server = MailServer.parse(f"smtps://127.0.0.1:{port}?ca_file={certificate}")
        MailSmtp(server, sender="etlmon@tiqmo.com").send(a_message(Channel.EMAIL, "ann@example.com"))
    finally:
        controller.stop()
    assert len(box.mails) == 1


def controller_thread_start(controller: Controller, certificate: Path) -> None:
    """aiosmtpd tries its own server as a client that trusts nobody; it has to be told whom."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    controller._trigger_server = lambda: smtplib.SMTP_SSL("127.0.0.1", controller.port, context=trusting).quit()
    controller.start()


@pytest.mark.requirement("H5")
@pytest.mark.parametrize(
    ("refusal", "kind"),
    [("451 greylisted", DeliveryDelayedError), ("550 no such box ann@example.com", DeliveryRefusedError)],
)
def test_what_a_mail_server_refuses(refusal: str, kind: type[DeliveryError]) -> None:
    controller = Controller(MailBox(refusal=refusal), "127.0.0.1", unused_port())
    controller.start()
    try:
        mail = MailSmtp(MailServer.parse(f"smtp://127.0.0.1:{controller.port}"), sender="etlmon@tiqmo.com")
        with pytest.raises(kind) as caught:
            mail.send(a_message(Channel.EMAIL, "ann@example.com"))
    finally:
        controller.stop()
    assert "ann@example.com" not in str(caught.value)


@pytest.mark.requirement("H5")
def test_a_password_is_never_sent_in_clear() -> None:
    controller = Controller(MailBox(), "127.0.0.1", unused_port())  # offers no STARTTLS
    controller.start()
    try:
        server = MailServer.parse(f"smtp://etlmon:secret-word@127.0.0.1:{controller.port}")
        with pytest.raises(DeliveryRefusedError, match="not sent in clear"):
            MailSmtp(server, sender="etlmon@tiqmo.com").send(a_message(Channel.EMAIL, "ann@example.com"))
    finally:
        controller.stop()


@pytest.mark.requirement("H5")
def test_only_what_is_configured_is_there_and_links_are_added_while_sending(world: Providers, tmp_path: Path) -> None:
    assert channels_of(Settings(home=tmp_path, _env_file=None)) == {}
    settings = Settings(
        home=tmp_path,
        _env_file=None,
        public_url="https://etlmon.example",
        twilio_account_sid="ACtest",
        twilio_auth_token=SecretStr(TOKEN),
        twilio_from="+14155559999",
        twilio_url=f"{world.url}/receivers/twilio",
        slack_bot_token=SecretStr("xoxb-token-of-tests"),
        slack_url=f"{world.url}/receivers/slack/api",
        smtp_url=SecretStr(world.mail.url),
        pagerduty_routing_key=SecretStr(ROUTING_KEY),
        pagerduty_url=f"{world.url}/receivers/pagerduty",
        opsgenie_key=SECRET,
        opsgenie_url=f"{world.url}/receivers/opsgenie",
        webhook_secret=SECRET,
        webhook_url=SecretStr(f"{world.url}/receivers/webhook"),
    )
    channels = channels_of(settings)
    assert set(channels) == set(Channel)
    addresses = {
        Channel.SMS: NUMBER,
        Channel.VOICE: NUMBER,
        Channel.EMAIL: "ann@example.com",
        Channel.SLACK: "C024BE91L",
    }
    for channel, adapter in channels.items():
        adapter.send(a_message(channel, addresses.get(channel, "default")))
    counts = world.book.count()
    assert all(counts[one.value] for one in Channel)
    assert "ACK: https://etlmon.example/ack/" in world.got("sms")[0]["text"]
    assert "https://etlmon.example/ack/" in world.got("email")[0]["detail"]["plain"]
    with pytest.raises(ConfigurationError, match="mail server"):
        channels_of(settings.model_copy(update={"smtp_url": SecretStr("mail.example.com")}))


@pytest.mark.requirement("H5")
@pytest.mark.parametrize(
    ("channel", "address"),
    [
        (Channel.SMS, "14155550100"),
        (Channel.SMS, ""),
        (Channel.EMAIL, "ann"),
        (Channel.EMAIL, "ann@example.com\nBcc: all@example.com"),
        (Channel.SLACK, "<!everyone>"),
    ],
)
def test_addresses_that_are_none_never_leave_the_house(world: Providers, channel: Channel, address: str) -> None:
    adapters: dict[Channel, MessageChannel] = {
        Channel.SMS: SmsTwilio(account(f"{world.url}/receivers/twilio")),
        Channel.EMAIL: MailSmtp(MailServer.parse(world.mail.url), sender="etlmon@tiqmo.com"),
        Channel.SLACK: ChatSlack(
            SlackWorkspace(SecretStr("xoxb-token-of-tests"), None, f"{world.url}/receivers/slack/api")
        ),
    }
    message: Message = a_message(channel, address)
    with pytest.raises(DeliveryRefusedError):
        adapters[channel].send(message)
    assert world.book.read() == []


@pytest.mark.requirement("H5")
def test_who_presses_a_button_in_slack_is_answered_there(world: Providers) -> None:
    answer = {"response_type": "ephemeral", "replace_original": False, "text": "INC-1 is acknowledged by ann."}
    send_slack_reply(f"{world.url}/receivers/slack/hooks/reply", answer)
    (one,) = world.got("slack")
    assert (one["to"], one["text"]) == ("reply", "INC-1 is acknowledged by ann.")
    send_slack_reply(f"http://127.0.0.1:{unused_port()}/gone", answer)  # lost: what was done stands in the incident
