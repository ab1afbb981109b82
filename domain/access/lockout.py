"""How long an account is locked after failed logins (A3). Escalates, so that patience does not pay; a success starts anew."""

from __future__ import annotations

from datetime import timedelta

ATTEMPTS = 5
_FIRST = timedelta(minutes=15)
_LONGEST = timedelta(hours=4)


def compute_lock(failed_attempts: int) -> timedelta | None:
    """The lock that begins with this failed attempt in a row (1, 2, …): 15, 30, 60 … 240 minutes at every fifth; None between."""
    if failed_attempts <= 0 or failed_attempts % ATTEMPTS:
        return None
    factor: int = 2 ** min(failed_attempts // ATTEMPTS - 1, 8)
    return min(_FIRST * factor, _LONGEST)
