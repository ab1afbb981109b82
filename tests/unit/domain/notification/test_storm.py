"""Storms: what goes out singly, what is bundled, what waits; no CRITICAL incident goes without its name (H7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.notification.message import Channel, MessageKind
from domain.notification.storm import Bundled, Lane, LaneFate, compose_bundles, decide_lane
from domain.notification.texts import render_plain, render_sms, words_of_facts
from domain.notification.tiers import ChannelRules, StormRules
from domain.vocabulary import Severity
from tests.fakes.notification import demo_rules

pytestmark = pytest.mark.requirement("H7")
NOW = datetime(2026, 3, 10, tzinfo=UTC)
RULES = StormRules(window_s=300, single_at_most=5, every_s=60, top=10)


@pytest.mark.parametrize(
    ("lane", "fate"),
    [
        (Lane(5, 0, None), LaneFate.SINGLE),
        (Lane(6, 0, None), LaneFate.BUNDLE),
        (Lane(1, 4, None), LaneFate.SINGLE),
        (Lane(1, 5, None), LaneFate.BUNDLE),
        (Lane(1, 5, NOW - timedelta(seconds=59)), LaneFate.HOLD),
        (Lane(1, 5, NOW - timedelta(seconds=60)), LaneFate.BUNDLE),
        (Lane(3, 2, NOW - timedelta(seconds=1)), LaneFate.SINGLE),
    ],
)
def test_few_go_singly_many_together_and_more_wait(lane: Lane, fate: LaneFate) -> None:
    decided, at = decide_lane(lane, RULES, now=NOW)
    assert decided is fate
    if fate is LaneFate.HOLD:
        assert at == NOW + timedelta(seconds=1)


def bundled(severities: list[Severity]) -> list[Bundled]:
    return [
        Bundled(number, severity, {"code": f"INC-{number}", "title": f"title {number}", "service": f"s{number % 7}"})
        for number, severity in enumerate(severities, 1)
    ]


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(Severity)), min_size=1, max_size=400), st.integers(1, 50))
def test_every_critical_is_named_where_all_are_and_every_message_is_in_one_bundle(
    severities: list[Severity], size: int
) -> None:
    messages = bundled(severities)
    bundles = compose_bundles(messages, ChannelRules(names_all=True, name_at_most=size), RULES)
    named = [one["code"] for _, _, facts in bundles for one in facts["critical"]]
    wanted = [one.facts["code"] for one in messages if one.severity is Severity.CRITICAL]
    assert sorted(named) == sorted(wanted)
    assert len(bundles) == max(1, -(-len(wanted) // size)), "as few as that takes"
    assert sorted(number for numbers, _, _ in bundles for number in numbers) == [one.message_id for one in messages]
    (short,) = compose_bundles(messages, ChannelRules(name_at_most=size), RULES)
    assert len(short[2]["critical"]) + short[2]["critical_not_named"] == len(wanted)


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SLACK, Channel.WEBHOOK])
def test_the_texts_have_every_name_even_of_thousands(channel: Channel) -> None:
    from domain.notification.slack_blocks import render_slack_blocks

    messages = [
        Bundled(number, Severity.CRITICAL, {"code": f"INC-{number}", "title": "x" * 300, "service": "loader"})
        for number in range(1_000_001, 1_002_001)
    ]
    texts = []
    for _, severity, facts in compose_bundles(messages, demo_rules().channel(channel), RULES):
        words = words_of_facts(facts, kind=MessageKind.STORM, severity=severity, is_drill=False)
        shown = str(render_slack_blocks(words, message_id=1)) if channel is Channel.SLACK else render_plain(words)
        texts.append(shown)
    if channel is not Channel.WEBHOOK:  # a machine reads the facts
        everything = " ".join(texts)
        assert [one.facts["code"] for one in messages if one.facts["code"] not in everything] == []


def test_an_sms_says_how_many_and_names_the_first() -> None:
    messages = bundled([Severity.CRITICAL] * 40 + [Severity.LOW] * 60)
    ((_, severity, facts),) = compose_bundles(messages, demo_rules().channel(Channel.SMS), RULES)
    text = render_sms(words_of_facts(facts, kind=MessageKind.STORM, severity=severity, is_drill=False))
    assert "100 incidents: 40 CRITICAL, 60 LOW" in text
    assert "INC-1, INC-2" in text
    assert "20 more CRITICAL" in text
