"""How long an account stays locked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.access.lockout import compute_lock

pytestmark = pytest.mark.requirement("A3")


def test_every_fifth_failure_locks_longer_up_to_four_hours() -> None:
    minutes = {failed: lock for failed in range(61) if (lock := compute_lock(failed))}
    expected = {5: 15, 10: 30, 15: 60, 20: 120, 25: 240, 30: 240, 35: 240, 40: 240, 45: 240, 50: 240, 55: 240, 60: 240}
    assert minutes == {failed: timedelta(minutes=value) for failed, value in expected.items()}
    assert compute_lock(10**9) == timedelta(hours=4), "and no overflow"
