"""detect() on a real lake and database: once per sample, across restarts, crashes, late sources and changed files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Connection, Engine, text

from domain.detection.alert_event import AlertEvent
from domain.errors import RuleFileError
from domain.signals import canonical_labels, compute_series_id
from resources.detection.run import DetectionRun, detect
from resources.postgres.engine import make_engine
from tests.fakes.platform import Platform

T0 = datetime(2026, 11, 2, 10, tzinfo=UTC)
RULE = """
id: {id}
title: "{{service}} at {{value}}"
severity: HIGH
category: transaction
series: {{metric: load}}
when: {{kind: threshold, op: ">", value: 80}}
for_s: {for_s}
recover: {{for_s: 60}}
"""


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


@dataclass
class World:
    """A lake with one loader of one-minute samples, a folder of rules, and what the desk received."""

    platform: Platform
    engine: Engine
    rules: Path
    received: list[AlertEvent] = field(default_factory=list)
    broken: list[RuleFileError] = field(default_factory=list)

    def rule(self, name: str = "hot.yaml", *, rule_id: str = "hot-load", for_s: int = 60, body: str = "") -> None:
        (self.rules / name).write_text(body or RULE.format(id=rule_id, for_s=for_s))

    def sample(
        self, values: dict[float, float], *, service: str = "api", loader: str = "L", metric: str = "load"
    ) -> None:
        labels = canonical_labels({"service": service})
        series_id = compute_series_id(loader, metric, labels)
        lake = self.platform.lake
        if not lake.query("SELECT 1 FROM series WHERE series_id = ?", [series_id]).height:
            lake.execute(
                "INSERT INTO series BY NAME SELECT ?::BIGINT AS series_id, ? AS loader_code, ? AS metric_name,"
                " ?::JSON AS labels, 60.0 AS step_s",
                [series_id, loader, metric, labels],
            )
        rows = [(series_id, at(minute), value, at(minute)) for minute, value in values.items()]
        names = ["series_id", "captured_at", "metric_value", "ingested_at"]
        lake.insert("signals", pl.DataFrame(rows, schema=names, orient="row"))

    def complete(self, minute: float, *, loader: str = "L") -> None:
        self.platform.lake.execute("DELETE FROM watermarks WHERE loader_code = ?", [loader])
        self.platform.lake.execute("INSERT INTO watermarks VALUES (?, ?, ?)", [loader, at(minute), at(minute)])

    def look(self, minute: float) -> list[str]:
        """What an evaluation at that minute says, shortly."""
        before = len(self.received)
        self.run(minute)
        return [f"{one.status.value} {one.rule_id} {one.at:%H:%M}" for one in self.received[before:]]

    def run(self, minute: float) -> DetectionRun:
        return detect(self.engine, self.platform.lake, self.rules, self._receive, now=at(minute))

    def _receive(
        self, _connection: Connection, events: Sequence[AlertEvent], broken: Sequence[RuleFileError], _now: datetime
    ) -> None:
        self.received.extend(events)
        self.broken = list(broken)


@pytest.fixture
def world(platform: Platform, tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "rules"
    folder.mkdir()
    engine = make_engine(platform.url)
    yield World(platform, engine, folder)
    engine.dispose()


@pytest.mark.requirement("D6")
def test_an_alert_begins_once_and_ends_once(world: World) -> None:
    world.rule()
    world.sample({0: 10, 1: 90, 2: 95})
    world.complete(2)
    assert world.look(2.2) == ["FIRING hot-load 10:02"]
    assert world.received[0].title == "api at 95"
    assert world.received[0].onset_at == at(1)
    assert world.look(2.5) == []
    world.sample({3: 10, 4: 12})
    world.complete(4)
    assert world.look(4.2) == ["RESOLVED hot-load 10:04"]
    assert world.look(4.5) == []


def test_an_evaluation_that_dies_is_made_up_for_by_the_next(world: World) -> None:
    world.rule()
    world.sample({0: 90, 1: 90, 2: 90})
    world.complete(2)

    def dies(*_: Any) -> None:
        raise ConnectionError("killed")

    with pytest.raises(ConnectionError):
        detect(world.engine, world.platform.lake, world.rules, dies, now=at(2.1))
    assert world.look(2.2) == ["FIRING hot-load 10:01"]


def test_only_one_evaluation_works_at_a_time(world: World) -> None:
    world.rule()
    inner: list[DetectionRun] = []

    def meanwhile(*_: Any) -> None:
        inner.append(world.run(0))

    detect(world.engine, world.platform.lake, world.rules, meanwhile, now=at(0))
    assert inner[0].is_busy


def test_what_capture_has_not_completed_waits(world: World) -> None:
    world.rule(for_s=0)
    world.sample({0: 10, 1: 10, 2: 90})
    world.complete(1)
    assert world.look(2.2) == []
    world.complete(2)
    assert world.look(2.4) == ["FIRING hot-load 10:02"]


def test_samples_from_before_what_was_judged_wake_nobody(world: World) -> None:
    world.rule(for_s=60)
    world.sample({5: 10, 6: 10})
    world.complete(6)
    assert world.look(6.2) == []
    world.sample({2: 99, 3: 99, 4: 99})
    assert world.look(6.4) == []
    world.sample({7: 99})
    world.complete(7)
    assert world.look(7.2) == []


def test_after_an_outage_of_detection_old_trouble_is_history_and_new_trouble_is_found(world: World) -> None:
    world.rule(for_s=0)
    world.sample({0: 10})
    world.complete(0)
    world.look(0.2)
    world.sample({10: 99, 11: 10, 12: 10, 178: 10, 179: 99})
    world.complete(180)
    assert world.look(180.2) == ["FIRING hot-load 12:59"]


def test_an_object_that_is_gone_is_over_and_a_late_source_is_not(world: World) -> None:
    world.rule(for_s=0)
    world.sample({0: 99})
    world.sample(dict.fromkeys(range(60), 10), service="other")
    world.complete(0)
    assert world.look(0.2) == ["FIRING hot-load 10:00"]
    assert world.look(50) == []  # nothing captured since: nothing known
    world.complete(50)
    assert world.look(50.5) == ["RESOLVED hot-load 10:50"]
    assert "gone" in world.received[-1].annotations["over"]


def test_pushed_series_without_a_watermark_are_judged_once(world: World) -> None:
    world.rule(for_s=0)
    world.sample({0: 99, 1: 10, 2: 10, 3: 10}, loader="PUSHED")
    assert world.look(3.5) == ["FIRING hot-load 10:00", "RESOLVED hot-load 10:02"]
    assert world.look(4) == []
    world.sample({4: 99}, loader="PUSHED")
    assert world.look(4.5) == ["FIRING hot-load 10:04"]


@pytest.mark.requirement("D6")
def test_a_changed_file_counts_at_the_next_evaluation(world: World) -> None:
    world.rule(for_s=3600)
    world.sample({0: 90, 1: 90, 2: 90})
    world.complete(2)
    assert world.look(2.2) == []
    world.rule(for_s=0)
    world.sample({3: 90})
    world.complete(3)
    assert world.look(3.2) == ["FIRING hot-load 10:02"]  # the newest sample that was judged is judged again


@pytest.mark.requirement("D6")
@pytest.mark.parametrize(
    "text_of_file",
    [
        "",
        "id: [",
        "id: hot-load",
        RULE.format(id="hot-load", for_s=0).replace("metric: load", 'metric: load, labels: {a: "=~(x+)+y"}'),
    ],
    ids=["empty", "no YAML", "fields missing", "regex bomb"],
)
def test_a_broken_file_keeps_its_last_good_version_and_is_reported(world: World, text_of_file: str) -> None:
    world.rule(for_s=0)
    world.run(0)
    (world.rules / "hot.yaml").write_text(text_of_file)
    world.sample({0: 90})
    world.complete(0)
    assert world.look(0.2) == ["FIRING hot-load 10:00"]
    assert [Path(str(error.context["file"])).name for error in world.broken] == ["hot.yaml"]
    world.rule(for_s=0)
    assert world.look(0.7) == []
    assert world.broken == []


def test_of_two_files_with_one_id_the_second_is_broken(world: World) -> None:
    world.rule("a.yaml", for_s=0)
    world.rule("b.yaml", for_s=0)
    world.sample({0: 90})
    world.complete(0)
    assert world.look(0.2) == ["FIRING hot-load 10:00"]
    assert "used by another file" in world.broken[0].reason


@pytest.mark.requirement("D6")
def test_a_rule_that_is_deleted_or_switched_off_ends_its_alerts(world: World) -> None:
    world.rule("a.yaml", rule_id="rule-a", for_s=0)
    world.rule("b.yaml", rule_id="rule-b", for_s=0)
    world.sample({0: 90})
    world.complete(0)
    world.run(0.2)
    (world.rules / "a.yaml").unlink()
    world.rule("b.yaml", body=RULE.format(id="rule-b", for_s=0) + "status: retired\n")
    assert sorted(world.look(0.5)) == ["RESOLVED rule-a 10:00", "RESOLVED rule-b 10:00"]
    assert {one.annotations["over"] for one in world.received[-2:]} == {"its rule is gone", "its rule is retired"}


@pytest.mark.requirement("D6")
def test_a_rule_that_steps_back_into_the_shadow_ends_its_alerts_once(world: World) -> None:
    world.rule("a.yaml", rule_id="rule-a", for_s=0)
    world.sample({0: 90})
    world.complete(0)
    assert world.look(0.2) == ["FIRING rule-a 10:00"]
    world.rule("a.yaml", body=RULE.format(id="rule-a", for_s=0) + "status: shadow\n")
    assert world.look(0.5) == ["RESOLVED rule-a 10:00"]
    assert world.received[-1].annotations["over"] == "its rule is shadow"
    world.sample({1: 90, 2: 10, 3: 10, 4: 10, 5: 10})
    world.complete(5)
    assert world.look(5.2) == []


def test_a_file_that_changes_its_id_is_another_rule(world: World) -> None:
    world.rule(rule_id="old-name", for_s=0)
    world.sample({0: 90})
    world.complete(0)
    world.run(0.2)
    world.rule(rule_id="new-name", for_s=0)
    world.sample({1: 90})
    world.complete(1)
    assert sorted(world.look(1.2)) == ["FIRING new-name 10:00", "RESOLVED old-name 10:01"]
    (world.rules / "hot.yaml").write_text("id: [")
    assert world.look(1.5) == []
    assert len(world.broken) == 1


def test_an_unknown_metric_and_a_divisor_of_zero_say_nothing(world: World) -> None:
    world.rule("unknown.yaml", body=RULE.format(id="unknown", for_s=0).replace("metric: load", "metric: nowhere"))
    ratio = 'when: {kind: ratio, op: ">", value: 5, divisor: {metric: calls}, join: [service]}'
    body = RULE.format(id="share", for_s=0).replace('when: {kind: threshold, op: ">", value: 80}', ratio)
    world.rule("share.yaml", body=body)
    world.sample({0: 90})
    world.sample({0: 0}, metric="calls")
    world.complete(0)
    assert world.look(0.2) == []
    assert world.broken == []


def test_a_composite_that_waits_goes_on_waiting_after_a_restart(world: World) -> None:
    world.rule("a.yaml", body=RULE.format(id="part-a", for_s=0) + "status: shadow\n")
    other = RULE.format(id="part-b", for_s=0).replace("metric: load", "metric: heat") + "status: shadow\n"
    world.rule("b.yaml", body=other)
    both = "when: {kind: composite, op: all, rules: [part-a, part-b], join: [service]}\n"
    world.rule("c.yaml", body=f'id: both-hot\ntitle: "{{service}}"\nseverity: HIGH\ncategory: data\nfor_s: 120\n{both}')
    for minute in range(5):
        world.sample({minute: 90})
        world.sample({minute: 90}, metric="heat")
        world.complete(minute)
        expected = ["FIRING both-hot 10:02"] if minute == 2 else []
        assert world.look(minute + 0.2) == expected
    with world.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM rule_states")).scalar_one() == 3
