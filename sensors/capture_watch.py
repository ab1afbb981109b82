"""Watches the watcher: when capture has not moved for too long although its schedule runs, a run is asked for at once."""

# Dagster reads annotations at definition time: no postponed evaluation here.
from datetime import datetime, timedelta

from dagster import DefaultSensorStatus, RunRequest, SensorEvaluationContext, SkipReason, sensor

from resources.capture.health import read_freshness
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource

_STALE = timedelta(minutes=10)


@sensor(
    name="stalled_capture",
    job_name="compaction",
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=120,
    description="Says when no watermark has moved for ten minutes, and compacts the lake, the usual cause of a slow capture.",
)
def stalled_capture(context: SensorEvaluationContext, platform: PlatformResource) -> RunRequest | SkipReason:
    """At most one request per ten minutes: the run key names the slot."""
    now = utc_now()
    with platform.open(is_read_only=True) as (_, lake):
        fresh = read_freshness(lake, now=now)
    moved = fresh["updated_at"].max()
    if not isinstance(moved, datetime):
        return SkipReason("nothing has been captured yet")
    if now - moved < _STALE:
        return SkipReason(f"capture moved {(now - moved).total_seconds():.0f} s ago")
    context.log.warning("no watermark has moved since %s", moved.isoformat())
    slot = int(now.timestamp() // _STALE.total_seconds())
    return RunRequest(run_key=f"stalled-{slot}")
