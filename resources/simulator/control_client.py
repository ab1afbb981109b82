"""How the command line reaches the estate of a home: over HTTP when the simulator runs, else through its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import orjson

from domain.errors import ConflictError, EtlmonError, InputDataError, NotFoundError
from resources.clock import utc_now
from resources.simulator.estate import endpoint_path, open_journal
from resources.simulator.fault_model import load_fault_catalogue
from resources.simulator.ground_truth import describe_fault, describe_window

TIMEOUT_S = 5.0
ERRORS: dict[str, type[EtlmonError]] = {kind.error_type: kind for kind in (NotFoundError, ConflictError)}


class ControlClient:
    """`via` says after each change how it was made: through the running simulator, or into the file."""

    def __init__(self, home: Path) -> None:
        self._home, self._url = home, _find_running(home)
        self.via = (
            f"the simulator at {self._url}"
            if self._url
            else f"{home / 'simulator' / 'faults.jsonl'} (the simulator is not running or still starts; it reads the file)"
        )

    @property
    def is_running(self) -> bool:
        """Whether the simulator of the home answered."""
        return self._url is not None

    def list_faults(self) -> list[dict[str, Any]]:
        """The catalogue; needs no running simulator."""
        return [describe_fault(fault) for fault in load_fault_catalogue().faults]

    def start(self, name: str, *, at_s: float | None, for_s: float | None) -> dict[str, Any]:
        """Start a fault now or at an instant.

        Raises:
            NotFoundError: no such fault.
            ConflictError: it is active already.
        """
        if self._url:
            answer: dict[str, Any] = self._ask(
                "POST", "/simulator/faults", {"name": name, "at_s": at_s, "for_s": for_s}
            )
            return answer
        now_s = utc_now().timestamp()
        window = self._journal().start(name, at_s=now_s if at_s is None else at_s, for_s=for_s)
        return describe_window(load_fault_catalogue(), window, now_s=now_s)

    def stop(self, name: str) -> list[dict[str, Any]]:
        """End a fault now.

        Raises:
            NotFoundError: no such fault, or it is not active.
        """
        if self._url:
            answer: list[dict[str, Any]] = self._ask("DELETE", f"/simulator/faults/{name}")
            return answer
        now_s = utc_now().timestamp()
        windows = self._journal().stop(name, at_s=now_s)
        return [describe_window(load_fault_catalogue(), window, now_s=now_s) for window in windows]

    def ground_truth(self) -> list[dict[str, Any]]:
        """All windows of the home, the seeded ones included, in the order they were written."""
        now_s = utc_now().timestamp()
        return [describe_window(load_fault_catalogue(), x, now_s=now_s) for x in open_journal(self._home).read()]

    def _journal(self) -> Any:
        if not (self._home / "simulator" / "estate.json").exists():
            raise NotFoundError(
                f"{self._home} holds no synthetic estate",
                suggestion="start one with `etlmon up --demo`, or name its home with --home",
                home=str(self._home),
            )
        return open_journal(self._home)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        response = httpx.request(method, f"{self._url}{path}", json=body, timeout=TIMEOUT_S)
        answer = response.json()
        if response.is_success:
            return answer
        kind = ERRORS.get(answer.get("errorType"), InputDataError)
        raise kind(answer["reason"], suggestion=answer["suggestion"])


def _find_running(home: Path) -> str | None:
    """The address of the home's simulator if one answers there."""
    try:
        url = str(orjson.loads(endpoint_path(home).read_bytes())["prometheus_url"])
        httpx.get(f"{url}/simulator/status", timeout=TIMEOUT_S).raise_for_status()
    except (OSError, orjson.JSONDecodeError, KeyError, httpx.HTTPError):
        return None
    return url
