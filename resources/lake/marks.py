"""How far each incremental step has come, by ingestion time. Written in the transaction of the step itself."""

from __future__ import annotations

from datetime import UTC, datetime

from resources.lake.connection import Lake

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def read_mark(lake: Lake, name: str) -> datetime:
    """The mark of a step; 1970 when it has never run."""
    at: datetime | None = lake.query("SELECT max(reached_at) AS at FROM progress_marks WHERE name = ?", [name])["at"][0]
    return at or _NEVER


def write_mark(lake: Lake, name: str, at: datetime) -> None:
    """Move the mark. Belongs inside `Lake.write`."""
    lake.execute("DELETE FROM progress_marks WHERE name = ?", [name])
    lake.execute("INSERT INTO progress_marks VALUES (?, ?)", [name, at])
