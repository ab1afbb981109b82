"""Checks of capture: connections, freshness, completeness, quarantine, caps, inbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from domain.loaders.definition import Connection
from domain.vocabulary import SourceKind
from resources.capture.health import read_completeness, read_freshness, recent_span
from resources.clock import utc_now
from resources.doctor.finding import Finding, ok, problem, warning
from resources.encryption import load_cipher
from resources.lake.connection import Lake
from resources.launch.up_file import read_up_file
from resources.loaders.seed_files import describe_waiting, read_seed_files
from resources.postgres.engine import make_engine
from resources.postgres.loaders_repository import ActiveLoader, LoadersRepository
from resources.postgres.url import DatabaseUrl
from resources.push_inbox import PushInbox
from resources.settings import Settings
from resources.sources import ping

_PING_TIMEOUT_S = 5.0
_MANY_WAITING = 200_000
_MANY_QUARANTINED = 10_000


def check_capture(settings: Settings, url: DatabaseUrl, lake: Lake) -> Iterator[Finding]:
    """Everything between the sources and the lake."""
    engine = make_engine(url)
    try:
        loaders = LoadersRepository(engine, load_cipher(settings.home)).list_active()
        waiting = PushInbox(engine).waiting()
    finally:
        engine.dispose()
    if not loaders:
        yield problem("loaders", "none is ACTIVE", "start with `etlmon up`, which brings in rules/loaders/*.yaml")
    else:
        yield ok("loaders", f"{len(loaders)} active")
    yield from _check_waiting(settings, {one.definition.code for one in loaders})
    yield from _check_connections(settings, loaders)
    yield from _check_progress(lake)
    yield from _check_contents(lake)
    if waiting > _MANY_WAITING:
        yield warning("push inbox", f"{waiting:,} signals wait for capture", "does the schedule every_minute run?")
    else:
        yield ok("push inbox", f"{waiting:,} signals waiting")


def _check_waiting(settings: Settings, active: set[str]) -> Iterator[Finding]:
    """An ACTIVE loader without its connection is a problem of its own."""
    running = read_up_file(settings.home)
    files = read_seed_files(settings, is_demo=running is not None and running.is_demo)
    for line in describe_waiting(settings, files, except_for=active):
        yield ok("loaders", line)


def _check_connections(settings: Settings, loaders: list[ActiveLoader]) -> Iterator[Finding]:
    users: dict[tuple[str, SourceKind], list[str]] = {}
    for loader in loaders:
        definition = loader.definition
        if isinstance(definition.connection, str) and definition.source is not SourceKind.PUSH:
            users.setdefault((definition.connection, definition.source), []).append(definition.code)
    for (name, kind), codes in sorted(users.items()):
        found: Connection | None = settings.connections.get(name)
        if found is None:
            yield problem(
                f"connection {name}",
                f"not configured, needed by {', '.join(codes[:5])}",
                f"set ETLMON_{name.upper()}_URL or add it to {settings.connections_path}",
            )
            continue
        result = ping(found, kind, timeout_s=_PING_TIMEOUT_S)
        if result.is_ok:
            yield ok(f"connection {name}", f"answers in {result.latency_ms:.0f} ms")
        else:
            yield problem(
                f"connection {name}",
                result.detail,
                f"check the address and that it runs; used by {', '.join(codes[:5])}",
            )


def _check_progress(lake: Lake) -> Iterator[Finding]:
    now = utc_now()
    fresh = read_freshness(lake, now=now)
    behind = fresh.filter((fresh["lag_s"] > 900) & (fresh["lag_s"] > 2 * fresh["period_s"]))
    for row in behind.head(5).iter_rows(named=True):
        yield problem(
            f"freshness {row['loader_code']}",
            f"{row['lag_s'] / 60:.0f} minutes behind",
            f"`etlmon capture --loader {row['loader_code']}` shows its error; is the Dagster daemon running?",
        )
    if behind.is_empty():
        yield (
            ok("freshness", f"{fresh.height} loaders in time")
            if fresh.height
            else warning("freshness", "nothing was captured yet", "wait a minute, or run `etlmon capture`")
        )
    since, until = recent_span(now)
    complete = read_completeness(lake, since=since, until=until)
    for row in complete.worst.head(5).iter_rows(named=True):
        yield warning(
            f"completeness {row['loader_code']}",
            f"{row['missing']} windows missing in a day: {row['last_reason']}",
            "mend the cause; the windows are captured by themselves afterwards",
        )
    if complete.worst.is_empty():
        yield ok("completeness", f"{complete.expected} windows of the last day, none missing")


def _check_contents(lake: Lake) -> Iterator[Finding]:
    since = utc_now() - timedelta(days=1)
    reasons = lake.query(
        "SELECT loader_code, reason, count(*) AS n, any_value(detail) AS detail FROM quarantine WHERE quarantined_at >= ?"
        " GROUP BY ALL ORDER BY n DESC LIMIT 5",
        [since],
    )
    caps = reasons.filter(reasons["reason"] == "SERIES_CAP")
    for row in caps.iter_rows(named=True):
        yield warning(
            f"series cap {row['loader_code']}", row["detail"], "aggregate the query (sum by …) or raise max_series"
        )
    many = reasons.filter((reasons["n"] > _MANY_QUARANTINED) & (reasons["reason"] != "SERIES_CAP"))
    for row in many.iter_rows(named=True):
        yield warning(
            f"quarantine {row['loader_code']}",
            f"{row['n']:,} rows a day: {row['reason']}",
            '`etlmon query "FROM quarantine LIMIT 20"` shows them',
        )
    if many.is_empty():
        yield ok("quarantine", f"{int(reasons['n'].sum() or 0):,} rows in a day")
