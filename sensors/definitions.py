"""The code location "operations": what happens. It imports no model library, so that nothing of analytics can stop it."""

from __future__ import annotations

from dagster import Definitions

from resources.dagster_bindings import PlatformResource
from sensors.capture_watch import stalled_capture
from sensors.maintenance import MAINTENANCE_JOBS, MAINTENANCE_SCHEDULES
from sensors.run_failures import run_failures

defs = Definitions(
    jobs=MAINTENANCE_JOBS,
    schedules=MAINTENANCE_SCHEDULES,
    sensors=[run_failures, stalled_capture],
    resources={"platform": PlatformResource()},
)
