"""How long ago each schedule and sensor of Dagster ticked, read from its tables: for whoever watches it from outside."""

from __future__ import annotations

from sqlalchemy import Connection, text

from resources.postgres.url import DAGSTER_SCHEMA

_IS_THERE = text(f"SELECT to_regclass('{DAGSTER_SCHEMA}.job_ticks') IS NOT NULL")
_AGES = text(
    "SELECT DISTINCT ON (selector_id) coalesce(tick_body::json ->> 'instigator_name', selector_id) AS name,"
    f" extract(epoch FROM now() AT TIME ZONE 'utc' - timestamp) AS age_s FROM {DAGSTER_SCHEMA}.job_ticks"
    " WHERE timestamp > (now() AT TIME ZONE 'utc') - interval '2 days' ORDER BY selector_id, timestamp DESC"
)


def read_tick_ages(connection: Connection) -> dict[str, float]:
    """Name → seconds since its newest tick, of the last two days; empty where Dagster never ran on this database."""
    if not connection.execute(_IS_THERE).scalar_one():
        return {}
    return {str(row.name): float(row.age_s) for row in connection.execute(_AGES)}
