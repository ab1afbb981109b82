"""Everything `rules/notification/` says, in one model: tiers, channels, people, teams, schedules, policies, routes.

Each file may hold some of the sections. What points at something unknown does not stop the rest from working: it is listed
by `list_dangling`, and the auditor tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from domain.errors import RuleFileError
from domain.loaders.definition import Frozen
from domain.notification.escalation import Policy, Route, Target
from domain.notification.message import Channel
from domain.notification.on_call import Schedule
from domain.notification.people import TEAM_PREFIX, Name, Person, Team
from domain.notification.tiers import ChannelRules, StormRules, Tiers
from domain.vocabulary import Severity


class NotificationFile(Frozen):
    """One file."""

    tiers: Tiers | None = None
    channels: dict[Channel, ChannelRules] = Field(default_factory=dict)
    storm: StormRules | None = None
    people: dict[Name, Person] = Field(default_factory=dict)
    teams: dict[Name, Team] = Field(default_factory=dict)
    schedules: dict[Name, Schedule] = Field(default_factory=dict)
    policies: dict[Name, Policy] = Field(default_factory=dict)
    routes: list[Route] = Field(default_factory=list)


class NotificationRules(Frozen):
    """All files together."""

    tiers: Tiers
    channels: dict[Channel, ChannelRules]
    storm: StormRules
    people: dict[Name, Person]
    teams: dict[Name, Team]
    schedules: dict[Name, Schedule]
    policies: dict[Name, Policy]
    routes: list[Route]

    def channel(self, channel: Channel) -> ChannelRules:
        """How a channel is treated; the defaults where nothing is said."""
        return self.channels.get(channel, ChannelRules())

    def policy_of(self, service: str, severity: Severity) -> str | None:
        """Name of the policy of the first route that fits and whose policy exists."""
        return next(
            (one.policy for one in self.routes if one.policy in self.policies and one.fits(service, severity)), None
        )

    def address_of(self, recipient: str, channel: Channel) -> str | None:
        """In clear, for the one who sends. `recipient` is a person, or `team:name`; None: unknown, or no address there."""
        if recipient.startswith(TEAM_PREFIX):
            team = self.teams.get(recipient.removeprefix(TEAM_PREFIX))
            return team.addresses.of(channel) if team else None
        person = self.people.get(recipient)
        return person.addresses.of(channel) if person else None

    def list_dangling(self) -> list[str]:
        """What points at something that does not exist, in words."""
        return list(_dangling(self))


def merge_files(files: Mapping[str, NotificationFile]) -> NotificationRules:
    """All files as one; routes in the order of file names.

    Raises:
        RuleFileError: a name is defined twice, or no file has the tiers.
    """
    merged: dict[str, dict[str, object]] = {"channels": {}, "people": {}, "teams": {}, "schedules": {}, "policies": {}}
    single: dict[str, object] = {}
    routes: list[Route] = []
    for path, one in sorted(files.items()):
        for section, target in merged.items():
            for name, value in getattr(one, section).items():
                if name in target:
                    raise _twice(path, f"{section}.{name}")
                target[name] = value
        for section in ("tiers", "storm"):
            if (value := getattr(one, section)) is not None:
                if section in single:
                    raise _twice(path, section)
                single[section] = value
        routes += one.routes
    if "tiers" not in single:
        raise RuleFileError(
            "no file under rules/notification has the tiers", suggestion="keep rules/notification/tiers.yaml"
        )
    return NotificationRules.model_validate({"storm": StormRules(), **single, **merged, "routes": routes})


def _twice(path: str, field: str) -> RuleFileError:
    return RuleFileError(
        f"{path}: {field} is defined in another file too", suggestion="keep one of the two", file=path, field=field
    )


def _dangling(rules: NotificationRules) -> Iterator[str]:
    yield from _dangling_people(rules)
    for name, policy in rules.policies.items():
        if policy.manager not in rules.people:
            yield f"the manager of policy {name} is {policy.manager}, whom nobody knows"
        for number, step in enumerate(policy.steps, 1):
            missing = [target for target in step.targets if not _exists(rules, target)]
            yield from (
                f"step {number} of policy {name} tells {one.describe()}, which does not exist" for one in missing
            )
    for route in rules.routes:
        if route.policy not in rules.policies:
            yield f"a route leads to the policy {route.policy}, which does not exist"


def _dangling_people(rules: NotificationRules) -> Iterator[str]:
    for name, person in rules.people.items():
        if person.manager and person.manager not in rules.people:
            yield f"the manager of {name} is {person.manager}, whom nobody knows"
    for name, team in rules.teams.items():
        missing = [one for one in team.members if one not in rules.people]
        yield from (f"team {name} has the member {one}, whom nobody knows" for one in missing)
    for name, schedule in rules.schedules.items():
        on_call = {person for layer in schedule.layers for person in layer.people}
        yield from (f"schedule {name} has {one}, whom nobody knows" for one in sorted(on_call - set(rules.people)))


def _exists(rules: NotificationRules, target: Target) -> bool:
    return (
        target.manager
        or target.schedule in rules.schedules
        or target.person in rules.people
        or target.team in rules.teams
    )
