"""Whether every ACTIVE loader is captured: what has not been for several steps, although the platform runs, becomes one alert."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.platform_events import platform_event
from domain.vocabulary import Severity
from resources.lake.connection import Lake

CAPTURE_STALLED = "capture-stalled"
#: So many steps without a captured window, and never sooner than the floor.
_STEPS = 5
_FLOOR = timedelta(minutes=15)
_SHOWN = 8
_LATEST = """
WITH told AS (
    SELECT loader_code, max(recorded_at) FILTER (outcome <> 'missing') AS captured_at, max(recorded_at) AS tried_at,
        arg_max(reason, recorded_at) FILTER (outcome = 'missing') AS reason,
        arg_max(epoch(window_end - window_start), window_start) AS step_s
    FROM capture_attempts WHERE window_start >= ?::TIMESTAMPTZ - INTERVAL 3 DAY AND NOT is_backfill GROUP BY loader_code)
SELECT loader_code, coalesce(captured_at, tried_at) AS since, tried_at, coalesce(reason, '') AS reason, step_s FROM told
ORDER BY since, loader_code
"""


def watch_capture(lake: Lake, active: Collection[str], *, since: datetime, now: datetime) -> AlertEvent:
    """One event: FIRING with the loaders that stand still, or RESOLVED.

    Args:
        active: codes of the loaders that should be captured.
        since: how long the platform is known to have been running; what stood still before is its own doing.
    """
    rows = lake.query(_LATEST, [now]).filter(pl.col("loader_code").is_in(sorted(active)))
    waited = pl.lit(now) - pl.max_horizontal(pl.col("since"), pl.lit(since))
    limit = pl.max_horizontal(pl.lit(_FLOOR), pl.duration(seconds=pl.col("step_s") * _STEPS))
    stalled = rows.filter(waited > limit)
    if stalled.is_empty():
        return platform_event(CAPTURE_STALLED, "Capture stands still", "", at=now, status=AlertStatus.RESOLVED)
    codes = stalled["loader_code"].to_list()
    more = f" and {len(codes) - _SHOWN} more" if len(codes) > _SHOWN else ""
    is_tried = stalled["tried_at"].max() > now - _FLOOR  # type: ignore[operator]
    reason = next((text for text in stalled["reason"] if text), "") if is_tried else "nothing has tried to capture them"
    return platform_event(
        CAPTURE_STALLED,
        f"{len(codes)} of {len(active)} loaders are not captured" if len(active) > 1 else f"{codes[0]} is not captured",
        f"{', '.join(codes[:_SHOWN])}{more}: no window since {stalled['since'][0]:%Y-%m-%d %H:%M} UTC; {reason}."
        " `etlmon doctor` looks at connections and schedules.",
        at=now,
        severity=Severity.HIGH,
    )
