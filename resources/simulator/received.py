"""What the simulated providers got, newest last, and the faults they were told to have. In memory, bounded; safe for threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

#: Names of the receivers, as faults and listings call them.
RECEIVERS = ("voice", "sms", "sns", "slack", "email", "pagerduty", "opsgenie", "webhook", "jira")
_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class Received:
    """One delivery: to whom, its words, and everything else that came."""

    number: int
    at_s: float
    receiver: str
    to: str
    text: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Fault:
    """What a receiver does instead of answering well: a status, hanging, cutting the answer. `times` left; None: until taken away.

    `after` so many requests that it leaves alone.
    """

    status: int = 0
    hangs_s: float = 0.0
    is_cut: bool = False
    retry_after_s: int | None = None
    times: int | None = None
    after: int = 0


@dataclass(frozen=True, slots=True)
class CallScript:
    """How simulated people treat a call: the keys they press one after the other, or how it ends unanswered."""

    digits: tuple[str, ...] = ()
    outcome: str = "answered"  # answered, busy, no-answer, failed, machine


class ReceivedBook:
    """The memory of all receivers."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.now_s = now_s
        self._lock = threading.Lock()
        self._all: deque[Received] = deque(maxlen=_KEPT)
        self._faults: dict[str, Fault] = {}
        self._numbers = 0
        self.script = CallScript()

    def write(self, receiver: str, *, to: str, text: str, **detail: Any) -> Received:
        """Note a delivery."""
        with self._lock:
            self._numbers += 1
            one = Received(self._numbers, self.now_s(), receiver, to, text, detail)
            self._all.append(one)
            return one

    def read(self, receiver: str = "", *, limit: int = 200) -> list[dict[str, Any]]:
        """Newest first."""
        with self._lock:
            found = [one for one in reversed(self._all) if receiver in ("", one.receiver)]
        return [asdict(one) for one in found[:limit]]

    def count(self) -> dict[str, int]:
        """Deliveries per receiver that are still known."""
        with self._lock:
            names = [one.receiver for one in self._all]
        return {name: names.count(name) for name in RECEIVERS}

    def clear(self) -> None:
        """Forget deliveries, faults and the script."""
        with self._lock:
            self._all.clear()
            self._faults.clear()
            self.script = CallScript()

    def set_fault(self, receiver: str, fault: Fault | None) -> None:
        """From now on, or no more."""
        with self._lock:
            if fault is None:
                self._faults.pop(receiver, None)
            else:
                self._faults[receiver] = fault

    def take_fault(self, receiver: str) -> Fault | None:
        """What this request suffers; counts down."""
        with self._lock:
            fault = self._faults.get(receiver)
            if fault is not None and fault.after > 0:
                fault.after -= 1
                return None
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    del self._faults[receiver]
            return fault
