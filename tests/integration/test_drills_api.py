"""Drills over HTTP: who may, what is answered, hostile numbers; a process that is killed leaves a drill that ends by itself (E5)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.access.permissions import Role
from resources.clock import utc_now
from resources.drills.opening import open_drill_desk
from tests.fakes.live_api import live_api
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("E5")


def test_a_drill_over_http_and_ended_by_another_process(platform: Platform) -> None:
    with live_api(platform.settings, platform.url) as api:
        api.add_user("olga", Role.OPERATOR)
        api.add_user("vera", Role.VIEWER)
        olga, vera, client = api.bearer("olga"), api.bearer("vera"), api.client
        names = [one["name"] for one in client.get("/api/v1/drills/scenarios", headers=vera).json()["items"]]
        assert "connection-pool" in names
        wanted = {"scenario": "connection-pool", "forS": 600}
        assert client.post("/api/v1/drills", json=wanted, headers=vera).status_code == 403
        made = client.post("/api/v1/drills", json=wanted, headers=olga)
        assert made.status_code == 201, made.text
        assert (made.json()["mode"], made.json()["state"]) == ("SYNTHETIC", "RUNNING"), "no simulator runs here"
        assert client.post("/api/v1/drills", json=wanted, headers=olga).status_code == 409
        report = client.get("/api/v1/drills/1", headers=vera).json()
        assert (report["incidents"], report["alerts"], report["drill"]["startedBy"]) == (["INC-1"], 1, "olga")
        assert [step["name"] for step in report["steps"] if step["isMet"] is None][:3] == [
            "injected", "first bad sample", "alert",
        ]  # fmt: skip
        for number in ("0", "-1", str(2**63), "x", "1%00"):
            assert client.get(f"/api/v1/drills/{number}", headers=vera).status_code in (400, 404, 422), number
            assert client.post(f"/api/v1/drills/{number}/stop", headers=olga).status_code in (400, 404, 422), number
        for body in (
            {},
            {"scenario": "x\x00"},
            {"scenario": "earthquake"},
            {**wanted, "forS": 1},
            {**wanted, "forS": 1e9},
        ):
            assert client.post("/api/v1/drills", json=body, headers=olga).status_code in (404, 422), body
        assert client.post("/api/v1/drills/99/stop", headers=olga).status_code == 404
        other = open_drill_desk(platform.settings, api.control.engine)
        later = utc_now() + timedelta(seconds=601)
        assert other.is_due(now=later)
        other.advance(now=later)
        assert client.post("/api/v1/drills/1/stop", headers=olga).status_code == 409
        other.advance(now=later + timedelta(seconds=900))
        listed = client.get("/api/v1/drills", headers=vera).json()
        assert [(one["state"], one["outcome"]) for one in listed["items"]] == [("OVER", "COMPLETED")]
        over = client.get("/api/v1/drills/1", headers=vera).json()
        assert "acknowledged" in over["targetsMissed"]
