"""Answers of people through every door: keys of a call, SMS, buttons, links; and everything hostile or late that may come there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import httpx
import orjson
import pytest
from pydantic import SecretStr
from slack_sdk.signature import SignatureVerifier
from sqlalchemy import text
from twilio.request_validator import RequestValidator

from api.app import create_app
from domain.incidents.lifecycle import Action
from domain.incidents.view import IncidentView
from domain.vocabulary import Severity
from resources.channels import ack_links_of, channels_of
from resources.clock import utc_now
from resources.control_plane import open_control_plane
from resources.notification.delivery import Delivery
from resources.postgres.engine import transaction
from tests.fakes.api_server import serving
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.notification import Estate, demo_rules
from tests.fakes.platform import Platform
from tests.fakes.receiving import TOKEN, providers, serve, wait_for

PUBLIC = "https://etlmon.example"
OLD_TOKEN = "the-auth-token-before-the-rotation"
SIGNING = "slack-signing-secret-of-tests"
ANN = "+15550100001"
VOICE = "/api/v1/webhooks/twilio/voice"


@dataclass
class World:
    api: LiveApi
    estate: Estate

    def open(self, **fields: Any) -> IncidentView:
        self.estate.now = utc_now()
        return self.estate.open(Severity.CRITICAL, **fields)

    def act(self, incident_id: int, action: Action, **fields: Any) -> None:
        self.estate.now = utc_now()
        self.estate.act(incident_id, action, **fields)

    def call_of(self, view: IncidentView, person: str = "ann") -> int:
        """The call to somebody about an incident, as if it had been placed: the number of its message."""
        self.estate.ask("SELECT 1")
        with transaction(self.estate.engine) as connection:
            return int(
                connection.execute(
                    text(
                        "UPDATE outbox SET state = 'SENT', provider_id = 'CA1', attempts = 1, recipient = :person, due_at = NULL WHERE"
                        " message_id = (SELECT message_id FROM outbox WHERE incident_id = :id AND channel = 'voice' LIMIT 1)"
                        " RETURNING message_id"
                    ),
                    {"id": view.incident_id, "person": person},
                ).scalar_one()
            )

    def twilio(self, path: str, *, token: str = TOKEN, public: str = PUBLIC, **form: str) -> httpx.Response:
        """As Twilio posts it, signed by Twilio's own library."""
        signature = RequestValidator(token).compute_signature(f"{public}{path}", form)
        return self.api.client.post(path, data=form, headers={"X-Twilio-Signature": signature})

    def said(self, path: str, **form: str) -> str:
        """What the caller hears, in one line."""
        answer = self.twilio(path, CallSid="CA1", **form)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("application/xml")
        return " | ".join(one.text or "" for one in ET.fromstring(answer.text).iter("Say"))

    def reply(self, body: str, *, sender: str = ANN, sid: str = "") -> str:
        """What comes back for an SMS."""
        sid = sid or f"SM{time.monotonic_ns()}"
        answer = self.twilio("/api/v1/webhooks/twilio/sms", From=sender, To="+1", Body=body, MessageSid=sid)
        assert answer.status_code == 200, answer.text
        return " ".join(one.text or "" for one in ET.fromstring(answer.text))

    def press(
        self, action: str, value: str, *, user: str = "U0ANN", at_s: float | None = None, **headers: str
    ) -> httpx.Response:
        """A button in Slack, signed by Slack's own library."""
        payload = {"type": "block_actions", "user": {"id": user}, "actions": [{"action_id": action, "value": value}]}
        body = urlencode({"payload": orjson.dumps(payload).decode()})
        timestamp = str(int(time.time() if at_s is None else at_s))
        signature = SignatureVerifier(SIGNING).generate_signature(timestamp=timestamp, body=body) or ""
        given = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature, **headers}
        given["Content-Type"] = "application/x-www-form-urlencoded"
        return self.api.client.post("/api/v1/webhooks/slack/interactive", content=body, headers=given)

    def state(self, view: IncidentView) -> tuple[str, str | None]:
        row = self.estate.ask(f"SELECT state, acknowledged_by FROM incidents WHERE incident_id = {view.incident_id}")[0]
        return row.state, row.acknowledged_by

    def events(self, view: IncidentView, kind: str) -> list[Any]:
        return self.estate.ask(
            f"SELECT * FROM incident_events WHERE incident_id = {view.incident_id} AND kind = '{kind}' ORDER BY event_id"
        )


