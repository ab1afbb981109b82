"""Would somebody be told now? Of rules alone: for each route and severity, who the first step reaches, and what stands in the way."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.notification.message import Channel
from domain.notification.people import TEAM_PREFIX
from domain.notification.planning import OnCall, Planned, next_channel, plan_messages, resolve_targets
from domain.notification.rules import NotificationRules
from domain.vocabulary import Severity

#: Gaps further away are shown, and are no alert yet.
LOOK_AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Weakness:
    """One thing that keeps, or will keep, somebody from being told. `subject` is stable: the same weakness has the same.

    `is_silence`: nobody would be told at all. `severity` of the alert about it; None: it is shown to who looks, and is no alert.
    """

    subject: str
    detail: str
    remedy: str
    is_silence: bool = False
    severity: Severity | None = Severity.MEDIUM

    @property
    def urgency(self) -> Severity | None:
        """Silence is CRITICAL, whatever else it is."""
        return Severity.CRITICAL if self.is_silence else self.severity


def find_silences(rules: NotificationRules, on_call: OnCall, usable: Collection[Channel]) -> Iterator[Weakness]:
    """Severities and services for which nobody would be told now, through any channel that is usable."""
    if not rules.policies:
        yield Weakness(
            "no-policy", "there is no escalation policy", "add policies and routes under rules/notification", True
        )
        return
    if not any(not one.services and not one.severities for one in rules.routes):
        yield Weakness(
            "no-default-route",
            "no route fits every incident; those that none fits go to the first policy by name",
            "end the routes with one that has neither services nor severities",
            severity=Severity.LOW,
        )
    for service in _services(rules):
        for severity in Severity:
            name = rules.policy_of(service, severity) or min(rules.policies)
            policy = rules.policies[name]
            recipients, _ = resolve_targets(rules, policy, policy.steps[0].targets, on_call)
            channels = [*rules.tiers.of(severity).channels, *policy.also_channels]
            planned = plan_messages(rules, recipients, channels, cause="audit")
            if not any(_goes_out(rules, one.recipient, one.channel, usable) for one in planned):
                whom = f"service {service}" if service else "services without a route of their own"
                yield Weakness(
                    f"silence:{severity.value}:{service or '*'}",
                    f"nobody would be told of a {severity.value} incident of {whom}",
                    f"policy {name}: give {', '.join(recipients)} an address for one of {', '.join(channels)},"
                    " and set up that channel",
                    is_silence=True,
                )


def find_missing_addresses(rules: NotificationRules) -> Iterator[Weakness]:
    """People whom a schedule or a policy may call, and channels of the tiers that they cannot be reached by."""
    wanted = list(dict.fromkeys(channel for severity in Severity for channel in rules.tiers.of(severity).channels))
    for person in sorted(_callable_people(rules) & set(rules.people)):
        missing = [channel.value for channel in wanted if rules.address_of(person, channel) is None]
        if missing:
            yield Weakness(
                f"address:{person}",
                f"{person} may be called and has no address for {', '.join(missing)}",
                "add it under people in rules/notification; the fallback channel is used until then",
                severity=Severity.LOW,
            )


def rate_gap(begins_at: datetime, *, now: datetime, is_first_line: bool) -> Severity | None:
    """How urgent it is that a schedule has nobody from an instant on: now, within a day, within a week, later."""
    wait = begins_at - now
    if wait <= timedelta(0):
        return Severity.CRITICAL if is_first_line else Severity.MEDIUM
    if wait <= timedelta(days=1):
        return Severity.MEDIUM
    return Severity.LOW if wait <= LOOK_AHEAD else None


def first_line_schedules(rules: NotificationRules) -> set[str]:
    """Schedules that a first step tells."""
    return {one.schedule for policy in rules.policies.values() for one in policy.steps[0].targets if one.schedule}


def plan_broadcast(rules: NotificationRules, usable: Collection[Channel], *, cause: str) -> list[Planned]:
    """To everybody who answers for others, and to every team, by each channel that works: for when nobody is on duty."""
    managers = sorted({policy.manager for policy in rules.policies.values()} & set(rules.people))
    recipients = [*managers, *(f"{TEAM_PREFIX}{name}" for name in sorted(rules.teams))]
    return [
        Planned(cause, channel, recipient)
        for recipient in recipients
        for channel in Channel
        if channel in usable and rules.address_of(recipient, channel)
    ]


def tier_channels(rules: NotificationRules) -> list[Channel]:
    """Every channel that some tier or policy uses."""
    used = [channel for severity in Severity for channel in rules.tiers.of(severity).channels]
    return list(dict.fromkeys([*used, *(one for policy in rules.policies.values() for one in policy.also_channels)]))


def _goes_out(rules: NotificationRules, recipient: str, channel: Channel, usable: Collection[Channel]) -> bool:
    reach = [channel, *next_channel(rules, recipient, channel)]
    return any(one in usable and rules.address_of(recipient, one) for one in reach)


def _services(rules: NotificationRules) -> list[str]:
    named = [service.removesuffix("*") for route in rules.routes for service in route.services]
    return list(dict.fromkeys([*named, ""]))


def _callable_people(rules: NotificationRules) -> set[str]:
    people = {person for one in rules.schedules.values() for layer in one.layers for person in layer.people}
    for policy in rules.policies.values():
        people.add(policy.manager)
        people |= {target.person for step in policy.steps for target in step.targets if target.person}
    return people
