"""Waits before another try, spread by ±20 %, so that what failed together is not tried again together (A14).

The spread follows from the key and the number of the try, not from chance: a wait can be computed again, by a test or by
whoever asks why something was sent when it was.
"""

from __future__ import annotations

import hashlib

SPREAD = 0.2


def spread_wait(wait_s: float, key: str, attempt: int) -> float:
    """`wait_s` times a factor in [0.8, 1.2] that belongs to this key and attempt; seconds, to the millisecond."""
    digest = hashlib.sha256(f"{key}#{attempt}".encode()).digest()
    share = int.from_bytes(digest[:4], "big") / (2**32 - 1)  # 0 … 1
    return round(wait_s * (1 + SPREAD * (2 * share - 1)), 3)