@pytest.fixture
def world(platform: Platform) -> Iterator[World]:
    settings = platform.settings.model_copy(
        update={
            "public_url": PUBLIC,
            "twilio_auth_token": SecretStr(TOKEN),
            "twilio_auth_token_old": SecretStr(OLD_TOKEN),
            "slack_signing_secret": SecretStr(SIGNING),
        }
    )
    with live_api(settings, platform.url) as api:
        yield World(api, Estate(api.control.engine, demo_rules()))


@pytest.mark.requirement("H3")
@pytest.mark.requirement("E2")
def test_pressing_one_acknowledges_and_stops_the_escalation(world: World) -> None:
    view = world.open(title="Database connection failure", service="loader-service")
    call = world.call_of(view)
    heard = world.said(f"{VOICE}/{call}")
    assert heard.startswith(
        "This is the ETL Monitoring Platform with a CRITICAL alert. | Incident: Database connection failure"
        " | Affected service: loader-service | Detected at: "
    )
    assert heard.endswith("UTC | Press 1 to acknowledge, 2 for incident details, 3 to escalate.")
    said = world.said(f"{VOICE}/{call}/key?turn=1", Digits="1")
    assert said == f"Thank you. {view.code} is acknowledged by ann. | Goodbye."
    assert world.state(view) == ("ACKNOWLEDGED", "ann")
    (event,) = world.events(view, "acknowledge")
    assert (event.actor, event.cause) == ("ann", "ivr")
    assert world.estate.ask(f"SELECT due_at FROM escalations WHERE incident_id = {view.incident_id}")[0].due_at is None


@pytest.mark.requirement("H3")
def test_pressing_two_sends_the_details_and_one_may_still_acknowledge(world: World) -> None:
    view = world.open()
    call = world.call_of(view)
    said = world.said(f"{VOICE}/{call}/key?turn=1", Digits="2")
    assert said == f"The details of {view.code} are on their way. | Press 1 to acknowledge, 3 to escalate."
    assert world.said(f"{VOICE}/{call}/key?turn=2", Digits="2").startswith("The details of")
    rows = world.estate.rows("kind = 'details'")
    assert sorted((row.channel, row.recipient) for row in rows) == [("email", "ann"), ("sms", "ann")]
    assert len(world.events(view, "details-requested")) == 1
    assert world.state(view) == ("OPEN", None)


@pytest.mark.requirement("H3")
def test_pressing_three_tells_the_manager_and_asks_for_a_p1_ticket(world: World) -> None:
    view = world.open()
    call = world.call_of(view)
    said = world.said(f"{VOICE}/{call}/key?turn=1", Digits="3")
    assert said == f"{view.code} is escalated: the manager is told and a P1 ticket is asked for. | Goodbye."
    to_manager = world.estate.rows("kind = 'escalated' AND recipient = 'mia'")
    assert {row.channel for row in to_manager} >= {"voice", "sms", "email"}
    (ticket,) = world.estate.rows("channel = 'jira'")
    assert ticket.payload["facts"]["priority"] == "P1"
    (event,) = world.events(view, "escalation-requested")
    assert (event.actor, event.cause) == ("ann", "ivr")
    assert world.said(f"{VOICE}/{call}/key?turn=1", Digits="3") == said
    assert len(world.estate.rows("channel = 'jira'")) == 1


@pytest.mark.requirement("H3")
def test_silence_and_wrong_keys_are_asked_twice_more_and_then_the_call_ends(world: World) -> None:
    view = world.open()
    call = world.call_of(view)
    assert world.said(f"{VOICE}/{call}/key?turn=1", Digits="").startswith("There was no input. | This is the ETL")
    assert world.said(f"{VOICE}/{call}/key?turn=2", Digits="9").startswith("That is not one of the choices. | This")
    assert world.said(f"{VOICE}/{call}/key?turn=3", Digits="") == (
        "There was no valid input. Escalation goes on. | Goodbye."
    )
    assert world.state(view) == ("OPEN", None)


