"""What the flow needs from outside, one Protocol per need. Adapters in resources/ are named after their means."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from domain.answers import Answer
from domain.loaders.definition import Connection, LoaderDefinition
from domain.notification.message import Message, Receipt


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
