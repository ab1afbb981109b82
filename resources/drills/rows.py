"""Drills as rows."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from domain.drills.drill import Drill, DrillMode, DrillOutcome, DrillState
from domain.drills.scenario import Scenario
from domain.errors import ConflictError, NotFoundError


def insert_drill(
    connection: Connection,
    name: str,
    scenario: Scenario,
    *,
    mode: DrillMode,
    is_escalating: bool,
    actor: str,
    now: datetime,
    ends_at: datetime,
) -> Drill:
    """Write down that a drill begins, before anything is made to fail.

    Raises:
        ConflictError: one is under way.
    """
    values = {
        "name": name,
        "title": scenario.title,
        "mode": mode.value,
        "facts": scenario.model_dump_json(),
        "is_escalating": is_escalating,
        "actor": actor,
        "now": now,
        "ends_at": ends_at,
    }
    sql = text(
        "INSERT INTO drills (scenario, title, mode, state, facts, is_escalating, started_by, started_at, ends_at)"
        " VALUES (:name, :title, :mode, 'STARTING', :facts, :is_escalating, :actor, :now, :ends_at) RETURNING *"
    )
    try:
        return as_drill(connection.execute(sql, values).one())
    except IntegrityError:
        raise ConflictError(
            "a drill is under way; there is one at a time", suggestion="`etlmon drill stop` ends it"
        ) from None


def read_drill(connection: Connection, drill_id: int, *, is_held: bool = False) -> Drill:
    """One drill; held until the transaction ends if asked for.

    Raises:
        NotFoundError: no such drill.
    """
    lock = "FOR UPDATE" if is_held else ""
    row = connection.execute(text(f"SELECT * FROM drills WHERE drill_id = :id {lock}"), {"id": drill_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no drill {drill_id}", suggestion="`etlmon drill list` shows all")
    return as_drill(row)


def find_open_drill(connection: Connection, *, lock: str = "") -> Drill | None:
    """The one that is not over."""
    row = connection.execute(text(f"SELECT * FROM drills WHERE state <> 'OVER' {lock}")).one_or_none()
    return as_drill(row) if row is not None else None


def list_drills(connection: Connection, *, limit: int = 50, offset: int = 0) -> tuple[list[Drill], int]:
    """Newest first, and how many there are."""
    total = connection.execute(text("SELECT count(*) FROM drills")).scalar_one()
    rows = connection.execute(
        text("SELECT * FROM drills ORDER BY drill_id DESC LIMIT :limit OFFSET :offset"),
        {"limit": limit, "offset": offset},
    )
    return [as_drill(row) for row in rows], int(total)


def change_drill(connection: Connection, drill_id: int, **values: Any) -> Drill:
    """Set columns by name; the drill afterwards."""
    plain = {name: json.dumps(value, default=str) if name == "report" else value for name, value in values.items()}
    columns = ", ".join(f"{name} = :{name}" for name in plain)
    sql = text(f"UPDATE drills SET {columns} WHERE drill_id = :id RETURNING *")
    return as_drill(connection.execute(sql, {**plain, "id": drill_id}).one())


def as_drill(row: Any) -> Drill:
    """A whole row."""
    return Drill(
        drill_id=row.drill_id,
        name=row.scenario,
        mode=DrillMode(row.mode),
        state=DrillState(row.state),
        outcome=DrillOutcome(row.outcome) if row.outcome else None,
        scenario=Scenario.model_validate(row.facts),
        is_escalating=row.is_escalating,
        started_by=row.started_by,
        started_at=row.started_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        stopped_by=row.stopped_by,
        over_at=row.over_at,
        problem=row.problem,
        report=row.report,
    )