@pytest.mark.requirement("H3")
@pytest.mark.requirement("E2")
def test_a_call_about_what_is_settled_says_so_and_asks_nothing(world: World) -> None:
    taken, over, gone = world.open(), world.open(), world.open()
    calls = [world.call_of(one) for one in (taken, over, gone)]
    world.act(taken.incident_id, Action.ACKNOWLEDGE, actor="ben")
    world.act(over.incident_id, Action.RESOLVE)
    world.act(gone.incident_id, Action.MERGE, into=taken.incident_id)
    expected = [
        f"{taken.code} is acknowledged already, by ben.",
        f"{over.code} is resolved. There is nothing left to do.",
        f"{gone.code} was merged into {taken.code}.",
    ]
    for call, words in zip(calls, expected, strict=True):
        assert world.said(f"{VOICE}/{call}") == f"This is the ETL Monitoring Platform. | {words} | Goodbye."
        assert world.said(f"{VOICE}/{call}/key?turn=1", Digits="1") == f"{words} | Goodbye."
    assert world.state(taken) == ("ACKNOWLEDGED", "ben")
    assert world.said(f"{VOICE}/999999") == "This message is not known here. | Goodbye."
    assert world.said(f"{VOICE}/999999/key?turn=1", Digits="1") == "This message is not known here. | Goodbye."


@pytest.mark.requirement("H3")
def test_an_answering_machine_hears_the_alert_and_counts_as_not_reached(world: World) -> None:
    view = world.open()
    call = world.call_of(view)
    heard = world.said(f"{VOICE}/{call}", AnsweredBy="machine_start")
    assert "Press 1" not in heard
    assert heard.endswith("Goodbye.")
    path = f"{VOICE}/{call}/status"
    assert world.twilio(path, CallSid="CA1", CallStatus="completed", AnsweredBy="machine_start").status_code == 204
    (row,) = world.estate.rows(f"message_id = {call}")
    assert (row.state, row.last_error) == ("PENDING", "DELIVERY_DELAYED: voice to ann: an answering machine")


@pytest.mark.requirement("H3")
@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
def test_who_is_not_reached_is_called_again_and_then_the_fallback_is_used(world: World, status: str) -> None:
    view = world.open()
    call = world.call_of(view)
    path = f"{VOICE}/{call}/status"
    assert world.twilio(path, CallSid="CA0", CallStatus=status).status_code == 204
    assert world.estate.rows(f"message_id = {call}")[0].state == "SENT", "a report about another call"
    world.twilio(path, CallSid="CA1", CallStatus=status)
    world.twilio(path, CallSid="CA1", CallStatus=status)
    (row,) = world.estate.rows(f"message_id = {call}")
    assert row.state == "PENDING"
    assert timedelta(seconds=50) < row.due_at - utc_now() <= timedelta(seconds=60)
    assert len(world.events(view, "not-reached")) == 1
    world.estate.engine.dispose()
    with transaction(world.estate.engine) as connection:
        connection.execute(
            text("UPDATE outbox SET state = 'SENT', provider_id = 'CA2', attempts = 2 WHERE message_id = :id"),
            {"id": call},
        )
    world.twilio(path, CallSid="CA2", CallStatus=status)
    (row,) = world.estate.rows(f"message_id = {call}")
    assert row.state == "DEAD"
    assert world.events(view, "delivery-failed")


