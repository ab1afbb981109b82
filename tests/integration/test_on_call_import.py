"""Rotas that PagerDuty and Opsgenie keep decide who is told; a system that is away changes nothing (H6)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.notification.on_call import External
from domain.vocabulary import Severity
from resources.notification.on_call_import import import_rotas
from resources.postgres.engine import transaction
from resources.settings import Settings
from tests.fakes.faulty_http import Asked, FaultyHttp, Reply, reply_json
from tests.fakes.notification import START, Estate, demo_rules, estate_on
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("H6")
HOUR = timedelta(hours=1)


def pagerduty(*entries: tuple[float, float, str]) -> str:
    shown = [
        {
            "start": (START + a * HOUR).isoformat(),
            "end": (START + b * HOUR).isoformat(),
            "user": {"id": who, "type": "user_reference"},
        }
        for a, b, who in entries
    ]
    return json.dumps({"schedule": {"id": "PSCHED", "final_schedule": {"rendered_schedule_entries": shown}}})


def opsgenie(*entries: tuple[float, float, str]) -> str:
    periods: list[dict[str, Any]] = [
        {
            "startDate": (START + a * HOUR).isoformat().replace("+00:00", "Z"),
            "endDate": (START + b * HOUR).isoformat().replace("+00:00", "Z"),
            "type": "default",
            "recipient": {"id": who, "type": "user", "name": f"{who}@etl.example"},
        }
        for a, b, who in entries
    ]
    periods.append({"startDate": START.isoformat(), "endDate": (START + HOUR).isoformat(), "type": "default"})
    return json.dumps({"data": {"finalTimeline": {"rotations": [{"id": "r", "name": "Rota", "periods": periods}]}}})


def connected(platform: Platform, url: str) -> Settings:
    path = Path(platform.settings.home) / "connections.yaml"
    path.write_text(f"rota:\n  url: {url}\n  headers:\n    Authorization: Token token=secret-of-the-tests\n")
    path.chmod(0o600)
    return platform.settings.model_copy()


def rules_with(system: str) -> Any:
    rules = demo_rules()
    external = External.model_validate(
        {"system": system, "connection": "rota", "schedule_id": "PSCHED", "people": {"U1": "cleo", "U2": "ben"}}
    )
    primary = rules.schedules["primary"].model_copy(update={"external": external})
    return demo_rules(schedules={**rules.schedules, "primary": primary})


def told(estate: Estate) -> str:
    estate.forget()
    estate.open(Severity.LOW)
    estate.deliver()
    (message,) = estate.sent()
    return message.recipient


def ical(*entries: tuple[float, float, str]) -> str:
    events = "".join(
        f"BEGIN:VEVENT\r\nDTSTART:{START + a * HOUR:%Y%m%dT%H%M%SZ}\r\nDTEND:{START + b * HOUR:%Y%m%dT%H%M%SZ}\r\n"
        f"SUMMARY:{who}\r\nEND:VEVENT\r\n"
        for a, b, who in entries
    )
    return f"BEGIN:VCALENDAR\r\n{events}END:VCALENDAR\r\n"


@pytest.mark.parametrize(("system", "render"), [("pagerduty", pagerduty), ("opsgenie", opsgenie), ("ical", ical)])
def test_who_is_on_call_there_is_told_here(platform: Platform, system: str, render: Any) -> None:
    answers = [render((-5, 2, "U1"), (2, 30, "U2"), (30, 31, "U9"))]

    def answer(_: Asked) -> Reply:
        return reply_json(answers[-1])

    with FaultyHttp(answer) as server, estate_on(platform, rules_with(system)) as estate:
        settings = connected(platform, server.url)
        for _ in range(2):
            (done,) = import_rotas(settings, estate.engine, estate.rules, now=estate.now)
            assert (done.shifts, done.strangers, done.problem) == (2, ("U9",), "")
        asked = server.asked[0]
        assert ("PSCHED" in asked.path) is (system != "ical")
        assert (
            asked.headers.get("Authorization", asked.headers.get("authorization")) == "Token token=secret-of-the-tests"
        )
        assert told(estate) == "cleo"
        estate.later(3 * 3600)
        assert told(estate) == "ben"
        with transaction(estate.engine) as connection:
            from resources.access.audit_log import load_audit_log
            from resources.notification.on_call import add_override

            add_override(
                connection,
                estate.rules,
                schedule="primary",
                person="mia",
                starts_at=estate.now,
                ends_at=estate.now + HOUR,
                reason="",
                actor="root",
                now=estate.now,
                audit=load_audit_log(platform.settings.home),
            )
        answers.append(render((0, 30, "U1")))
        import_rotas(settings, estate.engine, estate.rules, now=estate.now)
        assert told(estate) == "mia", "what a person arranged here comes first"
        estate.later(3600)
        assert told(estate) == "cleo", "the rota was changed there"


@pytest.mark.parametrize(
    "reply",
    [
        reply_json("{}", status=401),
        reply_json("{}", status=404),
        reply_json("<html>"),
        reply_json('{"schedule": 7}'),
        reply_json("[]"),
    ],
)
def test_an_answer_that_is_none_changes_nothing(platform: Platform, reply: Reply) -> None:
    replies = [reply_json(pagerduty((-5, 200, "U2")))]
    with FaultyHttp(lambda _: replies[-1]) as server, estate_on(platform, rules_with("pagerduty")) as estate:
        settings = connected(platform, server.url)
        import_rotas(settings, estate.engine, estate.rules, now=estate.now)
        replies.append(reply)
        (done,) = import_rotas(settings, estate.engine, estate.rules, now=estate.now)
        assert done.problem
        assert "secret-of-the-tests" not in done.problem
        assert told(estate) == "ben"
        (missing,) = import_rotas(
            platform.settings.model_copy(update={"connections_file": Path("nowhere.yaml")}),
            estate.engine,
            estate.rules,
            now=START,
        )
        assert "no connection 'rota'" in missing.problem
