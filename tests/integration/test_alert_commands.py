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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
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
    ],
)
def test_wrong_use_is_answered_with_reason_and_suggestion(
    world: AlertWorld, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    told = run(capsys, *arguments, code=2)
    assert words in told
    assert "→" in told