@pytest.mark.requirement("H3")
@pytest.mark.parametrize(("status", "state"), [("initiated", "SENT"), ("completed", "DELIVERED"), ("failed", "DEAD")])
def test_a_report_that_is_faster_than_its_sender_is_not_lost(world: World, status: str, state: str) -> None:
    call = world.call_of(world.open())
    with transaction(world.estate.engine) as connection:
        connection.execute(
            text(
                "UPDATE outbox SET state = 'PENDING', provider_id = NULL, due_at = now(), locked_until = now() + interval '1 minute',"
                " is_possibly_sent = true WHERE message_id = :id"
            ),
            {"id": call},
        )
    world.twilio(f"{VOICE}/{call}/status", CallSid="CA9", CallStatus=status)
    assert world.estate.rows(f"message_id = {call}")[0].state == state


@pytest.mark.requirement("H4")
def test_a_text_that_arrived_is_delivered_one_that_never_will_is_dead(world: World) -> None:
    view = world.open()
    sms = world.estate.rows(f"incident_id = {view.incident_id} AND channel = 'sms'")[0].message_id
    path = f"/api/v1/webhooks/twilio/sms/{sms}/status"
    with transaction(world.estate.engine) as connection:
        connection.execute(
            text("UPDATE outbox SET state = 'SENT', provider_id = 'SM1', attempts = 1 WHERE message_id = :id"),
            {"id": sms},
        )
    assert world.twilio(path, MessageSid="SM1", MessageStatus="sent").status_code == 204
    assert world.estate.rows(f"message_id = {sms}")[0].state == "SENT"
    world.twilio(path, MessageSid="SM1", MessageStatus="delivered")
    assert world.estate.rows(f"message_id = {sms}")[0].state == "DELIVERED"
    with transaction(world.estate.engine) as connection:
        connection.execute(text("UPDATE outbox SET state = 'SENT' WHERE message_id = :id"), {"id": sms})
    world.twilio(path, MessageSid="SM1", MessageStatus="undelivered", ErrorCode="30003")
    (row,) = world.estate.rows(f"message_id = {sms}")
    assert row.state == "DEAD"
    assert "error 30003" in row.last_error


@pytest.mark.requirement("H4")
@pytest.mark.requirement("E2")
def test_answers_by_sms(world: World) -> None:
    view = world.open()
    assert world.reply("What?") == "Answer ACK, DETAILS or ESCALATE with the incident, like: ACK INC-12"
    assert world.reply("ACK").startswith("There is no open incident of yours.")
    with transaction(world.estate.engine) as connection:
        connection.execute(text("UPDATE outbox SET state = 'SENT', recipient = 'ann' WHERE channel = 'sms'"))
    other = world.open()
    with transaction(world.estate.engine) as connection:
        connection.execute(text("UPDATE outbox SET state = 'SENT', recipient = 'ann' WHERE channel = 'sms'"))
    assert world.reply("ACK").startswith(f"Which one? {other.code}, {view.code}.")
    assert world.reply(f"ack {view.code.lower()}", sid="SM77") == f"{view.code} is acknowledged by ann."
    assert world.reply(f"ack {view.code.lower()}", sid="SM77") == "", "Twilio repeats itself: no second answer"
    assert world.reply(f"ACK {view.code}") == f"{view.code} is acknowledged already, by ann."
    assert world.reply("ACK") == f"{other.code} is acknowledged by ann."
    assert world.reply("ACK INC-424242") == "INC-424242 is not known here."
    assert world.reply("STOP") == ""
    (event,) = world.events(view, "acknowledge")
    assert (event.actor, event.cause) == ("ann", "sms")


@pytest.mark.requirement("H4")
def test_strangers_change_nothing_and_get_no_answer(world: World) -> None:
    view = world.open()
    for sender in ("+19995550000", "", "ann", "+15550100001 "):
        assert world.reply(f"ACK {view.code}", sender=sender) == ""
    assert world.state(view) == ("OPEN", None)


