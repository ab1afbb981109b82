"""Escalation timers: one due row per incident. A step and the next due instant are one transaction, so nothing is lost or doubled.

Whoever escalates locks the incidents first, like whoever acts on them: an acknowledgement that committed before always wins.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.incidents.view import IncidentState
from domain.notification.escalation import NextStep, Policy, Target, decide_next_step
from domain.notification.message import MessageKind
from domain.notification.planning import resolve_targets
from domain.notification.rules import NotificationRules
from domain.vocabulary import Severity
from resources.drills.telling_apart import may_go_further
from resources.incidents.rows import read_view
from resources.notification.on_call import on_call_lookup
from resources.notification.paging import Pager

MANAGER = Target(manager=True)
SNOOZED = "snoozed"
NOBODY = "nobody acknowledged"
DRILL_ENDS = "a drill goes no further"
#: Steps of a policy that a drill may take without asking for more.
FIRST_LINES = 2
#: How soon an incident is looked at again that no policy takes care of.
_WITHOUT_POLICY_S = 60

_UPSERT = text(
    "INSERT INTO escalations AS e (incident_id, policy, step, round, due_at, stopped_reason, severity, updated_at)"
    " VALUES (:id, :policy, 1, 0, :due_at, :reason, :severity, :now) ON CONFLICT (incident_id) DO UPDATE SET"
    " policy = excluded.policy, step = 1, round = 0, due_at = excluded.due_at, stopped_reason = excluded.stopped_reason,"
    " severity = excluded.severity, updated_at = excluded.updated_at, episode = e.episode + 1 RETURNING episode"
)
_DUE = "SELECT incident_id FROM escalations WHERE due_at <= :now"


def start_timer(pager: Pager) -> int:
    """The timer of a new or reopened incident; its episode, 1 for a new one."""
    view, found = pager.view, pager.policy()
    wait = _wait_s(pager, found[1] if found else None, step=0)
    if found is None:
        pager.note("nobody-paged", {"reason": "there is no escalation policy"})
    values = {
        "id": view.incident_id,
        "policy": found[0] if found else "",
        "due_at": pager.now + timedelta(seconds=wait) if wait else None,
        "reason": None if wait else f"{view.severity.value} does not escalate",
        "severity": view.severity.value,
        "now": pager.now,
    }
    return int(pager.connection.execute(_UPSERT, values).scalar_one())


def stop_timer(pager: Pager, reason: str) -> None:
    """No more steps; a snoozed one is stopped for good by anything else."""
    pager.connection.execute(
        text(
            "UPDATE escalations SET due_at = NULL, stopped_reason = :reason, updated_at = :now"
            " WHERE incident_id = :id AND (due_at IS NOT NULL OR stopped_reason = 'snoozed')"
        ),
        {"id": pager.view.incident_id, "reason": reason, "now": pager.now},
    )


def resume_timer(pager: Pager) -> None:
    """After a snooze: a whole wait, counted from now."""
    row = _row(pager)
    found = pager.policy()
    if row is None or row.stopped_reason != SNOOZED:
        return
    wait = _wait_s(pager, found[1] if found else None, step=max(0, row.step - 1))
    _move(pager, step=row.step, round_=row.round, wait_s=wait)


def retarget_timer(pager: Pager) -> Severity | None:
    """Another severity: a running timer is never later than the new wait; the severity before, None without a timer."""
    row = _row(pager)
    if row is None:
        return None
    before, found, view = Severity(row.severity), pager.policy(), pager.view
    pager.connection.execute(
        text(
            "UPDATE escalations SET severity = :severity, policy = :policy, updated_at = :now WHERE incident_id = :id"
        ),
        {
            "id": view.incident_id,
            "severity": view.severity.value,
            "policy": found[0] if found else "",
            "now": pager.now,
        },
    )
    if view.state is IncidentState.OPEN and row.stopped_reason != SNOOZED:
        wait = _wait_s(pager, found[1] if found else None, step=max(0, row.step - 1))
        _move(pager, step=row.step, round_=row.round, wait_s=wait)
    return before


def tell_first_line(pager: Pager, *, cause: str, **facts: Any) -> list[int]:
    """The targets of the first step of the policy; nobody where there is no policy."""
    found = pager.policy()
    if found is None:
        return []
    return pager.page(found[1], found[1].steps[0].targets, kind=MessageKind.OPENED, cause=cause, **facts)


def first_line(pager: Pager, policy: Policy) -> list[str]:
    """Who they are now."""
    look_up = on_call_lookup(pager.connection, pager.rules, now=pager.now)
    return resolve_targets(pager.rules, policy, policy.steps[0].targets, look_up)[0]


def read_episode(connection: Connection, incident_id: int) -> int:
    """How many times the incident was opened; 0 without a timer."""
    return (
        connection.execute(
            text("SELECT episode FROM escalations WHERE incident_id = :id"), {"id": incident_id}
        ).scalar_one_or_none()
        or 0
    )


def escalate_due(connection: Connection, rules: NotificationRules, *, now: datetime, limit: int, base_url: str) -> int:
    """See `NotificationDesk.escalate_due`. Several processes may call it at a time; each step is taken by one of them."""
    connection.execute(
        text(
            "INSERT INTO detection_marks (name, evaluated_until) VALUES ('escalation', :now)"
            " ON CONFLICT (name) DO UPDATE SET evaluated_until = greatest(detection_marks.evaluated_until, excluded.evaluated_until)"
        ),
        {"now": now},
    )
    due = list(connection.execute(text(f"{_DUE} ORDER BY due_at LIMIT :limit"), {"now": now, "limit": limit}).scalars())
    if not due:
        return 0
    held = connection.execute(  # what somebody acts on at this moment is left to the next tick
        text(
            "SELECT incident_id FROM incidents WHERE incident_id = ANY(:due) ORDER BY incident_id FOR UPDATE SKIP LOCKED"
        ),
        {"due": due},
    )
    mine = list(held.scalars())
    still = connection.execute(text(f"{_DUE} AND incident_id = ANY(:mine) ORDER BY due_at"), {"now": now, "mine": mine})
    taken = list(still.scalars())
    for incident_id in taken:
        _take_step(Pager(connection, rules, read_view(connection, incident_id), now, base_url))
    return len(taken)


def _take_step(pager: Pager) -> None:
    view, row, found = pager.view, _row(pager), pager.policy()
    assert row is not None
    if view.state is not IncidentState.OPEN:
        stop_timer(pager, view.state.value.lower())
        return
    if found is None:
        _move(pager, step=row.step, round_=row.round, wait_s=_WITHOUT_POLICY_S)
        return
    name, policy = found
    tier = pager.rules.tiers.of(view.severity)
    is_first = not row.policy  # nobody could be told when it was opened
    step = 0 if is_first else row.step
    decided = decide_next_step(policy, step=step, round_=row.round, tier_wait_s=tier.escalate_after_s)
    cause = f"incident:{view.incident_id}:escalated:{row.episode}.{decided.round}.{decided.next_step}"
    if _is_spared(pager, decided):
        return
    if decided.step is None:
        pager.page(policy, [MANAGER], kind=MessageKind.ESCALATED, cause=f"{cause}:end", reason=NOBODY)
        stop_timer(pager, NOBODY)
        return
    targets = policy.steps[decided.step].targets
    kind, reason = (MessageKind.OPENED, "") if is_first else (MessageKind.ESCALATED, "not acknowledged in time")
    pager.page(policy, targets, kind=kind, cause=cause, reason=reason, escalation_step=decided.step + 1)
    _move(pager, step=decided.next_step, round_=decided.round, wait_s=decided.wait_s, policy=name)


def _is_spared(pager: Pager, decided: NextStep) -> bool:
    """A drill stops after the second line, unless it was started to go further: its timer ends here, and the timeline says whom."""
    is_further = decided.step is None or decided.step >= FIRST_LINES or decided.round > 0
    if not (pager.view.is_drill and is_further) or may_go_further(pager.connection, pager.view.incident_id):
        return False
    whom = "the manager" if decided.step is None else f"step {decided.step + 1} of the policy"
    pager.note("drill-spared", {"reason": f"{whom} is not told in a drill"})
    stop_timer(pager, DRILL_ENDS)
    return True


def _move(pager: Pager, *, step: int, round_: int, wait_s: int | None, policy: str | None = None) -> None:
    pager.connection.execute(
        text(
            "UPDATE escalations SET step = :step, round = :round, due_at = :due_at, stopped_reason = :reason, updated_at = :now,"
            " policy = coalesce(:policy, policy) WHERE incident_id = :id"
        ),
        {
            "id": pager.view.incident_id,
            "step": step,
            "round": round_,
            "due_at": pager.now + timedelta(seconds=wait_s) if wait_s else None,
            "reason": None if wait_s else f"{pager.view.severity.value} does not escalate",
            "policy": policy,
            "now": pager.now,
        },
    )


def _wait_s(pager: Pager, policy: Policy | None, *, step: int) -> int | None:
    """How long the step's message may stay unanswered; None: for ever."""
    if policy is None:
        return _WITHOUT_POLICY_S
    tier = pager.rules.tiers.of(pager.view.severity)
    if tier.escalate_after_s is None:
        return None
    own = policy.steps[step].wait_s if step < len(policy.steps) else None
    return own or tier.escalate_after_s


def _row(pager: Pager) -> Any:
    return pager.connection.execute(
        text("SELECT * FROM escalations WHERE incident_id = :id"), {"id": pager.view.incident_id}
    ).one_or_none()
