"""Who gets which message: targets of a step become recipients, a tier's channels become messages, one key for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from domain.notification.escalation import Policy, Target
from domain.notification.message import Channel
from domain.notification.people import TEAM_PREFIX
from domain.notification.rules import NotificationRules

#: Who is on call in a schedule now; None: nobody.
OnCall = Callable[[str], str | None]
_OWN_SYSTEMS = frozenset({Channel.PAGERDUTY, Channel.OPSGENIE, Channel.WEBHOOK})


@dataclass(frozen=True, slots=True)
class Planned:
    """One message to be: its key is `cause:channel:recipient`, so that the same cause never tells anybody twice."""

    cause: str
    channel: Channel
    recipient: str
    note: str = ""

    @property
    def key(self) -> str:
        """The idempotency key."""
        return f"{self.cause}:{self.channel.value}:{self.recipient}"


def resolve_targets(
    rules: NotificationRules, policy: Policy, targets: Iterable[Target], on_call: OnCall
) -> tuple[list[str], list[str]]:
    """Recipients (persons, and `team:name`), each once; and in words what leads to nobody.

    A target that leads to nobody is replaced by the manager, so that a gap in a schedule never means silence.
    """
    found: dict[str, None] = {}
    empty: list[str] = []
    for target in targets:
        names = _names(rules, policy, target, on_call)
        if not names:
            empty.append(f"{target.describe()} has nobody now: the manager is told instead")
            names = [policy.manager]
        found.update(dict.fromkeys(names))
    return list(found), empty


def _names(rules: NotificationRules, policy: Policy, target: Target, on_call: OnCall) -> list[str]:
    if target.manager:
        return [policy.manager]
    if target.schedule:
        person = on_call(target.schedule)
        return [person] if person in rules.people and person else []
    if target.person:
        return [target.person] if target.person in rules.people else []
    team = rules.teams.get(target.team or "")
    return [f"{TEAM_PREFIX}{target.team}"] if team and (team.members or team.addresses.all_channels()) else []


def plan_messages(
    rules: NotificationRules, recipients: Sequence[str], channels: Sequence[Channel], *, cause: str
) -> list[Planned]:
    """One message per recipient and channel.

    A team is told at its own address where it has one for the channel, else each member is. Who has no address for a
    channel gets the message through the fallback of that channel instead, noted; PagerDuty, Opsgenie and webhooks are for
    those who have them. Whoever is left without any message is planned for the first channel anyway: delivery then makes it
    a dead letter that everybody sees.
    """
    planned: dict[str, Planned] = {}
    for channel in channels:
        for person in _split(rules, recipients, channel):
            one = _reach(rules, person, channel, cause)
            if one is not None:
                planned.setdefault(one.key, one)
    for person in _split(rules, recipients, channels[0]) if channels else []:
        if not any(one.recipient == person for one in planned.values()) and channels[0] not in _OWN_SYSTEMS:
            one = Planned(cause, channels[0], person, f"{person} has no address for any channel of this severity")
            planned.setdefault(one.key, one)
    return list(planned.values())


def next_channel(rules: NotificationRules, recipient: str, channel: Channel) -> list[Channel]:
    """The fallbacks of a channel, in their order, for which this recipient has an address. Never the channel itself."""
    chain: list[Channel] = []
    step = rules.channel(channel).fallback
    while step is not None and step not in chain and step is not channel:
        chain.append(step)
        step = rules.channel(step).fallback
    return [one for one in chain if rules.address_of(recipient, one)]


def _split(rules: NotificationRules, recipients: Sequence[str], channel: Channel) -> list[str]:
    names: dict[str, None] = {}
    for recipient in recipients:
        team = rules.teams.get(recipient.removeprefix(TEAM_PREFIX)) if recipient.startswith(TEAM_PREFIX) else None
        if team is None or team.addresses.of(channel):
            names[recipient] = None
        elif channel not in _OWN_SYSTEMS:
            names.update(dict.fromkeys(team.members or [recipient]))
    return list(names)


def _reach(rules: NotificationRules, recipient: str, channel: Channel, cause: str) -> Planned | None:
    if rules.address_of(recipient, channel):
        return Planned(cause, channel, recipient)
    if channel in _OWN_SYSTEMS:
        return None
    instead = next_channel(rules, recipient, channel)
    if not instead:
        return None
    return Planned(cause, instead[0], recipient, f"{recipient} has no address for {channel.value}")