@pytest.mark.requirement("H3")
@pytest.mark.requirement("H4")
def test_a_webhook_without_a_good_signature_of_twilio_changes_nothing(world: World) -> None:
    view = world.open()
    call = world.call_of(view)
    path, form = f"{VOICE}/{call}/key?turn=1", {"CallSid": "CA1", "Digits": "1"}
    good = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}{path}", form)
    client = world.api.client
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    evil = RequestValidator(TOKEN).compute_signature(f"https://evil.example{path}", form)
    refused = [
        client.post(path, data=form),
        client.post(path, data=form, headers={"X-Twilio-Signature": ""}),
        client.post(path, data=form, headers={"X-Twilio-Signature": "AAAA"}),
        client.post(path, data={**form, "Digits": "3"}, headers={"X-Twilio-Signature": good}),
        client.post(path.replace("turn=1", "turn=2"), data=form, headers={"X-Twilio-Signature": good}),
        client.post(path, data=form, headers={"X-Twilio-Signature": evil, **forwarded}),
        world.twilio(path, token="another-token", **form),
        world.twilio(path, public=PUBLIC.replace("https", "http"), **form),
        world.twilio("/api/v1/webhooks/twilio/sms", token="x", From=ANN, Body=f"ACK {view.code}", MessageSid="SM1"),
        world.twilio(f"{VOICE}/{call}/status", token="x", CallSid="CA1", CallStatus="busy"),
    ]
    assert [one.status_code for one in refused] == [403] * len(refused)
    assert {one.json()["reason"] for one in refused} == {"the signature of this webhook is not good"}
    assert world.state(view) == ("OPEN", None)
    assert world.estate.rows(f"message_id = {call}")[0].state == "SENT"
    assert world.twilio(path, token=OLD_TOKEN, **form).status_code == 200, "the former token during a rotation"
    assert world.state(view) == ("ACKNOWLEDGED", "ann")


@pytest.mark.requirement("H3")
def test_the_same_key_of_the_same_call_counts_once(world: World) -> None:
    view = world.open()
    call = world.call_of(view)
    first = world.said(f"{VOICE}/{call}/key?turn=1", Digits="1")
    world.act(view.incident_id, Action.RESOLVE)
    world.act(view.incident_id, Action.REOPEN)
    assert world.said(f"{VOICE}/{call}/key?turn=1", Digits="1") == first
    assert world.state(view)[0] == "OPEN", "a replayed request acknowledges nothing that was opened again"


@pytest.mark.requirement("H5")
@pytest.mark.requirement("E2")
def test_buttons_in_slack(world: World) -> None:
    view = world.open()
    assert (
        world.press("incident_acknowledge", f"{view.code}|1").json()["text"] == f"{view.code} is acknowledged by ann."
    )
    assert world.state(view) == ("ACKNOWLEDGED", "ann")
    again = world.press("incident_acknowledge", f"{view.code}|1", user="U0BEN")
    assert again.json()["text"] == f"{view.code} is acknowledged already, by ann."
    told = world.press("incident_escalate", f"{view.code}|1").json()["text"]
    assert told == f"{view.code} is escalated: the manager is told and a P1 ticket is asked for."
    assert (
        world.press("incident_details", f"{view.code}|1").json()["text"]
        == f"The details of {view.code} are on their way."
    )
    (event,) = world.events(view, "acknowledge")
    assert (event.actor, event.cause) == ("ann", "slack")


@pytest.mark.requirement("H5")
def test_slack_presses_that_change_nothing(world: World) -> None:
    view = world.open()
    value = f"{view.code}|1"
    stranger = "Your Slack account is not known to the ETL Monitoring Platform. Nothing was changed."
    assert world.press("incident_acknowledge", value, user="U0EVIL").json()["text"] == stranger
    assert world.press("incident_acknowledge", "INC-424242|1").json()["text"] == "INC-424242 is not known here."
    assert world.press("incident_acknowledge", "nothing").json()["text"] == "There is nothing to do with this."
    assert world.press("something_else", value).json()["text"] == "There is nothing to do with this."
    refused = [
        world.press("incident_acknowledge", value, at_s=time.time() - 301),
        world.press("incident_acknowledge", value, at_s=time.time() + 330),
        world.press("incident_acknowledge", value, **{"X-Slack-Signature": "v0=" + "0" * 64}),
        world.press("incident_acknowledge", value, **{"X-Slack-Signature": ""}),
        world.press("incident_acknowledge", value, **{"X-Slack-Request-Timestamp": "soon"}),
    ]
    assert [one.status_code for one in refused] == [403] * len(refused)
    assert world.state(view) == ("OPEN", None)
    body = b"payload=notjson"
    at = str(int(time.time()))
    signature = SignatureVerifier(SIGNING).generate_signature(timestamp=at, body=body) or ""
    headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature}
    assert world.api.client.post("/api/v1/webhooks/slack/interactive", content=body, headers=headers).status_code == 422


