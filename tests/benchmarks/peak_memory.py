"""Peak memory of this process. Not ru_maxrss: a child inherits that from the process that forked it, before its exec."""

from __future__ import annotations

from pathlib import Path


def peak_mb() -> float:
    """Largest resident size since this program began, in MiB (VmHWM)."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
