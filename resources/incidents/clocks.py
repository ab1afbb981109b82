"""SLA clocks as rows: written with the change that moves them, found by their due times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, text

from domain.incidents.sla import Clock, Measure, SlaPolicy, mark_breach

_UPSERT = text(
    "INSERT INTO sla_clocks (incident_id, measure, target_s, started_at, running_since, elapsed_s, due_at, warn_at, warned_at,"
    " breached_at, stopped_at) VALUES (:incident_id, :measure, :target_s, :started_at, :running_since, :elapsed_s, :due_at,"
    " :warn_at, :warned_at, :breached_at, :stopped_at) ON CONFLICT (incident_id, measure) DO UPDATE SET"
    " target_s = excluded.target_s, running_since = excluded.running_since, elapsed_s = excluded.elapsed_s,"
    " due_at = excluded.due_at, warn_at = excluded.warn_at, warned_at = excluded.warned_at,"
    " breached_at = excluded.breached_at, stopped_at = excluded.stopped_at"
)


def write_clocks(connection: Connection, incident_id: int, clocks: list[Clock], policy: SlaPolicy) -> None:
    """Store the clocks of one incident with the times at which somebody has to look at them."""
    rows = [
        {
            "incident_id": incident_id,
            "measure": clock.measure.value,
            "target_s": clock.target_s,
            "started_at": clock.started_at,
            "running_since": clock.running_since,
            "elapsed_s": clock.elapsed_s,
            "due_at": clock.due_at,
            "warn_at": clock.warn_at(policy.warn_at_pct),
            "warned_at": clock.warned_at,
            "breached_at": clock.breached_at,
            "stopped_at": clock.stopped_at,
        }
        for clock in clocks
    ]
    if rows:
        connection.execute(_UPSERT, rows)


def read_clocks(connection: Connection, incident_id: int) -> list[Clock]:
    """The clocks of one incident."""
    rows = connection.execute(
        text(
            "SELECT measure, target_s, started_at, running_since, elapsed_s, warned_at, breached_at, stopped_at"
            " FROM sla_clocks WHERE incident_id = :id ORDER BY measure"
        ),
        {"id": incident_id},
    ).all()
    return [
        Clock(
            measure=Measure(row.measure),
            target_s=row.target_s,
            started_at=row.started_at,
            running_since=row.running_since,
            elapsed_s=row.elapsed_s,
            warned_at=row.warned_at,
            breached_at=row.breached_at,
            stopped_at=row.stopped_at,
        )
        for row in rows
    ]


def change_clocks(
    connection: Connection, incident_id: int, policy: SlaPolicy, change: Callable[[Clock], Clock], *, now: datetime
) -> list[Clock]:
    """Apply one change to every clock of an incident; what is overdue by then counts as missed.

    Returns:
        The clocks that are missed since this change or were found to be: nobody has been told of them yet.
    """
    before = read_clocks(connection, incident_id)
    after = [change(mark_breach(clock, missed_at=clock.due_at or now, now=now)) for clock in before]
    write_clocks(connection, incident_id, after, policy)
    return [new for old, new in zip(before, after, strict=True) if old.breached_at is None and new.breached_at]
