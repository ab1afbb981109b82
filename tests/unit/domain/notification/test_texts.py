"""What people read: the proposal's words, short messages that fit, and titles that try to be more than text."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.notification.addresses import check_mailbox, check_phone, check_slack, mask_address, mask_addresses
from domain.notification.gsm7 import count_segments, is_gsm7, transliterate
from domain.notification.mail_text import render_mail_html
from domain.notification.message import Channel, DeliveryRefusedError, Message, MessageKind
from domain.notification.slack_blocks import render_slack_blocks, render_slack_text
from domain.notification.sms_answer import SmsVerb, parse_sms_answer
from domain.notification.texts import CALL_MENU, render_call, render_plain, render_sms, render_subject, words_of
from resources.inbound.voice_script import render_menu
from tests.fakes.receiving import a_message

ACK = "https://monitor.tiqmo.com/ack/" + "x" * 55
HOSTILE = (
    '</Say><Hangup/> <!channel> <script>alert(1)</script> *b* _i_ `c` "q" \r\nBcc: all@example.com\x00\x1b[31m\u202egnp'
)


def sms(**changes: object) -> Message:
    facts = {"ack_url": ACK, **changes.pop("facts", {})}  # type: ignore[dict-item]
    return a_message(Channel.SMS, "+14155550100", facts=facts, **changes)


@pytest.mark.requirement("H4")
def test_the_sms_is_the_template_of_the_proposal() -> None:
    facts = {"ack_url": "https://monitor.tiqmo.com/ack/INC-12345"}
    assert render_sms(words_of(sms(facts=facts))) == (
        "[CRITICAL] ETL Monitor Alert\n"
        "Service: loader-service\n"
        "Issue: Database connection failure\n"
        "Impact: Signal ingestion stopped\n"
        "Time: 2026-01-03 14:23 UTC\n"
        "Dashboard: https://grafana.tiqmo.com/d/etl-ops\n"
        "ACK: https://monitor.tiqmo.com/ack/INC-12345"
    )


@pytest.mark.requirement("H3")
def test_the_call_says_the_words_of_the_proposal() -> None:
    words = words_of(a_message(Channel.VOICE, "+14155550100"))
    assert [*render_call(words), CALL_MENU] == [
        "This is the ETL Monitoring Platform with a CRITICAL alert.",
        "Incident: Database connection failure",
        "Affected service: loader-service",
        "Detected at: 2026-01-03 14:23 UTC",
        "Press 1 to acknowledge, 2 for incident details, 3 to escalate.",
    ]


@pytest.mark.requirement("H5")
@pytest.mark.requirement("E5")
def test_a_drill_says_so_in_every_channel() -> None:
    words = words_of(a_message(Channel.EMAIL, "ann@example.com", is_drill=True))
    assert render_call(words)[0].startswith("Drill. This is an exercise")
    assert render_sms(words).startswith("[DRILL] [CRITICAL]")
    assert render_subject(words).startswith("[DRILL] [CRITICAL]")
    assert render_plain(words).startswith("DRILL: nothing is broken")
    assert "DRILL" in render_mail_html(words)
    assert render_slack_text(words).startswith("[DRILL]")
    assert render_slack_blocks(words, message_id=1)[0]["text"]["text"].startswith("[DRILL]")


@pytest.mark.requirement("H4")
@settings(deadline=None, max_examples=80)
@given(title=st.text(max_size=400), impact=st.text(max_size=400), service=st.text(max_size=120))
def test_an_sms_stays_short_and_keeps_its_ack_link(title: str, impact: str, service: str) -> None:
    text = render_sms(words_of(sms(facts={"title": title, "impact": impact, "service": service})))
    assert text.endswith(f"ACK: {ACK}")
    assert count_segments(text) <= (3 if is_gsm7(text) else 4)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


@pytest.mark.requirement("H4")
def test_a_storm_by_sms_names_its_critical_incidents_first() -> None:
    codes = ", ".join(f"INC-{number}" for number in range(100, 112))
    facts = {"code": "", "title": "60 incidents: 12 CRITICAL", "lines": [f"CRITICAL: {codes}", "x" * 290, "y" * 290]}
    message = a_message(Channel.SMS, "+14155550100", kind=MessageKind.STORM, facts=facts)
    text = render_sms(words_of(message))
    assert f"CRITICAL: {codes}" in text
    assert count_segments(text) <= 3


@pytest.mark.requirement("H4")
def test_accents_and_quotes_become_the_cheap_alphabet_other_scripts_stay() -> None:
    assert transliterate("“Zażółć” – naïve…") == '"Zazolc" - naive...'
    text = render_sms(words_of(sms(facts={"title": "Échec – connexion “perdue”"})))
    assert is_gsm7(text)
    assert 'Issue: Échec - connexion "perdue"' in text
    arabic = render_sms(words_of(sms(facts={"title": "فشل الاتصال بقاعدة البيانات"})))
    assert "Issue: فشل" in arabic
    assert count_segments(arabic) <= 4


def test_segments_are_counted_as_operators_bill_them() -> None:
    assert [count_segments("a" * 160), count_segments("a" * 161), count_segments("[" * 80)] == [1, 2, 1]
    assert [count_segments("ж" * 70), count_segments("ж" * 71), count_segments("😀" * 35)] == [1, 2, 1]


@pytest.mark.requirement("H5")
def test_a_hostile_title_stays_text_everywhere() -> None:
    words = words_of(a_message(Channel.SLACK, "C024BE91L", facts={"title": HOSTILE, "service": HOSTILE}))
    twiml = ET.fromstring(render_menu(words, action="/key?turn=1&x=2", turn=1))
    assert [one.tag for one in twiml] == ["Gather"]
    assert {one.tag for one in twiml[0]} == {"Say", "Pause"}
    html = render_mail_html(words)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    subject = render_subject(words)
    assert "\r" not in subject
    assert "\n" not in subject
    assert "\u202e" not in subject
    blocks = render_slack_blocks(words, message_id=1)
    assert "<!channel>" not in str(blocks)
    assert "mrkdwn" not in str(blocks)
    assert "<!channel>" not in render_slack_text(words)


@pytest.mark.requirement("H5")
def test_slack_blocks_stay_within_slacks_limits() -> None:
    facts = {"title": "&" * 300, "service": "s" * 300, "impact": "<" * 300, "summary": "x" * 9000, "note": "n" * 900}
    blocks = render_slack_blocks(words_of(a_message(Channel.SLACK, "C1", facts=facts)), message_id=1)
    assert len(blocks[0]["text"]["text"]) <= 150
    section = next(one for one in blocks if one["type"] == "section" and "fields" in one)
    assert all(1 <= len(one["text"]) <= 2000 for one in section["fields"])
    assert len(section["fields"]) <= 10


@pytest.mark.requirement("H5")
def test_why_it_is_sent_this_way_is_said() -> None:
    facts = {"reason": "severity was HIGH", "instead_of": "voice", "possibly_repeated": True}
    note = words_of(sms(facts=facts)).note
    assert note == "severity was HIGH; instead of voice; you may have got this already"
    late = words_of(
        sms(kind=MessageKind.SLA_WARNING, facts={"measure": "resolve", "due_at": "2026-01-03T18:00:00+00:00"})
    )
    assert late.note == "target to resolve is missed at 2026-01-03 18:00 UTC"


@pytest.mark.requirement("H5")
def test_only_links_that_a_browser_opens_become_links() -> None:
    words = words_of(sms(facts={"ack_url": "javascript:alert(1)", "dashboard_url": 'https://x.example/"><b>'}))
    assert (words.ack_url, words.dashboard_url) == ("", "")


@pytest.mark.requirement("H5")
def test_what_is_over_no_longer_asks() -> None:
    words = words_of(sms(kind=MessageKind.RESOLVED, facts={"state": "RESOLVED"}))
    assert "ACK:" not in render_sms(words)
    assert "Acknowledge" not in render_mail_html(words)
    assert all(
        one["type"] != "actions" or "Acknowledge" not in str(one) for one in render_slack_blocks(words, message_id=1)
    )


@pytest.mark.parametrize("address", ["", "12", "+0123456789", "+1415555", "ann", "+1415555010a", "+14155550100;+1"])
def test_no_phone_number(address: str) -> None:
    if address == "+1415555":
        assert check_phone(address) == address
        return
    with pytest.raises(DeliveryRefusedError) as refused:
        check_phone(address)
    assert "+14155550100;+1" not in refused.value.reason


@pytest.mark.parametrize(
    "address", ["ann", "ann@", "Ann <ann@example.com>", "ann@example.com\r\nBcc: b@example.com", "a@b,c@d"]
)
def test_no_mailbox(address: str) -> None:
    with pytest.raises(DeliveryRefusedError):
        check_mailbox(address)


@pytest.mark.parametrize("address", ["", "UPPER case", "<!channel>", "#Überall"])
def test_no_slack_channel(address: str) -> None:
    with pytest.raises(DeliveryRefusedError):
        check_slack(address)


def test_addresses_are_masked() -> None:
    assert mask_address("+14155550100") == "+14…00"
    assert mask_address("ann@example.com") == "a…@example.com"
    shown = mask_addresses("The 'To' number +14155550100 of ann@example.com is bad (error 21211)")
    assert shown == "The 'To' number +14…00 of a…@example.com is bad (error 21211)"


@pytest.mark.requirement("E2")
@pytest.mark.parametrize(
    ("body", "verb", "number"),
    [
        ("ACK INC-12", SmsVerb.ACKNOWLEDGE, 12),
        (" ack inc 12. ", SmsVerb.ACKNOWLEDGE, 12),
        ("ok 12", SmsVerb.ACKNOWLEDGE, 12),
        ("Ack", SmsVerb.ACKNOWLEDGE, None),
        ("escalate INC-7", SmsVerb.ESCALATE, 7),
        ("DETAILS inc-7", SmsVerb.DETAILS, 7),
        ("STOP", SmsVerb.STOP, None),
        ("ACK INC-12 INC-13", SmsVerb.UNKNOWN, None),
        ("ack or escalate 12", SmsVerb.UNKNOWN, 12),
        ("on my way", SmsVerb.UNKNOWN, None),
        ("", SmsVerb.UNKNOWN, None),
        ("ack " + "9" * 60, SmsVerb.ACKNOWLEDGE, None),
    ],
)
def test_what_an_sms_asks_for(body: str, verb: SmsVerb, number: int | None) -> None:
    asked = parse_sms_answer(body)
    assert (asked.verb, asked.incident_id) == (verb, number)
