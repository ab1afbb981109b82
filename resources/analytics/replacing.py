"""Replacing derived rows: what was computed before for the same thing goes, what is computed now stays, in one transaction."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from resources.lake.connection import Lake


def replace_all(lake: Lake, table: str, frame: pl.DataFrame) -> int:
    """The table holds exactly this frame afterwards; returns its rows."""

    def work(inner: Lake) -> int:
        inner.execute(f"DELETE FROM {table}")
        return inner.insert(table, frame)

    return lake.write(table, work)


def replace_since(lake: Lake, table: str, frame: pl.DataFrame, *, column: str, since: datetime) -> int:
    """Rows from `since` on are replaced by the frame; earlier ones stay; returns the rows written."""

    def work(inner: Lake) -> int:
        inner.execute(f"DELETE FROM {table} WHERE {column} >= ?", [since])
        return inner.insert(table, frame)

    return lake.write(table, work)
