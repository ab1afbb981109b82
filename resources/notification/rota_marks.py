"""When each rota that others keep was read last, and what stood in the way since (H6)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

_PREFIX = "rota:"
_GOOD = text(
    "INSERT INTO detection_marks (name, evaluated_until, detail) VALUES (:name, :now, '{}') ON CONFLICT (name) DO UPDATE"
    " SET evaluated_until = excluded.evaluated_until, detail = excluded.detail"
)
_BAD = text(
    "INSERT INTO detection_marks AS m (name, evaluated_until, detail)"
    " VALUES (:name, :now, jsonb_build_object('never', true) || CAST(:detail AS jsonb)) ON CONFLICT (name) DO UPDATE"
    " SET detail = m.detail || CAST(:detail AS jsonb)"
)


@dataclass(frozen=True, slots=True)
class RotaMark:
    """`at`: the last good reading, or the first attempt where there was none. `problem` empty: the last attempt was good."""

    at: datetime
    is_good: bool
    problem: str


def write_rota_mark(connection: Connection, schedule: str, *, now: datetime, problem: str = "") -> None:
    """Remember how an attempt went."""
    values = {"name": f"{_PREFIX}{schedule}", "now": now, "detail": json.dumps({"problem": problem})}
    connection.execute(_BAD if problem else _GOOD, values)


def read_rota_marks(connection: Connection) -> dict[str, RotaMark]:
    """By schedule."""
    rows = connection.execute(
        text("SELECT name, evaluated_until, detail FROM detection_marks WHERE starts_with(name, :prefix)"),
        {"prefix": _PREFIX},
    )
    return {
        row.name.removeprefix(_PREFIX): RotaMark(
            row.evaluated_until, not row.detail.get("never"), str(row.detail.get("problem", "")) or "nobody tried"
        )
        for row in rows
    }
