"""Delivery when channels fail: retries, fallbacks, dead letters, rates, breakers, several workers, storms (H7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from domain.backoff import spread_wait
from domain.errors import ConflictError, NotFoundError
from domain.incidents.lifecycle import Action
from domain.notification.message import (
    Channel,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    MessageKind,
    Receipt,
)
from domain.notification.planning import Planned
from domain.vocabulary import Severity
from resources.access.audit_log import load_audit_log
from resources.notification.outbox import Cause, replay_message, write_messages
from resources.postgres.engine import transaction
from tests.fakes.notification import Estate, demo_rules, estate_on, failing
from tests.fakes.platform import Platform
from tests.fakes.recording_channel import RecordingChannel

pytestmark = pytest.mark.requirement("H7")
BUSY = DeliveryDelayedError("503 from the provider", suggestion="again later")
UNKNOWN = DeliveryRefusedError("21211: +15550100001 is not a valid number", suggestion="correct the number")


@pytest.fixture
def estate(platform: Platform) -> Iterator[Estate]:
    with estate_on(platform) as one:
        yield one


def test_a_busy_provider_is_asked_again_with_growing_waits_under_the_same_key(estate: Estate) -> None:
    sms = estate.channels[Channel.SMS]
    sms.fail = failing(BUSY)
    estate.open(Severity.HIGH)
    waits = []
    for _ in range(5):
        estate.deliver()
        (row,) = estate.rows("channel = 'sms'")
        assert row.last_error.startswith("DELIVERY_DELAYED: 503")
        waits.append((row.due_at - estate.now).total_seconds())
        estate.now = row.due_at
    stated = [5, 15, 60, 300, 900]
    assert waits == [spread_wait(wait, row.idempotency_key, attempt) for attempt, wait in enumerate(stated, start=1)]
    assert waits != stated, "what failed together is not tried again together"
    sms.fail = lambda _: None
    estate.deliver()
    (message,) = sms.received
    assert message.facts["possibly_repeated"], "an earlier attempt may have gone out: it says so"
    assert estate.rows("channel = 'sms'")[0].state == "SENT"


def test_before_it_is_repeated_the_provider_is_asked(estate: Estate) -> None:
    class Searchable(RecordingChannel):
        found: Receipt | None = Receipt("from the attempt before")
        asked = 0

        def find(self, _: Message) -> Receipt | None:
            self.asked += 1
            if self.found is None:
                raise DeliveryRefusedError("missing_scope", suggestion="give it")
            return self.found

    sms = Searchable(failing(BUSY))
    estate.channels[Channel.SMS] = sms
    estate.open(Severity.HIGH)
    estate.deliver()
    assert sms.asked == 0, "the first attempt needs no asking"
    sms.fail = lambda _: None
    estate.later(6)
    estate.deliver()
    (row,) = estate.rows("channel = 'sms'")
    assert (row.state, row.provider_id, sms.received) == ("SENT", "from the attempt before", [])
    sms.found, sms.fail = None, failing(BUSY)
    estate.open(Severity.HIGH, service="another")
    estate.deliver()
    sms.fail = lambda _: None
    estate.later(6)
    estate.deliver()
    assert [one.facts["possibly_repeated"] for one in sms.received] == [True], "not known: better twice than never"


def test_a_provider_that_names_the_wait_is_obeyed(estate: Estate) -> None:
    slow = DeliveryDelayedError("429", suggestion="wait", retry_after_s=42, is_certain=True)
    estate.channels[Channel.SLACK].fail = failing(slow)
    estate.open(Severity.LOW)
    estate.deliver()
    (row,) = estate.rows()
    assert row.due_at == estate.now + timedelta(seconds=42)
    estate.later(42)
    estate.channels[Channel.SLACK].fail = lambda _: None
    estate.deliver()
    assert "possibly_repeated" not in estate.sent()[0].facts, "429 means that nothing went out"


def test_refused_goes_through_the_fallback_and_stays_visible(estate: Estate, platform: Platform) -> None:
    estate.channels[Channel.VOICE].fail = failing(UNKNOWN)
    estate.channels[Channel.SMS].fail = failing(UNKNOWN)
    view = estate.open(Severity.CRITICAL)
    estate.tick()
    assert {one[1] for one in estate.told()} == {"email", "slack"}, (
        "each goes once: the mail is the fallback's fallback already"
    )
    dead = estate.rows("state = 'DEAD'")
    assert [row.channel for row in dead] == ["voice", "sms"]
    events = estate.ask("SELECT detail FROM incident_events WHERE kind = 'delivery-failed'")
    assert [event.detail["fallback"] for event in events] == [True, True]
    audit = load_audit_log(platform.settings.home)
    estate.channels[Channel.SMS].fail = lambda _: None
    with transaction(estate.engine) as connection:
        replay_message(connection, dead[1].message_id, actor="root", now=estate.now, audit=audit)
    estate.deliver()
    (again,) = estate.channels[Channel.SMS].received
    assert (again.message_id, again.facts["code"], again.recipient) == (
        dead[1].message_id,
        view.code,
        dead[1].recipient,
    )
    with transaction(estate.engine) as connection, pytest.raises(ConflictError, match="SENT"):
        replay_message(connection, dead[1].message_id, actor="root", now=estate.now, audit=audit)
    with transaction(estate.engine) as connection, pytest.raises(NotFoundError):
        replay_message(connection, 999_999, actor="root", now=estate.now, audit=audit)
    assert [row.action for row in estate.ask("SELECT action FROM audit_entries")] == ["message.replay"]


def test_given_up_after_the_last_wait_then_the_fallback(estate: Estate) -> None:
    estate.channels[Channel.SLACK].fail = failing(BUSY)
    estate.open(Severity.LOW)
    for seconds in (0, 6, 18, 72, 360, 1080):  # the stated waits and their spread
        estate.later(seconds)
        estate.deliver()
    assert estate.rows("channel = 'slack'")[0].state == "DEAD"
    estate.deliver()
    (message,) = estate.sent()
    assert (message.channel, message.facts["instead_of"]) == (Channel.EMAIL, "slack")
    assert estate.rows("channel = 'email'")[0].fallback_of == estate.rows("channel = 'slack'")[0].message_id


def test_who_cannot_be_reached_at_all_is_escalated_at_once(estate: Estate) -> None:
    for channel in estate.channels.values():
        channel.fail = failing(UNKNOWN)
    estate.open(Severity.CRITICAL)
    estate.tick()
    for channel in estate.channels.values():
        channel.fail = lambda _: None
    estate.tick(1)
    estate.tick(1)
    assert {one[0] for one in estate.told()} == {"escalated"}, "a second later, not after five minutes"


def test_without_the_address_of_a_channel_the_fallback_is_used_from_the_start(platform: Platform) -> None:
    rules = demo_rules()
    ann = rules.people["ann"]
    bare = {
        name: person.model_copy(update={"addresses": ann.addresses.model_copy(update={"voice": None, "sms": None})})
        for name, person in rules.people.items()
    }
    with estate_on(platform, demo_rules(people=bare)) as estate:
        estate.open(Severity.CRITICAL)
        estate.tick()
        assert sorted(one[1] for one in estate.told()) == ["email", "slack"]
        (event,) = estate.ask("SELECT detail FROM incident_events WHERE kind = 'paged'")
        assert "has no address for voice" in str(event.detail["notes"])


def test_a_channel_that_is_not_set_up_has_a_fallback_too(estate: Estate) -> None:
    del estate.channels[Channel.VOICE]
    estate.open(Severity.CRITICAL)
    estate.tick()
    assert "no provider is set up for voice" in estate.rows("channel = 'voice'")[0].last_error
    assert {one[1] for one in estate.told()} == {"sms", "email", "slack"}


def test_an_open_breaker_spares_the_provider_and_loses_nothing(estate: Estate) -> None:
    asked: list[str] = []

    def busy(message: object) -> Exception:
        asked.append(str(message))
        return BUSY

    slack = estate.channels[Channel.SLACK]
    slack.fail = busy
    for number in range(5):
        estate.open(Severity.HIGH, service=f"s{number}")
    estate.deliver()
    before = len(asked)
    assert before == 5
    estate.later(1)
    estate.open(Severity.CRITICAL, service="last")
    estate.deliver()
    assert len(asked) == before, "the breaker is open"
    row = estate.rows("channel = 'slack'")[-1]
    assert (row.attempts, row.state) == (0, "PENDING")
    assert "CIRCUIT_OPEN" in row.last_error
    slack.fail = lambda _: None
    for _ in range(40):
        estate.later(65)
        estate.deliver()
    waiting = [row.state for row in estate.rows("channel = 'slack' AND state = 'PENDING'")]
    assert waiting == [], "everything went out, or was summed up, once it worked again"


def test_no_more_than_the_rate_of_the_channel_and_critical_first(platform: Platform) -> None:
    rules = demo_rules()
    slow = rules.channel(Channel.SLACK).model_copy(update={"per_minute": 8})
    many = rules.storm.model_copy(update={"single_at_most": 1000})
    with estate_on(platform, demo_rules(channels={**rules.channels, Channel.SLACK: slow}, storm=many)) as estate:
        for _ in range(10):
            estate.open(Severity.LOW)
        estate.open(Severity.CRITICAL)
        estate.deliver()
        slack = estate.channels[Channel.SLACK]
        assert [one.severity for one in slack.received] == [Severity.CRITICAL, Severity.LOW]
        for minute in range(1, 3):
            estate.later(60)
            for _ in range(8):
                estate.deliver()
            assert len(slack.received) <= 2 + 8 * minute
        for _ in range(10):
            estate.later(15)
            estate.deliver()
        assert len(slack.received) == 11


def test_parallel_workers_send_everything_once(platform: Platform) -> None:
    rules = demo_rules()
    open_wide = {channel: rules.channel(channel).model_copy(update={"per_minute": 100_000}) for channel in Channel}
    storm = rules.storm.model_copy(update={"single_at_most": 1000})
    with estate_on(platform, demo_rules(channels=open_wide, storm=storm)) as estate:
        for _ in range(30):
            estate.open(Severity.CRITICAL)
        with ThreadPoolExecutor(3) as workers:
            list(workers.map(lambda _: estate.deliver(), range(3)))
        estate.deliver()
        keys = [one.idempotency_key for one in estate.sent()]
        assert (len(keys), len(set(keys))) == (120, 120)


def test_a_storm_becomes_few_messages_that_name_every_critical(estate: Estate) -> None:
    codes = set()
    with transaction(estate.engine) as connection:
        for number in range(300):
            severity = Severity.CRITICAL if number % 10 == 0 else Severity.LOW if number % 2 else Severity.HIGH
            view = estate.open_in(connection, severity, service=f"s{number}")
            codes |= {view.code} if severity is Severity.CRITICAL else set()
    estate.tick()
    per_lane = [len(channel.received) for channel in estate.channels.values()]
    assert max(per_lane) <= 2, per_lane
    mails = estate.channels[Channel.EMAIL].received
    assert {one["code"] for mail in mails for one in mail.facts.get("critical", [])} == codes
    assert mails[0].kind is MessageKind.STORM
    assert "30 CRITICAL" in mails[0].facts["title"]
    (call,) = estate.channels[Channel.VOICE].received
    assert (len(call.facts["critical"]), call.facts["critical_not_named"]) == (5, 25), "a call names five"
    assert {row.state for row in estate.rows("kind = 'opened'")} == {"SUMMARISED"}
    estate.later(5)
    for _ in range(20):
        estate.open(Severity.LOW)
    estate.deliver()
    slack = estate.channels[Channel.SLACK]
    before = len(slack.received)
    assert before <= 3, "held back until the next bundle"
    one_more = estate.open(Severity.CRITICAL)
    estate.deliver()
    single = [one for one in slack.received if one.facts.get("code") == one_more.code]
    assert single, "a CRITICAL one has its own allowance"
    estate.later(60)
    estate.deliver()
    assert not estate.rows("state = 'PENDING'")


def test_tests_and_details_are_never_bundled(estate: Estate) -> None:
    cause = Cause(MessageKind.TEST, Severity.LOW, {"title": "test"})
    with transaction(estate.engine) as connection:
        write_messages(
            connection, cause, [Planned(f"test:{n}", Channel.SLACK, "ann") for n in range(20)], now=estate.now
        )
    for _ in range(3):
        estate.deliver()
        estate.later(15)
    assert len(estate.channels[Channel.SLACK].received) == 20


def test_errors_in_the_outbox_show_no_number(platform: Platform) -> None:
    from resources.notification.rule_store import RuleStore

    RuleStore(platform.settings).load()  # whoever loads the rules of an installation protects its addresses
    with estate_on(platform) as estate:
        estate.channels[Channel.SMS].fail = failing(UNKNOWN)
        estate.open(Severity.HIGH)
        estate.deliver()
        (row,) = estate.rows("state = 'DEAD'")
        assert "+15550100001" not in row.last_error
        assert "+1555" not in json.dumps([one.detail for one in estate.ask("SELECT detail FROM incident_events")])


def test_a_resolved_incident_takes_back_calls_only(estate: Estate) -> None:
    view = estate.open(Severity.CRITICAL)
    estate.later(1)
    estate.act(view.incident_id, Action.RESOLVE)
    estate.deliver()
    kinds = {(one[0], one[1]) for one in estate.told()}
    assert ("opened", "voice") not in kinds
    assert {("opened", "email"), ("resolved", "email")} <= kinds


def test_acting_escalating_and_delivering_at_once_never_lock_each_other_out(estate: Estate) -> None:
    estate.channels[Channel.SMS].fail = failing(UNKNOWN)
    estate.channels[Channel.SLACK].fail = failing(BUSY)
    views = [estate.open(Severity.CRITICAL, service=f"s{number}") for number in range(24)]
    estate.later(300)

    def acknowledge() -> None:
        for view in reversed(views):
            estate.act(view.incident_id, Action.ACKNOWLEDGE)

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(one) for one in (acknowledge, estate.escalate, estate.deliver, estate.deliver)]
        for one in work:
            one.result(60)
    estate.tick()
    assert estate.ask("SELECT 1 FROM escalations WHERE due_at IS NOT NULL") == []
    assert estate.rows("kind = 'escalated' AND state = 'PENDING' AND attempts = 0") == []


def test_acknowledged_again_after_a_relapse_tells_again(estate: Estate) -> None:
    view = estate.open(Severity.HIGH)
    estate.tick()
    for _ in range(2):
        estate.forget()
        estate.later(10)
        estate.act(view.incident_id, Action.ACKNOWLEDGE, actor="ann")
        estate.tick()
        assert ("acknowledged", "email") in {(one[0], one[1]) for one in estate.told()}
        estate.later(10)
        estate.act(view.incident_id, Action.RESOLVE)
        estate.later(10)
        estate.act(view.incident_id, Action.REOPEN)
        estate.tick()
