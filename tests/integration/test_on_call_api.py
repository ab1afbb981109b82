"""/api/v1/on-call and /api/v1/messages over HTTP, and the same on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from api.cli.main import main
from domain.access.permissions import Role
from domain.notification.message import Channel, DeliveryRefusedError
from domain.vocabulary import Severity
from resources.clock import utc_now
from resources.settings import export_environment
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.notification import Estate, estate_on, failing
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("H6")
ON_CALL, MESSAGES = "/api/v1/on-call", "/api/v1/messages"


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    with live_api(platform.settings, platform.url) as running:
        for role in Role:
            running.add_user(role.value.lower(), role)
        yield running


@pytest.fixture
def estate(platform: Platform) -> Iterator[Estate]:
    with estate_on(platform) as one:
        one.now = utc_now()
        yield one


def test_who_is_on_call_overrides_gaps_and_calendar(api: LiveApi) -> None:
    operator, viewer = api.bearer("operator"), api.bearer("viewer")
    listed = api.client.get(ON_CALL, headers=viewer).json()["items"]
    assert [one["schedule"] for one in listed] == ["primary", "secondary"]
    usual = listed[0]["person"]
    other = "ben" if usual != "ben" else "ann"
    now = utc_now()
    change = {
        "schedule": "primary",
        "person": other,
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now + timedelta(hours=2)).isoformat(),
        "reason": "dentist",
    }
    assert api.client.post(f"{ON_CALL}/overrides", json=change, headers=viewer).status_code == 403
    made = api.client.post(f"{ON_CALL}/overrides", json=change, headers=operator)
    assert made.status_code == 201, made.text
    assert api.client.get(ON_CALL, headers=viewer).json()["items"][0]["person"] == other
    shifts = api.client.get(f"{ON_CALL}/schedules/primary", headers=viewer).json()["items"]
    assert (shifts[0]["person"], shifts[1]["person"]) == (other, usual)
    calendar = api.client.get(f"{ON_CALL}/schedules/primary/calendar.ics", headers=viewer)
    assert calendar.headers["content-type"].startswith("text/calendar")
    assert calendar.text.startswith("BEGIN:VCALENDAR\r\n")
    assert api.client.get(f"{ON_CALL}/gaps", headers=viewer).json() == {"items": []}
    override_id = made.json()["id"]
    assert api.client.get(f"{ON_CALL}/overrides", headers=viewer).json()["total"] == 1
    assert api.client.delete(f"{ON_CALL}/overrides/{override_id}", headers=operator).status_code == 204
    assert api.client.delete(f"{ON_CALL}/overrides/{override_id}", headers=operator).status_code == 404
    assert api.client.get(ON_CALL, headers=viewer).json()["items"][0]["person"] == usual


def test_bad_input_is_refused_with_reasons(api: LiveApi) -> None:
    operator, now = api.bearer("operator"), utc_now()
    good = {
        "schedule": "primary",
        "person": "ben",
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
    }
    wrong = [
        ({"schedule": "nowhere"}, 404),
        ({"person": "zoe"}, 404),
        ({"endsAt": (now - timedelta(hours=1)).isoformat()}, 422),
        ({"startsAt": "2026-13-01T00:00:00Z"}, 422),
        ({"startsAt": "2026-03-29T02:30:00"}, 422),
        ({"colour": "red"}, 422),
    ]
    for change, status in wrong:
        answer = api.client.post(f"{ON_CALL}/overrides", json={**good, **change}, headers=operator)
        assert answer.status_code in {status, 400}, (change, answer.text)
        assert answer.json()["suggestion"]
    assert api.client.get(f"{ON_CALL}/schedules/nowhere", headers=operator).status_code == 404
    assert api.client.get(f"{ON_CALL}/schedules/primary", params={"days": 900}, headers=operator).status_code == 422


@pytest.mark.requirement("H7")
def test_dead_letters_are_listed_and_sent_again(api: LiveApi, estate: Estate) -> None:
    operator, viewer = api.bearer("operator"), api.bearer("viewer")
    estate.channels[Channel.SMS].fail = failing(DeliveryRefusedError("no such number", suggestion="correct it"))
    view = estate.open(Severity.HIGH)
    estate.tick()
    page = api.client.get(MESSAGES, params={"state": "DEAD"}, headers=viewer).json()
    (dead,) = page["items"]
    assert (dead["channel"], dead["incident"], page["total"]) == ("sms", view.code, 1)
    assert "+1555" not in json.dumps(page)
    replayed = f"{MESSAGES}/{dead['id']}/replay"
    assert api.client.post(replayed, headers=viewer).status_code == 403
    assert api.client.post(replayed, headers=operator).json()["state"] == "PENDING"
    assert api.client.post(replayed, headers=operator).status_code == 409
    estate.channels[Channel.SMS].fail = lambda _: None
    estate.now = utc_now()
    estate.deliver()
    assert len(estate.channels[Channel.SMS].received) == 1
    assert api.client.post(f"{MESSAGES}/999999/replay", headers=operator).status_code == 404
    sent = api.client.post(f"{MESSAGES}/test", json={"channel": "slack", "recipient": "ann"}, headers=operator)
    assert sent.status_code == 202, sent.text
    assert (
        api.client.post(f"{MESSAGES}/test", json={"channel": "slack", "recipient": "zoe"}, headers=operator).status_code
        == 404
    )
    estate.now = utc_now()
    estate.deliver()
    assert estate.channels[Channel.SLACK].received[-1].kind == "test"
    listed = api.client.get(MESSAGES, params={"incident": view.incident_id, "limit": 1}, headers=viewer).json()
    assert (len(listed["items"]), listed["total"]) == (1, 3)
    audit = api.client.get(f"{ON_CALL}/audit", headers=viewer).json()["items"]
    assert any(one["isSilence"] for one in audit), "no channel is set up in a test"


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = 0
    try:
        main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_commands(
    platform: Platform, estate: Estate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in export_environment(platform.settings).items():
        if name.startswith("ETLMON_"):
            monkeypatch.setenv(name, value)
    code, out, _ = run(["on-call", "now"], capsys)
    assert code == 0
    assert "primary" in out
    code, out, _ = run(["on-call", "week", "--days", "14", "--json"], capsys)
    assert {one["schedule"] for one in json.loads(out)} == {"primary", "secondary"}
    end = (utc_now() + timedelta(hours=1)).isoformat()
    code, out, err = run(["on-call", "override", "primary", "cleo", "--to", end, "--reason", "swap"], capsys)
    assert code == 0, err
    assert "cleo" in run(["on-call", "now"], capsys)[1]
    code, _, err = run(["on-call", "override", "primary", "cleo", "--to", "tomorrow"], capsys)
    assert (code, "no instant with a time zone" in err) == (2, True)
    assert run(["on-call", "gaps"], capsys)[0] == 0
    code, out, _ = run(["notify", "test", "slack", "--to", "ann"], capsys)
    assert code == 1
    assert "no provider is set up for slack" in out
    code, out, _ = run(["notify", "dead", "--json"], capsys)
    (dead,) = json.loads(out)["items"]
    assert dead["kind"] == "test"
    assert run(["notify", "replay", str(dead["message_id"])], capsys)[0] == 0
    assert "PENDING" in run(["notify", "list"], capsys)[1]
    for wrong in (
        ["notify", "test", "pigeon"],
        ["notify", "test", "sms", "--to", "zoe"],
        ["notify", "list", "--state", "LOST"],
    ):
        code, _, err = run(wrong, capsys)
        assert (code, "→" in err) == (2, True)
    actions = [row.action for row in estate.ask("SELECT action FROM audit_entries ORDER BY sequence")]
    assert actions == ["on-call.override", "message.test", "message.replay"]