@pytest.mark.requirement("H5")
def test_a_replayed_press_is_answered_and_not_done_again(world: World) -> None:
    view = world.open()
    at = time.time()
    first = world.press("incident_acknowledge", f"{view.code}|1", at_s=at).json()
    world.act(view.incident_id, Action.RESOLVE)
    world.act(view.incident_id, Action.REOPEN)
    assert world.press("incident_acknowledge", f"{view.code}|1", at_s=at).json() == first
    assert world.state(view)[0] == "OPEN"


def link_of(world: World, incident_id: int, *, now: datetime | None = None) -> str:
    url = ack_links_of(world.api.control.settings).url_for(incident_id, recipient="ann", now=now or datetime.now(UTC))
    assert url.startswith(f"{PUBLIC}/ack/")
    return url.removeprefix(PUBLIC)


@pytest.mark.requirement("E2")
def test_looking_at_a_link_changes_nothing_pressing_its_button_does(world: World) -> None:
    view = world.open(title="<script>alert(1)</script>")
    link = link_of(world, view.incident_id)
    for _ in range(3):  # scanners of mail and chat
        page = world.api.client.get(link)
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        assert "Acknowledge as ann" in page.text
        assert "<script>alert" not in page.text
    assert world.state(view) == ("OPEN", None)
    done = world.api.client.post(link)
    assert done.status_code == 200
    assert f"{view.code} is acknowledged by ann." in done.text
    assert world.state(view) == ("ACKNOWLEDGED", "ann")
    (event,) = world.events(view, "acknowledge")
    assert (event.actor, event.cause) == ("ann", "ack-link")
    for answer in (world.api.client.post(link), world.api.client.get(link)):
        assert answer.status_code == 200
        assert f"{view.code} is acknowledged already, by ann." in answer.text
        assert "<form" not in answer.text.partition("<main")[2].partition("</main>")[0]


@pytest.mark.requirement("E2")
def test_links_that_lead_nowhere_are_calm_pages(world: World) -> None:
    over, merged, target = world.open(), world.open(), world.open()
    world.act(over.incident_id, Action.RESOLVE)
    world.act(over.incident_id, Action.CLOSE)
    world.act(merged.incident_id, Action.MERGE, into=target.incident_id)
    good = link_of(world, target.incident_id)
    cases = [
        (link_of(world, over.incident_id), 200, f"{over.code} is closed. There is nothing left to do."),
        (link_of(world, merged.incident_id), 200, f"{merged.code} was merged into {target.code}."),
        (link_of(world, 424242), 404, "INC-424242 is not known here."),
        (link_of(world, target.incident_id, now=datetime.now(UTC) - timedelta(hours=25)), 410, "This link has expired"),
        (good[:-1] + ("A" if good[-1] != "A" else "B"), 404, "This link does not work"),
        (f"/ack/{target.code}", 404, "This link does not work"),
        ("/ack/%F0%9F%98%80", 404, "This link does not work"),
        (f"/ack/{'a' * 3000}", 404, "This link does not work"),
    ]
    for path, status, words in cases:
        for method in ("GET", "POST"):
            answer = world.api.client.request(method, path)
            assert (answer.status_code, words in answer.text) == (status, True), (method, path[:60], answer.text[:300])
            assert answer.headers["content-type"].startswith("text/html")
            assert answer.headers["cache-control"] == "no-store"
    assert world.state(target) == ("OPEN", None)


