"""The first run of a new home: all history captured, and everything derived from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from resources.clock import utc_now
from resources.json_logs import new_correlation_id
from resources.launch.dagster_control import DagsterControl
from resources.launch.starting import Start

_EVERYTHING_JOB = "everything"


def derive_history(start: Start, keep_running: Callable[[], None]) -> None:
    """On the first start: one run that captures all history and derives everything; later starts find it done."""
    control = DagsterControl(start.ui_address)
    start.display.begin("history")
    try:
        run = control.find_run(_EVERYTHING_JOB)
        run_id = run[0] if run else _launch_everything(start, control)
        while not (state := control.read_run(run_id)).is_over:
            keep_running()
            finished = sum(status in {"SUCCESS", "FAILURE"} for status in state.steps.values())
            busy = [step for step, status in state.steps.items() if status == "IN_PROGRESS"]
            start.display.update(
                "history",
                f"{finished} of {max(len(state.steps), 1)} steps, now {', '.join(busy) or state.status.lower()}",
            )
            time.sleep(1.0)
    finally:
        control.close()
    if state.status == "SUCCESS":
        start.display.done("history", "captured, baselines, forecasts and reports are there")
    else:
        address = f"{start.ui_address}/runs/{run_id}"
        start.display.failed(
            "history", f"the first run ended with {state.status}: {address} (every later run catches up)"
        )


def _launch_everything(start: Start, control: DagsterControl) -> str:
    today = utc_now()
    first = today - timedelta(days=start.settings.demo_days if start.is_demo else 0)
    tags = {
        "dagster/asset_partition_range_start": f"{first:%Y-%m-%d}",
        "dagster/asset_partition_range_end": f"{today:%Y-%m-%d}",
        "etlmon/correlation_id": new_correlation_id(),
    }
    config = {"ops": {"capture": {"config": {"mode": "due"}}, "forecasts": {"config": {"slow_series": 1}}}}
    return control.launch(_EVERYTHING_JOB, location="analytics", tags=tags, run_config=config)
