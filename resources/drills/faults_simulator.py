"""Faults of the synthetic estate, as drills make them (`domain.ports.FaultInjector`)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import httpx

from domain.errors import ConflictError, NotFoundError, SourceUnreachableError
from resources.simulator.control_client import ControlClient


class SimulatorFaults:
    """Reaches the simulator of a home at each call: it may be started, stopped and started again meanwhile."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def is_there(self) -> bool:
        """Whether the simulator of this home answers."""
        return ControlClient(self._home).is_running

    def make(self, fault: str, *, at: datetime, for_s: float) -> None:
        """See the port."""
        client = ControlClient(self._home)
        try:
            client.start(fault, at_s=at.timestamp(), for_s=for_s)
        except ConflictError:
            began = f"{fault}-{int(at.timestamp())}"  # made by an attempt before, whose answer nobody got
            if not any(one["window_id"] == began for one in client.ground_truth()):
                raise
        except httpx.HTTPError as error:
            raise _away(error) from None

    def clear(self, fault: str) -> None:
        """See the port."""
        try:
            ControlClient(self._home).stop(fault)
        except NotFoundError:
            return
        except httpx.HTTPError as error:
            raise _away(error) from None


def _away(error: httpx.HTTPError) -> SourceUnreachableError:
    return SourceUnreachableError(
        f"the simulator does not answer: {type(error).__name__}", suggestion="`etlmon status` shows whether it runs"
    )
