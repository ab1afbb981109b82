"""Timestamps as people write them into files, read as instants in UTC. Nothing else."""

from __future__ import annotations

import polars as pl

from domain.signals import TIMESTAMP

#: ISO 8601 and its usual relaxations, the commonest first; each row may use another one.
FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
)


def parse_timestamps(text: pl.Series) -> pl.Series:
    """Instants of the texts; without an offset they are UTC; null where no format of FORMATS fits."""
    parsed = pl.Series(text.name, [None], dtype=TIMESTAMP).new_from_index(0, text.len())
    for form in FORMATS:
        if parsed.null_count() == 0:
            break
        todo = parsed.is_null()
        found = text.filter(todo).str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC")
        if found.null_count() == found.len():
            continue
        parsed = found if todo.all() else parsed.scatter(todo.arg_true(), found)
    return parsed
