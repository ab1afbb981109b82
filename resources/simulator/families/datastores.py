"""PostgreSQL, the connection pools of its clients, and Redis."""

from __future__ import annotations

import numpy as np

from resources.simulator.estate_day import SCRAPE_S, EstateDay
from resources.simulator.families.family import Family, SeriesSpec
from resources.simulator.fault_model import Condition
from resources.simulator.grid import Floats
from resources.simulator.season import DAY_S
from resources.simulator.topology import Topology

MB = 1024.0**2
USUAL_DEADLOCKS_PER_S = 4.0 / DAY_S
POOL_METRICS = ("db_connection_pool_active", "db_connection_pool_max", "db_connection_pool_pending")


def build_datastore_families(topology: Topology) -> list[Family]:
    """Pools by service, PostgreSQL and Redis by instance."""
    pools = [
        SeriesSpec(name, {"job": "etl", "service": service.name, "pool": "hikari-main"}, service.name)
        for service in topology.services
        if service.pool_max
        for name in POOL_METRICS
    ]
    pg = {"job": "postgres", "service": "postgres", "instance": "postgres-primary-0:9187"}
    postgres = [
        SeriesSpec("pg_up", pg, "postgres", is_masked=False),
        SeriesSpec("pg_stat_activity_count", pg, "postgres"),
        SeriesSpec("pg_database_size_bytes", {**pg, "datname": "etl"}, "postgres"),
        SeriesSpec("pg_stat_database_xact_commit", {**pg, "datname": "etl"}, "postgres", is_counter=True),
        SeriesSpec("pg_stat_database_deadlocks", {**pg, "datname": "etl"}, "postgres", is_counter=True),
    ]
    cache = {"job": "redis", "service": "redis", "instance": "redis-master-0:9121"}
    redis = [
        SeriesSpec("redis_up", cache, "redis", is_masked=False),
        SeriesSpec("redis_memory_used_bytes", cache, "redis"),
        SeriesSpec("redis_memory_max_bytes", cache, "redis"),
        SeriesSpec("redis_connected_clients", cache, "redis"),
        SeriesSpec("redis_commands_processed_total", cache, "redis", is_counter=True),
        SeriesSpec("redis_keyspace_hits_total", cache, "redis", is_counter=True),
        SeriesSpec("redis_keyspace_misses_total", cache, "redis", is_counter=True),
        SeriesSpec("cache_oldest_entry_age_seconds", {"job": "etl", "service": "loader"}, "loader"),
        SeriesSpec("signals_stored_count", {"job": "etl", "service": "loader", "store": "database"}, "loader"),
        SeriesSpec("signals_stored_count", {"job": "etl", "service": "loader", "store": "cache"}, "loader"),
    ]
    return [
        Family("pools", pools, _compute_pools),
        Family("postgres", postgres, _compute_postgres),
        Family("redis", redis, _compute_redis),
    ]


def _compute_pools(day: EstateDay) -> Floats:
    services = [service for service in day.topology.services if service.pool_max]
    jitter = day.jitter("pools", len(services))
    rows: list[Floats] = []
    for i, service in enumerate(services):
        wanted = day.state.pool_demand[service.name] * np.exp(0.09 * jitter[i])
        most = np.full_like(wanted, service.pool_max)
        rows += [np.round(np.minimum(wanted, most)), most, np.floor(np.maximum(wanted - most, 0.0))]
    return np.array(rows)


def _compute_postgres(day: EstateDay) -> Floats:
    state = day.state
    active = np.sum([np.minimum(state.pool_demand[s.name], s.pool_max) for s in day.topology.services if s.pool_max], 0)
    jitter = day.jitter("postgres", 1)[0]
    is_up = 1.0 - (day.condition(Condition.SCRAPE_LOST, "postgres") > 0.5)
    size = np.floor((42_000 + 55.0 * day.age_days) * MB)
    locks = USUAL_DEADLOCKS_PER_S + day.condition(Condition.DEADLOCKS_PER_MIN, "postgres") / 60.0
    counts = day.draw_counts("postgres", np.array([state.requests_per_s["postgres"] * 0.8, locks]))
    return np.array([is_up, np.round(active + 9 + 1.5 * np.abs(jitter)), size, counts[0], counts[1]])


def _compute_redis(day: EstateDay) -> Floats:
    state, redis = day.state, day.topology.component["redis"]
    smooth = day.smooth("redis", 3)
    load = np.minimum(state.load["redis"], 4.0)
    most = np.full_like(load, redis.memory_limit_mb * MB)
    used = np.floor(most * np.clip(redis.memory_base + 0.05 * (load - 1) + 0.01 * smooth[0], 0.02, 0.99))
    stale = day.condition(Condition.CACHE_AGE_S, "redis")
    missing = np.clip(0.06 + 0.01 * smooth[1] + np.minimum(stale / 3600.0, 0.5), 0.0, 0.95)
    per_s = state.requests_per_s["redis"]
    counts = day.draw_counts("redis", np.array([per_s, per_s * (1 - missing), per_s * missing]))
    is_up = 1.0 - (day.condition(Condition.SCRAPE_LOST, "redis") > 0.5)
    clients = np.round(28 + 10 * load + np.abs(smooth[2]))
    age = np.round(40 + 15 * (day.times_s % SCRAPE_S + 1) / SCRAPE_S + 8 * np.abs(smooth[2]) + stale)
    stored = np.floor(4_000_000 + 900.0 * 1440.0 * day.age_days)
    in_cache = stored - np.floor(stale * 15.0)
    return np.array([is_up, used, most, clients, *counts, age, stored, in_cache])
