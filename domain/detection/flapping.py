"""Whether an alert flaps: many changes of state in a short time. On and off have limits of their own, so that flapping does
not flap itself (D7). While it flaps an alert neither opens nor resolves anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field, model_validator

from domain.loaders.definition import Frozen


class FlappingLimits(Frozen):
    """When flapping begins and ends, in changes of state within `within_s`."""

    on_at: int = Field(default=6, ge=3, description="flapping begins at so many changes")
    off_at: int = Field(default=2, ge=0, description="and ends at so many or fewer")
    within_s: float = Field(default=1800.0, gt=0)

    @model_validator(mode="after")
    def _off_is_below_on(self) -> FlappingLimits:
        if self.off_at >= self.on_at:
            raise ValueError(f"off_at {self.off_at} has to be below on_at {self.on_at}")
        return self


@dataclass(frozen=True, slots=True)
class Flapping:
    """The state of one fingerprint: its newest changes, oldest first, and since when it flaps."""

    changes: tuple[datetime, ...] = ()
    is_flapping: bool = False
    since: datetime | None = None


def decide_flapping(
    known: Flapping, new_changes: Iterable[datetime], *, now: datetime, limits: FlappingLimits
) -> Flapping:
    """The state after these changes, at `now`. Changes older than the window are forgotten."""
    oldest = now - timedelta(seconds=limits.within_s)
    everything = sorted({*known.changes, *new_changes})
    changes = tuple(at for at in everything if oldest < at)[-4 * limits.on_at :]
    is_flapping = len(changes) > limits.off_at if known.is_flapping else len(changes) >= limits.on_at
    since = (known.since if known.is_flapping else now) if is_flapping else None
    return Flapping(changes, is_flapping, since)
