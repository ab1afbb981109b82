"""Waits are spread within their bounds, and the same one again for the same try."""

from __future__ import annotations

import pytest

from domain.backoff import spread_wait


@pytest.mark.requirement("A14")
def test_waits_are_spread_over_twenty_percent_either_way_and_stay_what_they_are() -> None:
    waits = [spread_wait(100, f"incident:{number}:opened:sms:ann", 1) for number in range(2_000)]
    assert 80 <= min(waits) < 81
    assert 119 < max(waits) <= 120
    assert 99 < sum(waits) / len(waits) < 101
    assert waits == [spread_wait(100, f"incident:{number}:opened:sms:ann", 1) for number in range(2_000)]
    assert len({spread_wait(100, "one", attempt) for attempt in range(1, 6)}) == 5, "each try has its own"
