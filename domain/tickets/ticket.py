"""A ticket as the desk outside shows it, what may be asked of that desk, and how it says no.

The errors are those of deliveries: `DeliveryRefusedError` needs a person, `DeliveryDelayedError` passes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.notification.message import DeliveryRefusedError


class TicketGoneError(DeliveryRefusedError):
    """It was deleted over there, or may no longer be seen."""

    error_type = "TICKET_GONE"


@dataclass(frozen=True, slots=True)
class Draft:
    """A ticket to be created. `description` is a document of the desk's format."""

    summary: str
    description: Mapping[str, Any]
    priority: str | None
    labels: tuple[str, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What it is now."""

    key: str
    ticket_id: str
    status: str
    priority: str | None
    assignee: str | None
    labels: tuple[str, ...]
    updated: str

    @property
    def fingerprint(self) -> str:
        """The same as long as nothing that counts here has changed."""
        return "|".join([self.key, self.status, self.priority or "", self.assignee or "", self.updated])


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody over there."""

    account: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a ticket's history: who changed `what` ("status", "assignee" ...) to which value."""

    author: Person
    what: str
    to_id: str
    to: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment, as plain text."""

    remark_id: int
    author: Person
    text: str


@dataclass(frozen=True, slots=True)
class News:
    """A ticket with what happened to it since the last look: `seen_changes` counts its history, read or not."""

    ticket: Ticket
    changes: tuple[Change, ...]
    remarks: tuple[Remark, ...]
    seen_changes: int


@dataclass(frozen=True, slots=True)
class Transition:
    """A way out of the present status."""

    transition_id: str
    name: str
    to_status: str
    has_resolution: bool = False
    missing: tuple[str, ...] = ()
