"""The code location "operations": what happens. It imports no model library, so that nothing of analytics can stop it."""

from __future__ import annotations

from dagster import Definitions

from resources.dagster_bindings import PlatformResource
from resources.json_logs import configure_logs
from resources.settings import load_settings
from sensors.capture_watch import stalled_capture
from sensors.detection import capture_finished, detection
from sensors.duty import DUTY_JOBS, DUTY_SCHEDULES, DUTY_SENSORS
from sensors.maintenance import MAINTENANCE_JOBS, MAINTENANCE_SCHEDULES
from sensors.notification import NOTIFICATION_JOBS, NOTIFICATION_SENSORS
from sensors.run_failures import run_failures
from sensors.tickets import tickets, tickets_due

configure_logs("etlmon-operations", level=load_settings().log_level)

defs = Definitions(
    jobs=[detection, *NOTIFICATION_JOBS, *DUTY_JOBS, tickets, *MAINTENANCE_JOBS],
    schedules=[*MAINTENANCE_SCHEDULES, *DUTY_SCHEDULES],
    sensors=[capture_finished, *NOTIFICATION_SENSORS, *DUTY_SENSORS, tickets_due, run_failures, stalled_capture],
    resources={"platform": PlatformResource()},
)
