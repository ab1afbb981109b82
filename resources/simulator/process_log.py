"""The simulator's own log: one JSON object per line on standard error."""

from __future__ import annotations

import sys
from typing import Any

import orjson

from resources.clock import utc_now


def write_log(message: str, *, level: str = "INFO", **facts: Any) -> None:
    """One line; `facts` become fields."""
    entry = {
        "@timestamp": utc_now().isoformat(timespec="milliseconds"),
        "log.level": level,
        "service.name": "simulator",
        "message": message,
        **facts,
    }
    sys.stderr.buffer.write(orjson.dumps(entry, default=str) + b"\n")
    sys.stderr.buffer.flush()
