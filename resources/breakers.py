"""Circuit breakers of this process, around every outgoing call: `with guard("prometheus http://host:9090"): ...` (A14).

Their state is shared through a store that processes read at least twice a second, because every Dagster run is a process of
its own. A store that is away or slow never makes a call fail: this process then goes on with what it knows.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.circuit_breaker import Breaker, BreakerRules, BreakerState, Outcome, record_outcome, request_permit
from domain.errors import (
    CircuitOpenError,
    EtlmonError,
    SourceAnswerError,
    SourceFailedError,
    SourceTimeoutError,
    SourceUnreachableError,
)
from domain.notification.message import DeliveryDelayedError
from resources.clock import utc_now
from resources.json_logs import get_logger

_FAILURES = (SourceUnreachableError, SourceTimeoutError, SourceFailedError, SourceAnswerError, DeliveryDelayedError)
_SYNC_S = 0.5
_STORE_PAUSE_S = 10.0
_MAX_ERROR = 300


@dataclass(frozen=True, slots=True)
class Change:
    """What a store did: the breaker before and after, and whether a permit was given."""

    before: Breaker
    after: Breaker
    is_permitted: bool = True


#: From the stored breaker: the new one, whether a permit is given, and the words of the last failure when there is a new one.
Decision = Callable[[Breaker], tuple[Breaker, bool, str | None]]


class BreakerStore(Protocol):
    """Where processes share their breakers."""

    def change(self, name: str, decide: Decision) -> Change:
        """Replace a breaker by what `decide` makes of it, under a lock of its own. Raises EtlmonError when it cannot."""
        ...

    def read(self, name: str) -> Breaker | None:
        """The breaker as it stands; None when nobody has stored it. Raises EtlmonError when it cannot."""
        ...


@dataclass(frozen=True, slots=True)
class _Call:
    era: tuple[BreakerState, int]
    outcome: Outcome
    at: datetime
    error: str


class Breakers:
    """All breakers of a process. Safe to share between threads."""

    def __init__(
        self,
        rules: BreakerRules | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules = rules or BreakerRules()
        self.clock = clock
        self.timer = timer
        self._store: BreakerStore | None = None
        self._store_after = float("-inf")
        self._known: dict[str, _Guarded] = {}
        self._lock = threading.Lock()

    def attach(self, store: BreakerStore | None, rules: BreakerRules) -> None:
        """Share from now on through this store, or through none. What was known of another store is forgotten."""
        with self._lock:
            self._store, self.rules, self._known = store, rules, {}
            self._store_after = float("-inf")

    @contextmanager
    def guard(self, name: str) -> Iterator[None]:
        """One call to what `name` stands for.

        Raises:
            CircuitOpenError: nothing may be sent now; the reason says until when.
        """
        guarded = self._known.get(name) or self._add(name)
        era = guarded.enter()
        began = self.timer()
        try:
            yield
        except Exception as error:
            guarded.leave(era, error if isinstance(error, _FAILURES) else None, self.timer() - began)
            raise
        guarded.leave(era, None, self.timer() - began)

    def flush(self) -> None:
        """Store what is not stored yet; at the end of a run."""
        for guarded in list(self._known.values()):
            guarded.synchronise()

    def _add(self, name: str) -> _Guarded:
        with self._lock:
            return self._known.setdefault(name, _Guarded(self, name))

    @property
    def has_store(self) -> bool:
        """Whether breakers are shared at all."""
        return self._store is not None

    @property
    def usable_store(self) -> BreakerStore | None:
        """The store, unless there is none or it failed a moment ago."""
        return self._store if self.timer() >= self._store_after else None

    def suspend_store(self, error: EtlmonError) -> None:
        """Do without the store for a while."""
        self._store_after = self.timer() + _STORE_PAUSE_S
        get_logger(__name__).warning("circuit breakers are not shared for a while", error=error)


class _Guarded:
    """One breaker as this process sees it, and the outcomes that the store does not have yet."""

    def __init__(self, owner: Breakers, name: str) -> None:
        self._owner = owner
        self._name = name
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._view = Breaker()
        self._pending: deque[_Call] = deque(maxlen=owner.rules.window)
        self._seen_at = float("-inf")
        self._last_error = ""

    def enter(self) -> tuple[BreakerState, int]:
        """The era of a permitted call. Raises CircuitOpenError."""
        owner = self._owner
        if owner.timer() - self._seen_at > _SYNC_S and owner.usable_store is not None:
            self.synchronise(is_waiting=self._seen_at == float("-inf"))
        view = self._view
        if view.state is BreakerState.CLOSED:
            return view.era
        retry_at = view.retry_at(owner.rules)
        if (retry_at is not None and owner.clock() < retry_at) or not self._ask_permit():
            raise self._refusal()
        return self._view.era

    def leave(self, era: tuple[BreakerState, int], failure: EtlmonError | None, seconds: float) -> None:
        """Take the outcome of a call into account."""
        owner, now = self._owner, self._owner.clock()
        outcome = Outcome.of(is_failed=failure is not None, is_slow=seconds > owner.rules.slow_call_s)
        words = f"{failure.error_type}: {failure.reason}"[:_MAX_ERROR] if failure else ""
        with self._lock:
            before = self._view
            self._last_error = words or self._last_error
            self._view = record_outcome(before, outcome, owner.rules, era=era, now=now)
            after = self._view
            if owner.has_store:  # also while it is away: it will be back
                self._pending.append(_Call(era, outcome, now, words))
        if after.state is not before.state or era[0] is BreakerState.HALF_OPEN:
            if owner.usable_store is None:
                self._tell(before, after)
            self.synchronise(is_waiting=True)

    def synchronise(self, *, is_waiting: bool = False) -> None:
        """Hand the pending outcomes over and take what other processes know. One thread at a time does it."""
        store = self._owner.usable_store
        if store is None or not self._storing.acquire(blocking=is_waiting):
            return
        try:
            self._exchange(store, wants_permit=False)
        finally:
            self._storing.release()

    def _ask_permit(self) -> bool:
        """A trial after the wait: decided in the store, so that all processes together make no more than a few."""
        store = self._owner.usable_store
        if store is not None:
            with self._storing:
                change = self._exchange(store, wants_permit=True)
            if change is not None:
                return change.is_permitted
        with self._lock:
            before = self._view
            self._view, is_permitted = request_permit(before, self._owner.rules, now=self._owner.clock())
            after = self._view
        self._tell(before, after)
        return is_permitted

    def _exchange(self, store: BreakerStore, *, wants_permit: bool) -> Change | None:
        owner = self._owner
        with self._lock:
            pending = list(self._pending)

        def decide(stored: Breaker) -> tuple[Breaker, bool, str | None]:
            for call in pending:
                stored = record_outcome(stored, call.outcome, owner.rules, era=call.era, now=call.at)
            words = next((call.error for call in reversed(pending) if call.error), None)
            if not wants_permit:
                return stored, True, words
            stored, is_permitted = request_permit(stored, owner.rules, now=owner.clock())
            return stored, is_permitted, words

        try:
            if pending or wants_permit:
                change = store.change(self._name, decide)
            else:
                stored = store.read(self._name) or Breaker()
                change = Change(stored, stored)
        except EtlmonError as error:
            owner.suspend_store(error)
            return None
        with self._lock:
            stored_now = set(map(id, pending))
            left = [call for call in self._pending if id(call) not in stored_now]
            self._pending = deque(left, maxlen=owner.rules.window)
            self._view = change.after
            for call in self._pending:  # what ended while the store was asked
                self._view = record_outcome(self._view, call.outcome, owner.rules, era=call.era, now=call.at)
            self._seen_at = owner.timer()
        self._tell(change.before, change.after)
        return change

    def _tell(self, before: Breaker, after: Breaker) -> None:
        if before.state is after.state:
            return
        log = get_logger(__name__)
        (log.warning if after.state is BreakerState.OPEN else log.info)(
            "circuit breaker changed",
            breaker=self._name,
            before=before.state.value,
            after=after.state.value,
            timesOpened=after.times_opened,
            reason=self._last_error,
        )

    def _refusal(self) -> CircuitOpenError:
        view, owner = self._view, self._owner
        retry_at = view.retry_at(owner.rules)
        when = f"at {retry_at:%Y-%m-%d %H:%M:%S} UTC" if retry_at else "as soon as its trial calls have ended"
        since = f" since {view.opened_at:%H:%M:%S} UTC" if view.opened_at else ""
        return CircuitOpenError(
            f"{self._name} is not asked: its circuit breaker is {view.state.value}{since}, the next try is {when};"
            f" it opened on {self._last_error or 'failures seen by another process'}",
            suggestion="mend the source; the windows stay due. An ADMIN can reset the breaker under /api/v1/breakers",
            breaker=self._name,
            retry_at=retry_at.isoformat() if retry_at else None,
        )


_PROCESS = Breakers()


def process_breakers() -> Breakers:
    """The breakers of this process."""
    return _PROCESS


@contextmanager
def guard(name: str) -> Iterator[None]:
    """`Breakers.guard` of this process."""
    with _PROCESS.guard(name):
        yield