@pytest.mark.requirement("H3")
@pytest.mark.requirement("H4")
@pytest.mark.requirement("E2")
def test_from_the_incident_to_the_pressed_key_over_the_simulated_providers(platform: Platform) -> None:
    """Outbox, delivery, the official client, the call that fetches our TwiML, the key, the acknowledgement, the updated chat."""
    with providers() as outside:
        made: list[Any] = []

        def make(url: str) -> Any:
            settings = platform.settings.model_copy(
                update={
                    "public_url": url,
                    "twilio_account_sid": "ACtest",
                    "twilio_auth_token": SecretStr(TOKEN),
                    "twilio_from": "+14155559999",
                    "twilio_url": f"{outside.url}/receivers/twilio",
                    "slack_bot_token": SecretStr("xoxb-token-of-tests"),
                    "slack_url": f"{outside.url}/receivers/slack/api",
                    "smtp_url": SecretStr(outside.mail.url),
                }
            )
            made.append(settings)
            app = create_app(settings, platform.url)
            made.append(app)
            return app

        with serve(make):
            settings, app = made
            estate = Estate(app.state.control_plane.engine, demo_rules())
            estate.now = utc_now()
            outside.book.script = type(outside.book.script)(("9", "1"))
            view = estate.open(Severity.CRITICAL, title="Database connection failure")
            delivery = Delivery(estate.engine, channels_of(settings), lambda: estate.rules)
            delivery.deliver_due(now=utc_now())
            who = estate.rows("channel = 'voice'")[0].recipient
            wait_for(
                lambda: estate.ask(
                    f"SELECT 1 FROM incidents WHERE incident_id = {view.incident_id} AND acknowledged_by = '{who}'"
                )
            )
            heard = [one for one in outside.got("voice") if one["detail"].get("pressed")]
            assert [one["detail"]["pressed"] for one in heard] == ["9", "1"]
            wait_for(lambda: not estate.rows("channel = 'voice' AND state <> 'DELIVERED'"))
            assert len(outside.got("sms")) == 1
            assert f"{settings.public_url}/ack/" in outside.got("sms")[0]["text"]
            assert outside.got("email")
            token = outside.got("sms")[0]["text"].rpartition("/ack/")[2]
            page = httpx.get(f"{settings.public_url}/ack/{token}", trust_env=False)
            assert f"{view.code} is acknowledged already, by {who}." in page.text
            delivery.deliver_due(now=utc_now())
            assert "Acknowledged" in outside.got("slack")[-1]["text"]


@pytest.mark.requirement("H3")
def test_webhooks_of_what_is_not_set_up_are_shut(platform: Platform) -> None:
    with live_api(platform.settings, platform.url) as api:
        for path in (f"{VOICE}/1", f"{VOICE}/1/key", f"{VOICE}/1/status", "/api/v1/webhooks/twilio/sms"):
            assert api.client.post(path, data={"CallSid": "CA1"}).status_code == 403
        assert api.client.post("/api/v1/webhooks/slack/interactive", data={"payload": "{}"}).status_code == 403


@pytest.mark.requirement("E2")
def test_no_log_keeps_a_token_that_acknowledges(platform: Platform) -> None:
    with serving(platform, public_url=PUBLIC) as server, open_control_plane(platform.settings, platform.url) as control:
        links = ack_links_of(server.settings)
        estate = Estate(control.engine, demo_rules())
        estate.now = utc_now()
        url = links.url_for(estate.open(Severity.CRITICAL).incident_id, recipient="ann", now=utc_now())
        token = url.rpartition("/")[2]
        assert server.client.get(f"/ack/{token}").status_code == 200
        assert server.client.post(f"/ack/{token}").status_code == 200
        wait_for(lambda: server.log.read_text().count("/ack/") >= 2)
        assert token not in server.log.read_text()


@pytest.mark.requirement("E2")
def test_links_cannot_be_guessed_in_bulk(platform: Platform) -> None:
    with (
        serve(
            lambda _: create_app(platform.settings.model_copy(update={"rate_limit_per_minute": 5}), platform.url)
        ) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=30) as client,
    ):
        answers = [client.post(f"/ack/{'a' * 40}{number}") for number in range(8)]
    assert [one.status_code for one in answers] == [404] * 5 + [429] * 3
    assert int(answers[-1].headers["retry-after"]) > 0
