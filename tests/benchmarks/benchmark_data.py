"""Where the benchmark data are, and what a benchmark says where they are not. A folder that was named wrongly is an error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

VARIABLE = "ETLMON_BENCH_DATA"


def find_data(part: str) -> Path | None:
    """The folder `part` of ETLMON_BENCH_DATA, else of ../shared/data beside the repository; None where it is not there.

    Raises:
        NotADirectoryError: ETLMON_BENCH_DATA is set and is no folder: figures of other data would pass for its own.

    """
    named = os.environ.get(VARIABLE)
    root = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    if named and not root.is_dir():
        raise NotADirectoryError(f"{VARIABLE}={named} is no folder")
    folder = root / part
    return folder if folder.is_dir() else None


def absent_row(work: str, part: str) -> dict[str, Any]:
    """The row of a benchmark that could not run."""
    return {"work": work, "ours": "data absent", "peer": "", "target": f"needs {part} in {VARIABLE}", "met": None}
