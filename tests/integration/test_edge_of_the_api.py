"""The outermost layer of the API: headers of answers, TLS, origins, hosts, several workers, a graceful end."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from domain.access.permissions import Role
from tests.fakes.api_server import ApiServer, bearer_of, serving, until
from tests.fakes.faulty_http import write_certificate
from tests.fakes.platform import Platform

ORIGIN = "https://portal.example.com"


def test_every_answer_tells_browsers_what_they_must_not_do(platform: Platform) -> None:
    with serving(platform) as api:
        for path in ("/healthz", "/nowhere", "/api/v1/auth/me", "/api/openapi.json"):
            headers = api.client.get(path).headers
            policy = headers["content-security-policy"]
            assert "script-src 'self'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert "strict-transport-security" not in headers, "only with TLS"
            assert "server" not in headers
        assert api.client.patch("/api/v1/rate-limits").headers["allow"] == "DELETE, GET, PUT"
        assert "access-control-allow-origin" not in api.client.get("/healthz", headers={"Origin": ORIGIN}).headers


def test_origins_are_let_in_by_name_only(platform: Platform) -> None:
    with serving(platform, cors_origins=f"{ORIGIN}, https://other.example.com") as api:
        asks = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "If-Match"}
        allowed = api.client.options("/api/v1/rate-limits", headers=asks)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert "access-control-allow-credentials" not in allowed.headers
        stranger = api.client.options("/api/v1/rate-limits", headers={**asks, "Origin": "https://evil.example"})
        assert stranger.status_code == 400
        assert "access-control-allow-origin" not in stranger.headers
        plain = api.client.get("/healthz", headers={"Origin": ORIGIN})
        assert "RateLimit-Limit" in plain.headers["access-control-expose-headers"]


def test_tls_by_two_settings(platform: Platform, tmp_path: Path) -> None:
    pem = write_certificate(tmp_path)
    with serving(platform, tls_cert_file=pem, tls_key_file=pem) as api:
        answer = api.client.get("/healthz")
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{api.port}/healthz", trust_env=False)
    half = ApiServer(platform, tls_cert_file=pem)
    assert half.process.wait(60) != 0
    assert "ETLMON_TLS_KEY_FILE is not set" in half.log.read_text()
    half.client.close()


def test_a_foreign_host_name_is_refused_until_it_is_listed(platform: Platform) -> None:
    names = {"127.0.0.1": 200, "localhost:8080": 200, "[::1]": 200, "build-host": 200, "evil.example": 400}
    with serving(platform) as api:
        found = {name: api.client.get("/healthz", headers={"Host": name}).status_code for name in names}
        assert found == names
    with serving(platform, allowed_hosts="etlmon.example.com") as api:
        assert api.client.get("/healthz", headers={"Host": "ETLMON.example.com"}).status_code == 200
        assert api.client.get("/healthz", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.requirement("A10")
@pytest.mark.requirement("A11")
def test_the_access_log_says_who_asked_what_and_how_it_went(platform: Platform) -> None:
    with serving(platform) as api:
        viewer = bearer_of(platform, Role.VIEWER)
        api.client.get("/api/v1/breakers/000000000000", headers={**viewer, "X-Correlation-ID": "corr-7"})
        api.client.post("/api/v1/breakers/000000000000/reset", headers={**viewer, "X-Correlation-ID": "corr-8"})

        def lines() -> dict[str, dict[str, object]]:
            found = [json.loads(line) for line in api.log.read_text().splitlines()]
            return {one["correlationId"]: one for one in found if one.get("log.logger") == "api.access"}

        until(lambda: "corr-8" in lines(), deadline_s=5)
        line = lines()["corr-8"]
        assert line["username"] == "viewer"
        assert line["route"] == "/api/v1/breakers/{breaker_id}/reset"
        assert line["requestPath"] == "/api/v1/breakers/000000000000/reset"
        assert (line["method"], line["status"], line["log.level"]) == ("POST", 403, "info")
        assert isinstance(line["duration_ms"], float)
        assert isinstance(line["processId"], int)


@pytest.mark.requirement("A12")
@pytest.mark.requirement("A15")
def test_several_workers_share_the_port_count_together_and_end_together(platform: Platform) -> None:
    with serving(platform, api_workers=2) as api:
        parent = psutil.Process(api.process.pid)

        def workers() -> list[int]:
            return [one.pid for one in parent.children() if "spawn_main" in " ".join(one.cmdline())]

        until(lambda: len(workers()) == 2)
        seen: set[int] = set()

        def both_answered() -> bool:
            with httpx.Client(base_url=api.url, trust_env=False) as fresh:
                fresh.get("/healthz")
            text = api.log.read_text().splitlines()
            seen.update(json.loads(one)["processId"] for one in text if '"/healthz"' in one)
            return len(seen) == 2

        until(both_answered)
        logged = sum('"requestPath": "/healthz"' in line for line in api.log.read_text().splitlines())
        metrics = api.client.get("/metrics").text
        counted = next(
            float(line.split()[-1])
            for line in metrics.splitlines()
            if line.startswith("etlmon_http_requests_total") and 'route="/healthz"' in line
        )
        assert counted == logged, "every worker's requests are in one number"
        children = workers()
        assert api.stop() == 0
        assert not any(psutil.pid_exists(pid) for pid in children)


def test_a_request_under_way_is_answered_when_the_server_is_told_to_stop(platform: Platform) -> None:
    with serving(platform) as api:
        answers: list[int] = []

        def slow_body() -> object:
            yield b'{"signals": ['
            threading.Event().wait(0.1)
            api.process.send_signal(signal.SIGTERM)
            threading.Event().wait(0.3)
            yield b"]}"

        path = "/api/v1/signals?loader_code=NONE"
        answers.append(api.client.post(path, content=slow_body(), headers=api.pusher).status_code)
        assert answers == [404], "it was read to its end and answered"
        assert api.process.wait(20) == 0
