"""Rate limits as clients and admins meet them: headers, 429, changes without restart, several processes (A13)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from domain.access.permissions import Role
from resources.postgres.engine import make_engine
from tests.fakes.api_server import ApiServer, bearer_of, serving, until
from tests.fakes.faulty_http import unused_port
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("A13")
LIMITS = "/api/v1/rate-limits"
WHO = "/api/v1/auth/me"


def limit(api: ApiServer, admin: dict[str, str], scope: str, name: str, per_minute: int) -> httpx.Response:
    change = {"scope": scope, "name": name, "perMinute": per_minute}
    return api.client.put(LIMITS, json=change, headers=admin)


def in_force(api: ApiServer, headers: dict[str, str], per_minute: int, path: str = WHO) -> None:
    """Within a second, without a restart."""

    def holds() -> bool:
        return api.client.get(path, headers=headers).headers["ratelimit-limit"] == str(per_minute)

    until(holds, deadline_s=1.0)


def test_limits_change_at_run_time_and_the_most_particular_one_holds(platform: Platform) -> None:
    with serving(platform) as api:
        admin, viewer = bearer_of(platform, Role.ADMIN), bearer_of(platform, Role.VIEWER)
        first = api.client.get(WHO, headers=viewer)
        assert first.status_code == 200, first.text
        assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("100", "99")
        assert first.headers["ratelimit-policy"] == "100;w=60"
        assert 0 <= int(first.headers["ratelimit-reset"]) <= 60
        assert limit(api, admin, "role", "VIEWER", 50).status_code == 200
        in_force(api, viewer, 50)
        assert limit(api, admin, "route", f"GET {WHO}", 40).status_code == 200
        in_force(api, viewer, 40)
        assert limit(api, admin, "user", "viewer", 30).json()["perMinute"] == 30
        in_force(api, viewer, 30)
        listed = api.client.get(LIMITS, headers=admin).json()
        assert listed["defaultPerMinute"] == 100
        assert ("user", "viewer", 30, "admin") in [
            (one["scope"], one["name"], one["perMinute"], one["updatedBy"]) for one in listed["items"]
        ]
        for scope, name, left in (("user", "viewer", 40), ("route", f"GET {WHO}", 50), ("role", "VIEWER", 100)):
            gone = api.client.delete(LIMITS, params={"scope": scope, "name": name}, headers=admin)
            assert gone.status_code == 204
            in_force(api, viewer, left)
        assert api.client.delete(LIMITS, params={"scope": "user", "name": "x"}, headers=admin).status_code == 404
        assert [
            limit(api, admin, *wrong, 5).status_code for wrong in (("role", "KING"), ("route", "GET /nowhere"))
        ] == [
            404,
            404,
        ]
        assert limit(api, admin, "user", "viewer", 0).status_code == 422
        assert limit(api, viewer, "user", "viewer", 1000).status_code == 403
    engine = make_engine(platform.url)
    with engine.connect() as connection:
        entries = connection.exec_driver_sql(
            "SELECT action, resource_id, after FROM audit_entries WHERE resource = 'rate-limits' ORDER BY sequence"
        ).all()
    engine.dispose()
    assert tuple(entries[0]) == ("rate-limit.save", "role VIEWER", {"perMinute": 50})
    assert [one.action for one in entries].count("rate-limit.remove") == 3


def test_over_the_limit_is_429_with_the_seconds_to_wait_and_others_go_on(platform: Platform) -> None:
    with serving(platform, rate_limit_per_minute=5) as api:
        viewer, operator = bearer_of(platform, Role.VIEWER), bearer_of(platform, Role.OPERATOR)
        codes = [api.client.get(WHO, headers=viewer).status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        refused = api.client.get(WHO, headers=viewer)
        body = refused.json()
        assert (body["errorType"], body["status"]) == ("RATE_LIMITED", 429)
        assert refused.headers["content-type"] == "application/problem+json"
        assert 1 <= int(refused.headers["retry-after"]) <= 75
        assert refused.headers["retry-after"] in body["suggestion"]
        assert refused.headers["ratelimit-remaining"] == "0"
        assert api.client.get(WHO, headers=operator).status_code == 200, "counted per user"
        strangers = [api.client.get(WHO).status_code for _ in range(7)]
        assert strangers == [401] * 5 + [429] * 2, "without login the address is counted"
        assert api.client.get("/no/such/path").status_code == 429, "unknown paths count too"
        wrong = {"Authorization": "Bearer wrong"}
        assert api.client.get(WHO, headers=wrong).status_code == 429, "guessing tokens counts against the address"
        assert [api.client.get("/healthz").status_code for _ in range(20)] == [200] * 20, "probes are free"
        assert api.client.post("/api/v1/signals", headers=api.pusher).headers["ratelimit-limit"] == "60000"
        assert api.client.get("/livez").text == '{"status":"ok"}'


@contextmanager
def redis(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def remaining(api: ApiServer, headers: dict[str, str]) -> int:
    answer = api.client.get(WHO, headers=headers)
    assert "ratelimit-remaining" in answer.headers, (answer.text, api.log.read_text()[-4_000:])
    return int(answer.headers["ratelimit-remaining"])


@pytest.mark.needs("redis")
def test_processes_share_one_count_through_redis_and_survive_its_absence(platform: Platform, tmp_path: Path) -> None:
    port = unused_port()
    settings = {"rate_limit_per_minute": 60, "redis_url": SecretStr(f"redis://127.0.0.1:{port}/0")}
    with ExitStack() as stack:
        process = stack.enter_context(redis(port, tmp_path))
        one = stack.enter_context(serving(platform, **settings))
        two = stack.enter_context(serving(platform, **settings))
        viewer, admin = bearer_of(platform, Role.VIEWER), bearer_of(platform, Role.ADMIN)
        until(lambda: one.client.get("/readyz", headers=admin).json()["checks"]["redis"]["ok"], deadline_s=10)
        start = remaining(one, viewer)
        counts = [remaining(api, viewer) for api in (two, one, two, one)]
        assert counts == [start - 1, start - 2, start - 3, start - 4], "both take from one counter"

        process.terminate()
        process.wait(20)
        assert one.client.get(WHO, headers=viewer).status_code == 200, "a request never fails because Redis is away"
        until(lambda: degraded(one, admin), deadline_s=10)
        assert one.client.get("/readyz").status_code == 200
        assert "Redis does not answer" in one.log.read_text()
        alone = remaining(one, viewer)
        assert remaining(one, viewer) == alone - 1
        assert one.log.read_text().count("Redis does not answer: each process") == 1, "said once"

        stack.enter_context(redis(port, tmp_path))
        until(lambda: not degraded(one, admin), deadline_s=10)
        until(lambda: remaining(one, viewer) == remaining(two, viewer) + 1, deadline_s=10)


def degraded(api: ApiServer, admin: dict[str, str]) -> bool:
    answer = api.client.get("/readyz", headers=admin).json()
    return bool(answer["checks"]["redis"]["isDegraded"])
