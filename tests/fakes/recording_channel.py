"""A channel that keeps what it is given, and fails as it is told to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from domain.notification.message import Channel, Message, Receipt


class RecordingChannel:
    """`fail` is asked before each message; an error it returns is raised instead of taking the message."""

    def __init__(self, fail: Callable[[Message], Exception | None] = lambda _: None) -> None:
        self.fail = fail
        self.received: list[Message] = []
        self._lock = threading.Lock()

    def send(self, message: Message) -> Receipt:
        error = self.fail(message)
        if error is not None:
            raise error
        with self._lock:
            self.received.append(message)
        return Receipt(f"fake-{message.message_id}")

    @property
    def keys(self) -> Counter[str]:
        return Counter(one.idempotency_key for one in self.received)


def recording_channels() -> dict[Channel, RecordingChannel]:
    return {channel: RecordingChannel() for channel in Channel}
