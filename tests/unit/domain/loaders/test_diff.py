"""What changed between two versions, in words, and never more than the reader may see (A4, A6)."""

from __future__ import annotations

from typing import Any

import pytest

from domain.access.field_protection import MASK, Effect
from domain.loaders.definition import LoaderDefinition, document_of
from domain.loaders.diff import ChangeKind, Group, LoaderChange, compare_load, compute_diff
from domain.loaders.schedule_words import compare_schedules, count_captures_per_day, describe_schedule

pytestmark = pytest.mark.requirement("A6")
OPERATOR = {"connection.password": Effect.MASKED, "connection.headers.*": Effect.MASKED}
VIEWER = {"connection.password": Effect.HIDDEN, "connection.headers.*": Effect.HIDDEN, "connection.url": Effect.MASKED}


def document(**changes: Any) -> dict[str, Any]:
    body = {
        "code": "DEMO-A", "title": "t", "source": "prometheus", "schedule": "*/5 * * * *", "step_s": 60,
        "connection": {"url": "http://host:9090", "password": "canary-one", "headers": {"X-Key": "canary-two"}},
        "prometheus": [
            {"metric_name": "used_pct", "promql": "a\nb\nc", "limit": {"value": 90}}, {"metric_name": "rows", "promql": "rows"},
        ],
        **changes,
    }  # fmt: skip
    return document_of(LoaderDefinition.model_validate(body))


def only(changes: list[LoaderChange]) -> LoaderChange:
    assert len(changes) == 1, changes
    return changes[0]


def test_nothing_changed() -> None:
    assert compute_diff(document(), document(), OPERATOR) == []
    metrics = document()["prometheus"]
    assert compute_diff(document(), document(prometheus=metrics[::-1]), OPERATOR) == [], (
        "the order of metrics says nothing"
    )


def test_a_schedule_is_compared_in_words_and_in_captures() -> None:
    change = only(compute_diff(document(), document(schedule="* * * * *"), OPERATOR))
    assert (change.group, change.path) == (Group.SCHEDULE, "schedule")
    assert change.sentence == "schedule every 5 minutes → every minute, 5× as many captures"
    assert compare_load(document(), document(schedule="* * * * *")) == pytest.approx(1152, abs=1)


def test_metrics_come_go_and_change_by_name() -> None:
    old, new = document(), document(
        prometheus=[
            {"metric_name": "used_pct", "promql": "a\nB\nc", "limit": {"value": 80}}, {"metric_name": "errors", "promql": "e"},
        ]
    )  # fmt: skip
    found = {one.path: one for one in compute_diff(old, new, OPERATOR)}
    assert found["prometheus[used_pct].promql"].lines == ("@@ -1,3 +1,3 @@", " a", "-b", "+B", " c")
    assert found["prometheus[used_pct].limit.value"].sentence == "prometheus used_pct: limit 90 → 80"
    assert found["prometheus[used_pct].limit.value"].group is Group.THRESHOLDS
    assert found["prometheus[rows]"].kind is ChangeKind.REMOVED
    assert found["prometheus[errors]"].kind is ChangeKind.ADDED
    assert len(found) == 4


@pytest.mark.requirement("A4")
@pytest.mark.parametrize("effects", [OPERATOR, VIEWER], ids=["operator", "viewer"])
def test_that_a_secret_changed_is_said_and_what_it_was_is_not(effects: dict[str, Effect]) -> None:
    secret = {
        "url": "http://host:9090?token=canary-three",
        "password": "canary-four",
        "headers": {"X-Key": "canary-five"},
    }
    for old, new in (
        (document(), document(connection=secret)),
        (document(connection=secret), document(connection={**secret, "url": "http://host:9090?token=canary-six"})),
        (document(connection="prometheus"), document(connection=secret)),
    ):
        changes = compute_diff(old, new, effects)
        assert "canary" not in str(changes)
        assert {one.group for one in changes} == {Group.CONNECTION}
    changes = compute_diff(document(), document(connection={**secret, "url": "http://host:9090"}), effects)
    password = next(one for one in changes if one.path == "connection.password")
    assert (password.old, password.new, password.sentence) == (MASK, MASK, "connection password changed (protected)")
    if effects is VIEWER:
        assert "X-Key" not in str(changes), "the names of hidden headers are hidden too"


@pytest.mark.parametrize(
    ("cron", "words", "per_day"),
    [
        ("* * * * *", "every minute", 1440), ("*/15 * * * *", "every 15 minutes", 96), ("0 * * * *", "every hour", 24),
        ("10 * * * *", "every hour at minute 10", 24), ("0 */6 * * *", "every 6 hours", 4), ("30 6 * * *", "every day at 06:30", 1),
        ("0 0 1 1 *", "at '0 0 1 1 *'", 1 / 364), ("0 0 * * 1", "at '0 0 * * 1'", 1 / 7),
    ],
)  # fmt: skip
def test_schedules_in_words(cron: str, words: str, per_day: float) -> None:
    assert describe_schedule(cron) == words
    assert count_captures_per_day(cron) == pytest.approx(per_day, rel=0.01)
    assert "as many captures" in compare_schedules(cron, cron)
