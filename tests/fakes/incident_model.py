"""What an incident should do, written a second time and as simply as can be: legal actions, states, seconds on its SLA clocks.

Time is added up second by second of each stretch, not from stored instants, so that it can disagree with the clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from hypothesis import strategies as st

from domain.incidents.lifecycle import Action, Request
from domain.incidents.sla import Measure
from domain.incidents.view import IncidentState
from domain.vocabulary import Severity

Outcome = Literal["changed", "same", "refused"]
TARGETS = {
    Severity.CRITICAL: (300, 1800, 3600),
    Severity.HIGH: (900, 7200, 14400),
    Severity.MEDIUM: (3600, 28800, 86400),
    Severity.LOW: (86400, 259200, 604800),
}  # seconds to acknowledge, mitigate, resolve: rules/sla.yaml
_LEADS_TO = {
    Action.INVESTIGATE: IncidentState.INVESTIGATING,
    Action.REMEDIATE: IncidentState.REMEDIATING,
    Action.MONITOR: IncidentState.MONITORING,
    Action.RESOLVE: IncidentState.RESOLVED,
    Action.CLOSE: IncidentState.CLOSED,
    Action.REOPEN: IncidentState.OPEN,
    Action.MERGE: IncidentState.CLOSED,
}
_TAKES = {Action.ACKNOWLEDGE, Action.INVESTIGATE, Action.REMEDIATE, Action.MONITOR}


@dataclass
class IncidentModel:
    """One incident. `into_is_open`: whether others can be merged into the incident of that number."""

    now: datetime
    severity: Severity
    into_is_open: dict[int, bool]
    state: IncidentState = IncidentState.OPEN
    taken_by: str | None = None
    taken_at: datetime | None = None
    snoozed_until: datetime | None = None
    assignee: str | None = None
    merged_into: int | None = None
    is_paused: bool = False
    changes: int = 0
    spent: dict[Measure, float] = field(default_factory=lambda: dict.fromkeys(Measure, 0.0))
    stopped: set[Measure] = field(default_factory=set)
    missed: set[Measure] = field(default_factory=set)

    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.now += timedelta(seconds=seconds)
        for one in set(Measure) - self.stopped:
            self.spent[one] += 0.0 if self.is_paused else seconds
        self._look()

    def apply(self, request: Request) -> Outcome:
        """What somebody does, now."""
        if not self._is_legal(request):
            return "refused"
        if self._is_idle(request):
            return "same"
        self.changes += 1
        if request.action in _TAKES and self.taken_by is None:
            self.taken_by, self.taken_at = request.actor, self.now
        self._move(request)
        self._stop_and_start(request)
        self._look()
        return "changed"

    def _is_over(self) -> bool:
        return self.state in (IncidentState.RESOLVED, IncidentState.CLOSED)

    def _is_legal(self, request: Request) -> bool:
        if request.action is Action.COMMENT:
            return bool(request.reason.strip())
        if self.merged_into is not None or not self._is_sensible(request):
            return False
        if request.action is Action.ACKNOWLEDGE and self.taken_by and self.state is not IncidentState.OPEN:
            return True  # told calmly who has it
        if request.action is Action.CLOSE:
            return self.state is IncidentState.RESOLVED
        return self._is_over() if request.action is Action.REOPEN else self._may_move(request.action)

    def _may_move(self, action: Action) -> bool:
        return not self._is_over() and _LEADS_TO.get(action) is not self.state

    def _is_sensible(self, request: Request) -> bool:
        if request.action is Action.SNOOZE:
            return request.until is not None and self.now < request.until <= self.now + timedelta(days=365)
        return request.action is not Action.MERGE or self.into_is_open.get(request.into or 0, False)

    def _is_idle(self, request: Request) -> bool:
        return {
            Action.ACKNOWLEDGE: self.taken_by is not None and self.state is not IncidentState.OPEN,
            Action.WAKE: self.snoozed_until is None,
            Action.ASSIGN: request.assignee == self.assignee,
            Action.SET_SEVERITY: request.severity is self.severity,
        }.get(request.action, False)

    def _move(self, request: Request) -> None:
        if request.action is Action.ACKNOWLEDGE and self.state is IncidentState.OPEN:
            self.state = IncidentState.ACKNOWLEDGED
        self.state = _LEADS_TO.get(request.action, self.state)
        if request.action is Action.SNOOZE:
            self.snoozed_until = request.until
        if request.action in {Action.WAKE, Action.RESOLVE, Action.MERGE}:
            self.snoozed_until = None
        if request.action is Action.ASSIGN:
            self.assignee = request.assignee
        if request.action is Action.SET_SEVERITY and request.severity:
            self.severity = request.severity
        if request.action is Action.MERGE:
            self.merged_into = request.into

    def _stop_and_start(self, request: Request) -> None:
        self.is_paused = self.snoozed_until is not None
        if request.action in _TAKES:
            self.stopped.add(Measure.ACKNOWLEDGE)
        if request.action is Action.MONITOR:
            self.stopped.add(Measure.MITIGATE)
        if self._is_over():
            self.stopped |= set(Measure)
        if request.action is Action.REOPEN:
            self.stopped = {Measure.ACKNOWLEDGE} if self.taken_by else set()

    def _look(self) -> None:
        """Missed is what had its time spent while it counted; it stays missed."""
        for one, target_s in zip(Measure, TARGETS[self.severity], strict=True):
            if one not in self.stopped and self.spent[one] > target_s:
                self.missed.add(one)


@st.composite
def stories(draw: st.DrawFn, *, others: tuple[int, ...], most: int = 14) -> list[tuple[int, dict[str, object]]]:
    """Seconds to wait, and what is asked then; half of it makes no sense."""
    step = st.fixed_dictionaries(
        {
            "action": st.sampled_from(Action),
            "actor": st.sampled_from(["ann", "bob"]),
            "reason": st.sampled_from(["", "because"]),
            "until_s": st.sampled_from([None, -60, 600, 7_200, 40_000_000]),
            "assignee": st.sampled_from([None, "ann", "bob"]),
            "severity": st.sampled_from(Severity),
            "into": st.sampled_from([*others, None]),
        }
    )
    waits = st.sampled_from([0, 1, 240, 1_000, 3_000, 20_000, 300_000])
    return draw(st.lists(st.tuples(waits, step), min_size=1, max_size=most))


def request_of(step: dict[str, object], now: datetime) -> Request:
    """The step as a request at that time."""
    fields = dict(step)
    until_s = fields.pop("until_s")
    until = now + timedelta(seconds=until_s) if isinstance(until_s, int) else None
    return Request(cause="api", now=now, until=until, **fields)  # type: ignore[arg-type]
