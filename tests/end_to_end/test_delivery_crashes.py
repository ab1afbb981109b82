"""kill -9 between decision and delivery: no message is lost, none is told twice to a receiver that honours the key (H7)."""

from __future__ import annotations

import pytest

from domain.notification.message import Channel
from tests.fakes.crash_matrix import run_matrix
from tests.fakes.delivery_workers import STEPS
from tests.fakes.platform import Platform


@pytest.mark.requirement("H7")
@pytest.mark.timeout(600)
def test_a_worker_killed_at_any_step_loses_and_invents_nothing(platform: Platform) -> None:
    matrix = run_matrix(platform, 3 * len(STEPS))
    assert matrix.runs == 30
    assert set(matrix.by_step) == set(STEPS)
    assert matrix.messages > 200
    assert matrix.lost == []
    assert matrix.strangers == [], "what was rolled back told nobody"
    keyless = {Channel.VOICE, Channel.SMS, Channel.SLACK}
    assert {one for one, count in matrix.doubles.items() if count} & keyless == set(), "nobody is told twice"
    assert matrix.unmarked == 0, "a second attempt after a lost answer says that it may be a repetition"
    assert matrix.late == 0, "no escalation later than one tick"
