"""Capturing one loader now, as a Dagster run: the job of every minute, for this loader alone."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx

from domain.errors import EtlmonError, StorageUnavailableError
from resources.json_logs import current_correlation_id
from resources.launch.dagster_control import DagsterControl
from resources.launch.up_file import read_up_file
from resources.settings import Settings

_JOB, _LOCATION = "capture_due", "analytics"


def launch_capture(settings: Settings, code: str, *, at: datetime) -> str:
    """Launch it; the run id. The run carries the correlation id of the request as a tag.

    Raises:
        StorageUnavailableError: Dagster is not there or did not take the run.
    """
    running = read_up_file(settings.home)
    control = DagsterControl(running.ui if running else f"http://127.0.0.1:{settings.ui_port}")
    tags = {
        "dagster/partition": f"{at.astimezone(UTC):%Y-%m-%d}",
        "etlmon/correlation_id": current_correlation_id(),
        "etlmon/loader": code,
    }
    config = {"ops": {"capture": {"config": {"mode": "due", "loaders": [code]}}}}
    try:
        return control.launch(_JOB, location=_LOCATION, tags=tags, run_config=config)
    except (httpx.HTTPError, EtlmonError, KeyError, ValueError) as error:
        raise StorageUnavailableError(
            f"Dagster did not take the run: {error.reason if isinstance(error, EtlmonError) else type(error).__name__}",
            suggestion="is it running? `etlmon status`; or capture without it: `etlmon capture --loader " + code + "`",
        ) from None
    finally:
        control.close()
