"""What the flow needs from outside, one Protocol per need. Adapters in resources/ are named after their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from domain.answers import Answer
from domain.loaders.definition import Connection, LoaderDefinition
from domain.notification.message import Message, Receipt
from domain.tickets.ticket import Draft, News, Ticket, Transition


class StatisticsSource(Protocol):
    """Somewhere statistics can be asked for."""

    def fetch(self, loader: LoaderDefinition, connection: Connection, *, start: datetime, end: datetime) -> Answer:
        """All queries of the loader over [start, end), chunked and paged as the source needs.

        Raises:
            SourceError: translated; the caller leaves the windows due and records the error.
        """
        ...


class MessageChannel(Protocol):
    """One way to reach people."""

    def send(self, message: Message) -> Receipt:
        """Hand the message to the provider, once.

        Raises:
            DeliveryRefusedError: it will never be taken.
            DeliveryDelayedError: again later; a message whose answer was lost may have gone out.
        """
        ...


@runtime_checkable
class SearchableChannel(MessageChannel, Protocol):
    """A channel whose provider can say what it already has."""

    def find(self, message: Message) -> Receipt | None:
        """The receipt of this very message from an attempt whose outcome was lost; None when the provider has it not.

        Raises:
            DeliveryError: the provider does not say.
        """
        ...


class FaultInjector(Protocol):
    """What makes something fail on purpose, for drills. Doing either twice is as doing it once."""

    def is_there(self) -> bool:
        """Whether faults can be made here."""
        ...

    def make(self, fault: str, *, at: datetime, for_s: float) -> None:
        """Make the fault; it ends by itself after so many seconds, whatever happens to us.

        Raises:
            NotFoundError: no such fault. ConflictError: somebody else made it. SourceUnreachableError: no answer.
        """
        ...

    def clear(self, fault: str) -> None:
        """End it now, if it is there. Raises SourceUnreachableError."""
        ...


class TicketDesk(Protocol):
    """Where tickets live. Every method makes few requests, once each, and raises the same.

    Raises:
        DeliveryRefusedError: a person has to mend something. TicketGoneError: there is no such ticket (any more).
        DeliveryDelayedError: again later; `is_certain` in the context: nothing was changed over there.
        CircuitOpenError: nothing was sent.
    """

    def own_account(self) -> str:
        """Who we are over there."""
        ...

    def sees_project(self) -> bool:
        """Whether the project is there for us at all."""
        ...

    def create(self, draft: Draft) -> Ticket:
        """A new ticket; of its state only key and id are known."""
        ...

    def find(self, label: str) -> list[Ticket]:
        """Tickets with this label, oldest first. A ticket of the last minutes may be missing."""
        ...

    def changed_within(self, label: str, *, minutes: int) -> list[Ticket]:
        """Tickets with this label that somebody changed lately."""
        ...

    def read_news(self, key: str, *, seen_changes: int, seen_remark: int) -> News:
        """The ticket, its history after the first `seen_changes` entries, its comments after that number and the newest of all."""
        ...

    def set_priority(self, key: str, priority: str) -> None:
        """Another priority, by name."""
        ...

    def comment(self, key: str, body: Mapping[str, Any]) -> int:
        """The number of the new comment; `body` is a document of the desk's format."""
        ...

    def list_transitions(self, key: str) -> Sequence[Transition]:
        """The ways out of its status that are open to us."""
        ...

    def move(self, key: str, transition: Transition, *, resolution: str | None) -> None:
        """Take one of them; the resolution is given where its screen asks for one."""
        ...
