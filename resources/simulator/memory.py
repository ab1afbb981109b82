"""Keeps the simulator small: large arrays go back to the system when they are freed, few arenas are opened.

The allocator of glibc otherwise keeps what a wide query needed, once per thread. Elsewhere this does nothing.
"""

from __future__ import annotations

import ctypes
import sys

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # malloc.h
LARGE_BYTES = 2 << 20
ARENAS = 2


def limit_allocator() -> None:
    """Set both limits, where the C library knows them."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_ARENA_MAX, ARENAS)
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
