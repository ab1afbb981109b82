"""HOME/run/up.json: who runs the platform of this home and at which addresses, for the other commands."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class UpFile:
    """What `etlmon up` writes about itself."""

    pid: int
    api: str
    ui: str
    is_demo: bool
    started_at: datetime


def _path(home: Path) -> Path:
    return home / "run" / "up.json"


def write_up_file(home: Path, content: UpFile) -> None:
    """Say that the platform runs."""
    path = _path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_suffix(".new")
    staging.write_text(json.dumps(asdict(content), default=str))
    staging.rename(path)


def remove_up_file(home: Path) -> None:
    """Say that it no longer does."""
    _path(home).unlink(missing_ok=True)


def read_up_file(home: Path) -> UpFile | None:
    """Who runs; None when nobody does (also when the file is left over from a killed process)."""
    path = _path(home)
    try:
        raw = json.loads(path.read_text())
        found = UpFile(**{**raw, "started_at": datetime.fromisoformat(raw["started_at"])})
        os.kill(found.pid, 0)
    except PermissionError:
        return found
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found
