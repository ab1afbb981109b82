"""Brings the lake to the present schema: the numbered SQL files of `migrations/`, forward only, each in a transaction."""

from __future__ import annotations

from importlib.resources import files

from resources.lake.connection import Lake


def _statements(sql: str) -> list[str]:
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]


def migrate_lake(lake: Lake) -> list[str]:
    """Apply pending migrations; returns their names. Safe to call from many processes at once."""
    return lake.write("schema", _apply_pending)


def _apply_pending(lake: Lake) -> list[str]:
    lake.execute("CREATE TABLE IF NOT EXISTS lake_migrations (name VARCHAR, applied_at TIMESTAMPTZ)")
    done = set(lake.query("SELECT name FROM lake_migrations")["name"].to_list())
    folder = files("resources.lake") / "migrations"
    pending = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql") and f.name not in done)
    for name in pending:
        for statement in _statements((folder / name).read_text()):
            lake.execute(statement)
        lake.execute("INSERT INTO lake_migrations VALUES (?, now())", [name])
    return pending
