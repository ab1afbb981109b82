"""Deliveries of others to us, each handled once: whoever repeats one gets the first answer again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, text


def handle_once(
    connection: Connection, source: str, delivery_id: str, *, now: datetime, act: Callable[[], str]
) -> tuple[str, bool]:
    """What `act` answered, now or the first time; and whether this is a repetition.

    Runs in the caller's transaction: when it fails, the delivery counts as never seen.
    """
    values = {"source": source, "id": delivery_id[:200], "now": now}
    is_new = connection.execute(
        text(
            "INSERT INTO inbound_deliveries (source, delivery_id, received_at, outcome) VALUES (:source, :id, :now, '')"
            " ON CONFLICT DO NOTHING"
        ),
        values,
    ).rowcount
    if not is_new:
        found = connection.execute(
            text("SELECT outcome FROM inbound_deliveries WHERE source = :source AND delivery_id = :id"), values
        ).scalar_one()
        return str(found), True
    outcome = act()
    connection.execute(
        text("UPDATE inbound_deliveries SET outcome = :outcome WHERE source = :source AND delivery_id = :id"),
        {**values, "outcome": outcome},
    )
    return outcome, False
