"""Tiers: through which channels each severity goes out and when it escalates (H2); how each channel is treated (H7)."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import Field, field_validator

from domain.backoff import spread_wait
from domain.loaders.definition import Frozen
from domain.notification.message import Channel
from domain.vocabulary import Severity


class Tier(Frozen):
    """One severity. `escalate_after_s` without acknowledgement; None: never."""

    channels: list[Channel] = Field(min_length=1)
    escalate_after_s: int | None = Field(gt=0, le=86_400)

    @field_validator("channels")
    @classmethod
    def _once_each(cls, channels: list[Channel]) -> list[Channel]:
        if len(set(channels)) < len(channels):
            raise ValueError("name each channel once")
        return channels


class ChannelRules(Frozen):
    """How one channel is treated.

    `fallback` takes over when the channel refuses, gives up, or the recipient has no address there. `backoff_s` are the
    waits after the first, second … failed attempt, spread by ±20 %; after the last one the message is dead. `names_all`: in a storm every
    CRITICAL incident is named here, in as many messages as that takes; elsewhere the first `name_at_most` are.
    """

    fallback: Channel | None = None
    per_minute: int = Field(default=60, ge=1, le=100_000)
    backoff_s: list[float] = Field(default=[5, 15, 60, 300, 900], min_length=1, max_length=20)
    timeout_s: float = Field(default=15, gt=0, le=120)
    names_all: bool = False
    name_at_most: int = Field(default=20, ge=1, le=1_000)

    @property
    def max_attempts(self) -> int:
        """One more than there are waits."""
        return len(self.backoff_s) + 1

    def retry_at(
        self, attempts: int, *, key: str, now: datetime, retry_after_s: float | None = None
    ) -> datetime | None:
        """When to try again after so many failed attempts; None: never. A provider's own wish is honoured up to an hour.

        `key` is the message's idempotency key: the spread of the wait follows from it.
        """
        if attempts >= self.max_attempts:
            return None
        backoff = spread_wait(self.backoff_s[attempts - 1], key, attempts)
        wait = max(backoff, min(retry_after_s or 0.0, 3600.0))
        return now + timedelta(seconds=wait)


class StormRules(Frozen):
    """How many messages one recipient gets through one channel: `single_at_most` within `window_s`, then one bundle each `every_s`.

    CRITICAL has an allowance of its own, so that a storm of LOW never delays it.
    """

    window_s: int = Field(default=300, ge=10, le=3600)
    single_at_most: int = Field(default=5, ge=1, le=1000)
    every_s: int = Field(default=60, ge=5, le=3600)
    top: int = Field(default=10, ge=1, le=100)


class Tiers(Frozen):
    """All four severities; `notices` are the channels of what calls for nobody (acknowledged, resolved, SLA warnings)."""

    CRITICAL: Tier
    HIGH: Tier
    MEDIUM: Tier
    LOW: Tier
    notices: list[Channel] = Field(default=[Channel.EMAIL, Channel.SLACK])

    def of(self, severity: Severity) -> Tier:
        """The tier of a severity."""
        tier: Tier = getattr(self, severity.value)
        return tier
