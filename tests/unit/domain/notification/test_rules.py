"""Notification rules: the shipped ones, addresses that are none, names that lead nowhere, planning."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.errors import RuleFileError
from domain.notification.escalation import Policy, Route, Target, decide_next_step
from domain.notification.message import Channel
from domain.notification.people import Addresses, Person
from domain.notification.planning import next_channel, plan_messages, resolve_targets
from domain.notification.rules import NotificationFile, NotificationRules, merge_files
from domain.vocabulary import Severity
from tests.fakes.notification import demo_rules

GOOD = {"voice": "+4915112345678", "sms": "+14155550100", "email": "a.b+c@example.com", "slack": "U024BE7LH"}


@pytest.mark.requirement("H2")
def test_the_shipped_tiers_are_those_of_the_proposal() -> None:
    tiers = demo_rules().tiers
    shown = {
        severity.value: ([one.value for one in tiers.of(severity).channels], tiers.of(severity).escalate_after_s)
        for severity in Severity
    }
    assert shown == {
        "CRITICAL": (["voice", "sms", "email", "slack"], 300),
        "HIGH": (["sms", "email", "slack"], 900),
        "MEDIUM": (["email", "slack"], 3600),
        "LOW": (["slack"], None),
    }
    assert demo_rules().list_dangling() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"voice": "015112345678"},
        {"voice": "+0151"},
        {"sms": "+49 151 12345678"},
        {"sms": "call me"},
        {"email": "nobody"},
        {"email": "a@b@c"},
        {"email": "ann@example.com\r\nBcc: x@y.z"},
        {"slack": "Général"},
        {"slack": "#Upper"},
        {"webhook": "ftp://x/y"},
        {"webhook": "https://user:pw@host/x"},
        {"pagerduty": "short"},
        {"fax": "+4915112345678"},
    ],
)
def test_addresses_that_are_none_do_not_parse_and_are_not_repeated(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Addresses.model_validate({**GOOD, **wrong})
    (value,) = wrong.values()
    assert value not in str(caught.value.errors(include_input=False, include_url=False)) or "fax" in wrong


def test_addresses_never_show_themselves() -> None:
    person = Person(title="Ann", addresses=Addresses.model_validate(GOOD))
    for shown in (repr(person), str(person), person.model_dump_json()):
        assert not any(value in shown for value in GOOD.values())
    assert person.addresses.of(Channel.SMS) == GOOD["sms"]


def test_names_that_lead_nowhere_are_listed_and_stop_nothing() -> None:
    rules = demo_rules()
    policy = Policy.model_validate(
        {
            "title": "p",
            "steps": [{"targets": [{"schedule": "none"}, {"team": "none"}, {"person": "zoe"}]}],
            "manager": "zoe",
        }
    )
    broken = demo_rules(policies={"p": policy}, routes=[Route(policy="p"), Route(policy="gone")], teams={})
    words = broken.list_dangling()
    assert len(words) == 5
    assert any("schedule none" in one for one in words)
    assert any("policy gone" in one for one in words)
    assert rules.policy_of("loader", Severity.LOW) == "data-platform"


def test_the_first_route_that_fits_decides() -> None:
    policies = {name: demo_rules().policies["data-platform"] for name in ("etl", "rest", "night")}
    routes = [
        Route(policy="gone"),
        Route(policy="night", severities=[Severity.CRITICAL], services=["batch-*"]),
        Route(policy="etl", services=["loader", "batch-*"]),
        Route(policy="rest"),
    ]
    rules = demo_rules(policies=policies, routes=routes)
    asked = [("batch-7", Severity.CRITICAL), ("batch-7", Severity.LOW), ("loader", Severity.HIGH), ("", Severity.HIGH)]
    assert [rules.policy_of(*one) for one in asked] == ["night", "etl", "etl", "rest"]


@pytest.mark.parametrize("wrong", [{}, {"schedule": "a", "person": "b"}, {"manager": False}, {"robot": "x"}])
def test_a_target_is_exactly_one(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Target.model_validate(wrong)


def test_the_same_name_in_two_files_is_refused() -> None:
    person = NotificationFile.model_validate({"people": {"ann": {"title": "Ann", "addresses": {}}}})
    with pytest.raises(RuleFileError, match=r"b\.yaml: people\.ann"):
        merge_files({"a.yaml": person, "b.yaml": person})
    with pytest.raises(RuleFileError, match="tiers"):
        merge_files({"a.yaml": person})


@pytest.mark.requirement("E2")
def test_steps_repeats_and_the_end() -> None:
    policy = demo_rules().policies["data-platform"]
    step, round_, taken = 1, 0, []
    while (decided := decide_next_step(policy, step=step, round_=round_, tier_wait_s=300)).step is not None:
        taken.append((decided.round, decided.step))
        step, round_ = decided.next_step, decided.round
    assert taken == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    shorter = policy.model_copy(update={"steps": policy.steps[:1]})
    assert decide_next_step(shorter, step=2, round_=0, tier_wait_s=300).step == 0, (
        "a policy that became shorter goes on"
    )


def planned(rules: NotificationRules, recipients: list[str], channels: list[Channel]) -> set[tuple[str, str]]:
    return {(one.channel.value, one.recipient) for one in plan_messages(rules, recipients, channels, cause="c")}


def test_teams_are_told_at_their_own_address_or_each_member() -> None:
    rules = demo_rules()
    told = planned(rules, ["team:data-platform"], [Channel.SMS, Channel.SLACK, Channel.PAGERDUTY])
    assert told == {("sms", "ann"), ("sms", "ben"), ("sms", "cleo"), ("slack", "team:data-platform")}


def test_without_any_address_there_is_a_message_all_the_same() -> None:
    rules = demo_rules(people={**demo_rules().people, "zoe": Person(title="Zoe", addresses=Addresses())})
    assert planned(rules, ["zoe"], [Channel.SMS, Channel.SLACK]) == {("sms", "zoe")}, (
        "it becomes a dead letter that is seen"
    )


def test_fallbacks_end_even_when_they_go_round() -> None:
    rules = demo_rules()
    assert next_channel(rules, "ann", Channel.VOICE) == [Channel.SMS, Channel.EMAIL, Channel.SLACK]
    assert next_channel(rules, "ann", Channel.EMAIL) == [Channel.SLACK]
    assert next_channel(rules, "ann", Channel.WEBHOOK) == []


def test_a_target_without_anybody_is_replaced_by_the_manager() -> None:
    rules = demo_rules()
    policy = rules.policies["data-platform"]
    found, notes = resolve_targets(rules, policy, [Target(schedule="primary"), Target(person="ann")], lambda _: None)
    assert found == ["mia", "ann"]
    assert notes == ["schedule primary has nobody now: the manager is told instead"]
