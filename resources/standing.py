"""Where the platform stands, in one document: for `etlmon status` and whoever else asks."""

from __future__ import annotations

from typing import Any

from resources.capture.health import read_completeness, read_freshness, recent_span
from resources.clock import utc_now
from resources.encryption import load_cipher
from resources.lake.connection import Lake
from resources.postgres.engine import make_engine
from resources.postgres.loaders_repository import LoadersRepository
from resources.postgres.url import DatabaseUrl
from resources.push_inbox import PushInbox
from resources.settings import Settings

_MAX_LAG_S = 900.0


def read_standing(settings: Settings, url: DatabaseUrl, lake: Lake) -> dict[str, Any]:
    """Loaders with lag, missing and late windows of the last day and last error; totals; the push inbox."""
    engine = make_engine(url)
    try:
        loaders = LoadersRepository(engine, load_cipher(settings.home)).list_active()
        waiting = PushInbox(engine).waiting()
    finally:
        engine.dispose()
    now = utc_now()
    fresh = {row["loader_code"]: row for row in read_freshness(lake, now=now).to_dicts()}
    since, until = recent_span(now)
    by_loader = {
        row["loader_code"]: row for row in read_completeness(lake, since=since, until=until).by_loader.to_dicts()
    }
    totals = lake.query(
        "SELECT (SELECT count(*) FROM signals) AS signals, (SELECT count(*) FROM series) AS series"
    ).row(0)
    rows = []
    for loader in loaders:
        code = loader.definition.code
        mark, windows = fresh.get(code), by_loader.get(code, {})
        lag = mark["lag_s"] if mark else None
        rows.append(
            {
                "code": code,
                "version": loader.version,
                "source": loader.definition.source.value,
                "schedule": loader.definition.schedule,
                "complete_until": mark["complete_until"] if mark else None,
                "lag_s": lag,
                "is_behind": mark is None or lag > max(_MAX_LAG_S, 2 * mark["period_s"]),
                "missing": windows.get("missing", 0),
                "late": windows.get("late", 0),
                "last_error": windows.get("last_reason"),
            }
        )
    return {"loaders": rows, "signals": totals[0], "series": totals[1], "push_waiting": waiting}
