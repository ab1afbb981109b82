"""`etlmon incident` as somebody at a terminal meets it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cli.main import main
from resources.clock import utc_now
from tests.fakes.alert_world import NOON, AlertWorld, make_event, make_world
from tests.fakes.platform import Platform

pytestmark = [pytest.mark.requirement("E1"), pytest.mark.requirement("E3")]


@pytest.fixture
def world(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[AlertWorld]:
    assert platform.settings.database_url is not None
    monkeypatch.setenv("ETLMON_HOME", str(platform.settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.settings.database_url.get_secret_value())
    found = make_world(platform)
    yield found
    found.engine.dispose()


def run(capsys: pytest.CaptureFixture[str], words: str, *, code: int = 0) -> str:
    """What `etlmon incident WORDS` prints; words with blanks stand in quotes."""
    arguments = [one.strip('"') for one in re.findall(r'"[^"]*"|\S+', words)]
    with pytest.raises(SystemExit) as ended:
        main(["incident", *arguments])
    told = capsys.readouterr()
    assert (ended.value.code or 0) == code, told
    return told.err if code == 2 else told.out


def test_a_life_from_the_terminal(world: AlertWorld, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    minutes = (utc_now() - NOON).total_seconds() / 60
    world.receive(make_event(minutes), make_event(minutes, rule="errors", pod="p1", service="gateway"))
    assert "NOBODY" in run(capsys, "list")
    assert "is ACKNOWLEDGED" in run(capsys, "ack INC-1")
    assert "acknowledged already, by cli:" in run(capsys, "ack 1")
    assert "is INVESTIGATING" in run(capsys, 'investigate inc-1 --reason "pool?"')
    assert "snoozed until" in run(capsys, "snooze 1 --until 2h") + run(capsys, "list")
    for words in ("wake 1", "severity 1 critical", 'comment 1 "it is the pool"', "remediate 1", "monitor 1"):
        assert json.loads(run(capsys, f"{words} --json"))["note"] == ""
    shown = run(capsys, "show INC-1")
    for words in (
        "CRITICAL",
        "it is the pool",
        "likely cause",
        "acknowledge  ",
        "possible now: investigate",
        "REMEDIATING → MONITORING",
    ):
        assert words in shown
    assert "INC-2 is OPEN" in run(capsys, "split INC-1 2")
    assert "INC-3 is OPEN, HIGH" in run(capsys, 'open "old orders" --severity high --service portal --since 30m')
    assert "is CLOSED" in run(capsys, 'merge INC-3 --into INC-2 --reason "the same"')
    assert "merged from INC-3" in run(capsys, "show 2")
    assert "is RESOLVED" in run(capsys, "resolve 1")
    assert "is CLOSED" in run(capsys, "close 1")
    assert "1 of 1 incidents" in run(capsys, "list")
    assert "INC-1" in run(capsys, "list --all --state closed --severity critical --search api-latency")
    assert "is OPEN" in run(capsys, 'reopen 1 --reason "again"')
    listed = json.loads(run(capsys, "list --json"))
    assert [one["incident"] for one in listed["items"]] == ["INC-1", "INC-2"]
    assert json.loads(run(capsys, "show 1 --json"))["row"]["reopened_count"] == 1
    measured = json.loads(run(capsys, "measures --json"))["items"]
    assert [one["faults"] for one in measured] == [2, 1, 1, 0, 0, 0]  # two faults: one was merged into another
    assert "2 faults  detect" in run(capsys, "measures --period this-week")
    assert "all       acknowledge  100.0 %" in run(capsys, "report")
    table = tmp_path / "sla.csv"
    run(capsys, f"report --csv {table}")
    assert len(list(csv.DictReader(table.read_text().splitlines()))) == 15
    world.rows(
        "UPDATE sla_clocks SET running_since = running_since - interval '2 days' WHERE running_since IS NOT NULL RETURNING 1"
    )
    assert "over 4 h" in run(capsys, "report", code=1)
    assert re.search(r"resolve +.* of 4 h +MISSED, .* over", run(capsys, "show 2"))
    who = world.rows("SELECT DISTINCT actor FROM audit_entries WHERE resource = 'incidents'")
    assert [row.actor.partition(":")[0] for row in who] == ["cli"]


WRONG = [
    ("show INC-99", "NOT_FOUND"),
    ("ack INC-99", "NOT_FOUND"),
    ("ack loader", "names no incident"),
    ("close 1", "possible now: acknowledge"),
    ("snooze 1 --until yesterday", "no instant and no length"),
    ("snooze 1 --until 400d", "over a year"),
    ("snooze 1 --until 2020-01-01", "in the future"),
    ("assign 1 nobody.known", "there is nobody called"),
    ("merge 1 --into 1", "another incident"),
    ("split 1 1", "some of its own alerts"),
    ('comment 1 " "', "needs words"),
    ('open "x" --severity low --since 2020-01-01', "makes no sense"),
    ('open " " --severity low', "needs a title"),
    ("report --period 2099-01", "no month or week"),
    ("list --sort danger", "unknown"),
]


def test_wrong_use_is_answered_with_reason_and_suggestion(
    world: AlertWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world.receive(make_event(0))
    before = world.incident(1)
    for words, said in WRONG:
        told = run(capsys, words, code=2)
        assert said in told
        assert "→" in told
    assert world.incident(1) == before
