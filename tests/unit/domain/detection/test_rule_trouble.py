from __future__ import annotations

from datetime import UTC, datetime

from domain.detection.rule_trouble import judge_trouble

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def test_a_rule_that_cannot_be_judged_is_one_alert_until_it_can() -> None:
    began = judge_trouble({"hot": "ValueError: no baselines"}, [], now=NOW)
    assert [(one.status, one.labels, one.summary) for one in began.events] == [
        ("FIRING", {"rule": "hot"}, "ValueError: no baselines")
    ]
    assert judge_trouble({"hot": "another reason"}, began.firing, now=NOW).events == []
    over = judge_trouble({}, began.firing, now=NOW)
    assert [one.status for one in over.events] == ["RESOLVED"]
    assert over.events[0].fingerprint == began.events[0].fingerprint
    assert over.firing == []
