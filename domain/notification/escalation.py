"""Escalation policies: whom each step tells, how long it waits, how often the round repeats, and who is told at the end."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, model_validator

from domain.loaders.definition import Frozen
from domain.notification.message import Channel
from domain.notification.people import Name
from domain.vocabulary import Severity


class Target(Frozen):
    """Exactly one of: the one on call in a schedule, a person, a team, or the manager of the policy."""

    schedule: Name | None = None
    person: Name | None = None
    team: Name | None = None
    manager: bool = False

    @model_validator(mode="after")
    def _exactly_one(self) -> Target:
        if sum((bool(self.schedule), bool(self.person), bool(self.team), self.manager)) != 1:
            raise ValueError("name exactly one of schedule, person, team, manager: true")
        return self

    def describe(self) -> str:
        """`schedule primary`."""
        if self.manager:
            return "manager"
        kind = next(kind for kind in ("schedule", "person", "team") if getattr(self, kind))
        return f"{kind} {getattr(self, kind)}"


class Step(Frozen):
    """Told together. `wait_s` until the next step; unset: what the tier of the severity says."""

    targets: list[Target] = Field(min_length=1)
    wait_s: int | None = Field(default=None, gt=0, le=86_400)


class Policy(Frozen):
    """Steps in their order. After the last one the round begins again `repeat` times; then the manager is told that nobody came."""

    title: str = Field(min_length=1, max_length=120)
    steps: list[Step] = Field(min_length=1, max_length=20)
    repeat: int = Field(default=1, ge=0, le=5)
    manager: Name
    also_channels: list[Channel] = Field(default_factory=list)


class Route(Frozen):
    """Which policy an incident has: the first route whose services (all, when empty) and severities fit."""

    policy: Name
    services: list[str] = Field(default_factory=list)
    severities: list[Severity] = Field(default_factory=list)

    def fits(self, service: str, severity: Severity) -> bool:
        """Services may end in `*`."""
        is_service = not self.services or any(_matches(one, service) for one in self.services)
        return is_service and (not self.severities or severity in self.severities)


def _matches(pattern: str, service: str) -> bool:
    return service.startswith(pattern[:-1]) if pattern.endswith("*") else service == pattern


@dataclass(frozen=True, slots=True)
class NextStep:
    """What is due: the step to take, or the end (`step` is None); and where the timer stands afterwards."""

    step: int | None
    next_step: int
    round: int
    wait_s: int | None


def decide_next_step(policy: Policy, *, step: int, round_: int, tier_wait_s: int | None) -> NextStep:
    """From the timer's step and round. A policy that became shorter meanwhile goes on with its next round."""
    if step >= len(policy.steps):
        if round_ >= policy.repeat:
            return NextStep(None, step, round_, None)
        step, round_ = 0, round_ + 1
    return NextStep(step, step + 1, round_, policy.steps[step].wait_s or tier_wait_s)
