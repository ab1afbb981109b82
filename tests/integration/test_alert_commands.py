"""`etlmon why`, `alert` and `silence` as somebody at a terminal meets them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from api.cli.main import main
from resources.clock import utc_now
from tests.fakes.alert_world import NOON, AlertWorld, make_event, make_world
from tests.fakes.platform import Platform

pytestmark = [pytest.mark.requirement("D7"), pytest.mark.requirement("D8")]


@pytest.fixture
def world(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[AlertWorld]:
    assert platform.settings.database_url is not None
    monkeypatch.setenv("ETLMON_HOME", str(platform.settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.settings.database_url.get_secret_value())
    found = make_world(platform)
    yield found
    found.engine.dispose()


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert (ended.value.code or 0) == code
    told = capsys.readouterr()
    return told.err if code else told.out


def test_a_silence_and_a_verdict_from_the_terminal(world: AlertWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.receive(make_event((utc_now() - NOON).total_seconds() / 60))
    assert "mutes 1 alerts that fire now" in run(capsys, "silence", "preview", "service=~load.*")
    made = run(capsys, "silence", "add", "service=loader", "--until", "2h", "--reason", "disks", "--json")
    assert json.loads(made)["firing"] == 1
    assert "service=loader" in run(capsys, "silence", "list")
    assert "is over" in run(capsys, "silence", "end", "1")
    assert "no silence" in run(capsys, "silence", "list")
    assert "api-latency-p99 on loader" in run(capsys, "alert", "list")
    assert "a false alarm" in run(capsys, "alert", "verdict", "1", "false")
    assert "false alarm" in run(capsys, "alert", "show", "1")
    assert "0 right, 1 false of 1 alerts" in run(capsys, "alert", "precision")
    who = world.rows("SELECT DISTINCT actor FROM audit_entries WHERE resource IN ('alerts', 'silences')")
    assert [row.actor.partition(":")[0] for row in who] == ["cli"]


def test_why_of_an_alert_and_of_an_incident(world: AlertWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.receive(make_event(0))
    assert "INC-1 was opened; its likeliest cause is" in run(capsys, "why", "1")
    assert "Nobody was paged for INC-1" in run(capsys, "why", "inc-1")
    assert json.loads(run(capsys, "why", "INC-1", "--json"))["sentences"]


WRONG: list[tuple[list[str], str]] = [
    (["why", "99"], "NOT_FOUND"),
    (["why", "INC-99"], "NOT_FOUND"),
    (["why", "loader"], "names no alert"),
    (["alert", "show", "99"], "NOT_FOUND"),
    (["alert", "verdict", "99", "true"], "NOT_FOUND"),
    (["silence", "end", "99"], "NOT_FOUND"),
    (["silence", "add", "service=x", "--until", "soon", "--reason", "r"], "no instant and no length"),
    (["silence", "add", "service=~.*", "--until", "1h", "--reason", "r"], "every alert"),
    (["silence", "add", "service=x", "--until", "1h", "--reason", " "], "reason"),
    (["silence", "preview", "service"], "no matcher"),
    (["maintenance", "end", "99"], "NOT_FOUND"),
    (["maintenance", "add", "a=b", "--title", "t", "--reason", "r"], "once or recurring"),
    (["maintenance", "preview", "a=b", "--cron", "often"], "no cron line"),
    (["maintenance", "preview", "a=b", "--cron", "0 2 * * *", "--time-zone", "Mars/Base"], "no time zone"),
    (["allow", "remove", "x"], "NOT_FOUND"),
    (["allow", "add", "*", "--reason", "r"], "every alert"),
    (["drill", "start", "earthquake"], "no scenario"),
    (["drill", "start", "connection-pool", "--duration", "soon"], "not a duration"),
    (["drill", "stop"], "no drill is under way"),
    (["drill", "report", "99"], "NOT_FOUND"),
]


def test_wrong_use_is_answered_with_reason_and_suggestion(
    world: AlertWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, words in WRONG:
        told = run(capsys, *arguments, code=2)
        assert words in told, arguments
        assert "→" in told, arguments


def test_maintenance_windows_from_preview_to_end(world: AlertWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.receive(make_event((utc_now() - NOON).total_seconds() / 60))
    planned = ["service=loader", "--cron", "0 2 * * 6", "--duration", "2h", "--time-zone", "Europe/Berlin"]
    shown = run(capsys, "maintenance", "preview", *planned)
    assert "mutes 1 alerts that fire now" in shown
    assert shown.count("opens Sat") == 5
    named = ["--title", "Patch day", "--reason", "kernel"]
    assert "maintenance window 1" in run(capsys, "maintenance", "add", *planned, *named)
    once = run(capsys, "maintenance", "add", "service=auth", *named, "--from", "1h", "--until", "3h", "--json")
    assert json.loads(once) == {"windowId": 2}
    listed = run(capsys, "maintenance", "list")
    assert "“0 2 * * 6” Europe/Berlin for 120 min" in listed
    assert "service=auth" in listed
    assert "is over" in run(capsys, "maintenance", "end", "1")
    assert [row["window_id"] for row in json.loads(run(capsys, "maintenance", "list", "--json"))] == [2]


def test_the_allow_list_from_the_terminal(world: AlertWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is empty" in run(capsys, "allow", "list")
    run(capsys, "allow", "add", "api-latency-p99", "service=loader", "--reason", "known")
    assert "service=loader" in run(capsys, "allow", "list")
    world.receive(make_event(0))
    assert world.rows("SELECT suppressed_by FROM alerts")[0].suppressed_by == "allow-list"
    assert "tells again" in run(capsys, "allow", "remove", "api-latency-p99", "service=loader")
    assert json.loads(run(capsys, "allow", "list", "--json")) == []


@pytest.mark.requirement("E5")
def test_a_drill_from_the_terminal(world: AlertWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no drill yet" in run(capsys, "drill", "list")
    assert "connection-pool" in run(capsys, "drill", "scenarios")
    started = run(capsys, "drill", "start", "connection-pool", "--duration", "1h")
    assert "SYNTHETIC  RUNNING" in started
    assert world.rows("SELECT is_drill FROM incidents")[0].is_drill
    report = run(capsys, "drill", "report", "1")
    assert "(by nobody)" in report
    assert "incidents INC-1" in report
    assert json.loads(run(capsys, "drill", "report", "1", "--json"))["alerts"] == 1
    assert "aborted by cli:" in run(capsys, "drill", "stop")
    assert world.rows("SELECT state FROM incidents")[0].state == "CLOSED"
    (listed,) = json.loads(run(capsys, "drill", "list", "--json"))
    assert (listed["state"], listed["outcome"]) == ("ENDING", "ABORTED")
    who = world.rows("SELECT action FROM audit_entries WHERE resource = 'drills' ORDER BY sequence")
    assert [row.action for row in who] == ["drill.start", "drill.stop"]
