"""Logging in as people and attackers do: one answer to all failures, lock-out, sessions that end at once everywhere, the audit of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from domain.access.permissions import Role
from domain.errors import NotAuthenticatedError, RateLimitedError
from resources.access.password_hashes import MEMORY_KIB, PasswordHashes
from resources.clock import utc_now
from tests.fakes.live_api import PASSWORD, LiveApi, live_api
from tests.fakes.platform import Platform

ME = "/api/v1/auth/me"


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    settings = platform.settings.model_copy(update={"login_failures_per_ip": 100_000})
    with live_api(settings, platform.url) as running:
        running.add_user("erika", Role.OPERATOR)
        yield running


@pytest.fixture
def elsewhere(api: LiveApi) -> Iterator[LiveApi]:
    """Another process as far as memory is concerned: an app of its own on the same database."""
    with live_api(api.control.settings, api.control.url) as running:
        yield running


def bearer(answer: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['accessToken']}"}


def same_words(answer: httpx.Response) -> tuple[int, str, str, str]:
    body = answer.json()
    return answer.status_code, body["errorType"], body["reason"], body["suggestion"]


@pytest.mark.requirement("A1")
def test_name_and_password_give_a_session_and_case_of_the_name_does_not_matter(api: LiveApi) -> None:
    answer = api.log_in("Erika")
    body = answer.json()
    assert (answer.status_code, body["username"], body["role"], body["tokenType"]) == (
        200,
        "erika",
        "OPERATOR",
        "Bearer",
    )
    assert api.client.get(ME, headers=bearer(answer)).json()["username"] == "erika"
    assert api.client.get(ME).status_code == 401


@pytest.mark.requirement("A3")
def test_unknown_wrong_locked_and_disabled_are_told_apart_by_nothing(api: LiveApi) -> None:
    for name in ("locked", "disabled"):
        api.add_user(name)
    for _ in range(5):
        api.log_in("locked", password="wrong")
    api.control.users.change("disabled", actor="test", is_active=False)
    cases = {
        "unknown": ("nobody", PASSWORD),
        "impossible name": ("n' OR 1=1 --", PASSWORD),
        "name with a control character": ("a\x1bb", PASSWORD),
        "wrong": ("erika", "wrong"),
        "locked, right": ("locked", PASSWORD),
        "locked, wrong": ("locked", "wrong"),
        "disabled, right": ("disabled", PASSWORD),
        "disabled, wrong": ("disabled", "wrong"),
    }
    said = {case: same_words(api.log_in(name, password=password)) for case, (name, password) in cases.items()}
    assert set(said.values()) == {said["unknown"]}
    assert said["unknown"][:2] == (401, "NOT_AUTHENTICATED")
    rows, _ = api.control.login_audit.list_attempts(limit=8, offset=0)
    assert [row["outcome"] for row in reversed(rows)] == [
        "unknown-user", "unknown-user", "unknown-user", "wrong-password", "locked", "locked", "disabled", "wrong-password",
    ]  # fmt: skip


@pytest.mark.requirement("A3")
def test_time_does_not_tell_who_exists(api: LiveApi) -> None:
    api.add_user("locked")
    for _ in range(5):
        api.log_in("locked", password="wrong")
    took: dict[str, list[float]] = {"nobody": [], "erika": [], "locked": [], "x": []}

    def spread() -> float:
        medians = [statistics.median(times) for times in took.values()]
        return max(medians) / min(medians)

    for round_number in range(60):  # a busy machine needs more rounds until the medians settle
        for name, times in took.items():
            began = time.perf_counter()
            api.log_in(name, password="wrong password")
            times.append(time.perf_counter() - began)
        api.control.users.unlock("erika", actor="test")
        if round_number >= 14 and spread() < 1.2:
            break
    assert spread() < 1.2, took


@pytest.mark.requirement("A3")
def test_five_failures_lock_for_fifteen_minutes_and_an_admin_or_time_releases(api: LiveApi) -> None:
    for _ in range(4):
        assert api.log_in("erika", password="wrong").status_code == 401
    assert api.log_in("erika").status_code == 200, "four are forgiven by a success"
    for _ in range(5):
        api.log_in("erika", password="wrong")
    assert api.log_in("erika").status_code == 401
    locked = api.control.users.read("erika").locked_until
    assert locked is not None
    assert timedelta(minutes=14) < locked - utc_now() < timedelta(minutes=16)
    with pytest.raises(NotAuthenticatedError):
        api.control.login.with_password("erika", PASSWORD, ip="::1", user_agent="", at=locked - timedelta(seconds=1))
    api.control.login.with_password("erika", PASSWORD, ip="::1", user_agent="", at=locked + timedelta(seconds=1))
    for _ in range(5):
        api.log_in("erika", password="wrong")
    api.add_user("admin", Role.ADMIN)
    admin = api.bearer("admin")
    assert api.client.post("/api/v1/users/erika/unlock", headers=api.bearer("admin")).json()["lockedUntil"] is None
    assert api.log_in("erika").status_code == 200
    assert api.client.get("/api/v1/login-audit?limit=1", headers=admin).json()["total"] >= 17


@pytest.mark.requirement("A3")
def test_a_hundred_guesses_at_once_count_as_a_hundred_one_after_another(api: LiveApi, elsewhere: LiveApi) -> None:
    def guess(number: int) -> int:
        return (api, elsewhere)[number % 2].log_in("erika", password=f"guess {number}").status_code

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(guess, range(60))) <= {401, 429}
    outcomes = [row["outcome"] for row in api.control.login_audit.list_attempts(limit=100, offset=0)[0]]
    assert outcomes.count("wrong-password") == 5
    assert api.control.users.read("erika").failed_attempts == 5
    assert api.log_in("erika").status_code == 401


@pytest.mark.requirement("A1")
def test_many_people_logging_in_as_one_user_at_once_all_get_in(api: LiveApi) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.log_in("erika").status_code, range(24)))
    assert answers == [200] * 24


@pytest.mark.requirement("A3")
def test_an_address_that_fails_too_often_waits_whoever_it_tries_to_be(api: LiveApi) -> None:
    settings = api.control.settings.model_copy(update={"login_failures_per_ip": 6})
    with live_api(settings, api.control.url) as strict:
        for number in range(6):
            assert strict.log_in(f"user{number}", password="wrong").status_code == 401
        answer = strict.log_in("erika")
        assert (answer.status_code, answer.json()["errorType"]) == (429, "RATE_LIMITED")
        assert 1 <= int(answer.headers["retry-after"]) <= 900
        strict.control.login.with_password("erika", PASSWORD, ip="203.0.113.5", user_agent="")
        with pytest.raises(RateLimitedError):
            strict.control.login.with_password("erika", PASSWORD, ip="127.0.0.1", user_agent="")


@pytest.mark.requirement("A3")
def test_every_attempt_is_written_down_with_address_client_and_outcome(api: LiveApi) -> None:
    headers = {"User-Agent": "probe/" + "x" * 400, "X-Forwarded-For": "198.51.100.1", "X-Correlation-ID": "corr-7"}
    body = {"username": "erika\r\nadmin" + "y" * 200, "password": "x"}
    api.client.post("/api/v1/auth/login", json=body, headers=headers)
    session = api.log_in("erika").json()
    pair = api.client.post("/api/v1/auth/refresh", json={"refreshToken": session["refreshToken"]}).json()
    api.client.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {pair['accessToken']}"})
    rows = list(reversed(api.control.login_audit.list_attempts(limit=10, offset=0)[0]))
    assert [(row["method"], row["outcome"]) for row in rows] == [
        ("password", "unknown-user"), ("password", "success"), ("refresh", "success"), ("logout", "success"),
    ]  # fmt: skip
    assert (rows[0]["ip"], rows[0]["correlation_id"]) == ("127.0.0.1", "corr-7"), (
        "nobody is trusted to forward by default"
    )
    assert len(rows[0]["user_agent"]) == 256
    assert rows[0]["username"].startswith("erika??admin")
    assert len(rows[0]["username"]) == 128
    behind = api.control.settings.model_copy(update={"trusted_proxies": "127.0.0.1"})
    with live_api(behind, api.control.url) as proxied:
        proxied.client.post("/api/v1/auth/login", json=body, headers=headers)
    assert api.control.login_audit.list_attempts(limit=1, offset=0)[0][0]["ip"] == "198.51.100.1"


@pytest.mark.requirement("A1")
def test_logout_holds_at_once_in_every_process(api: LiveApi, elsewhere: LiveApi) -> None:
    answer = api.log_in("erika")
    assert elsewhere.client.get(ME, headers=bearer(answer)).status_code == 200
    assert api.client.post("/api/v1/auth/logout", headers=bearer(answer)).status_code == 204
    assert elsewhere.client.get(ME, headers=bearer(answer)).status_code == 401
    again = elsewhere.client.post("/api/v1/auth/refresh", json={"refreshToken": answer.json()["refreshToken"]})
    assert again.status_code == 401


@pytest.mark.requirement("A1")
def test_a_refresh_token_is_good_once_and_a_stolen_one_ends_the_session(api: LiveApi) -> None:
    def refresh(token: str) -> httpx.Response:
        return api.client.post("/api/v1/auth/refresh", json={"refreshToken": token})

    first = api.log_in("erika").json()
    second = refresh(first["refreshToken"])
    third = refresh(second.json()["refreshToken"])
    assert api.client.get(ME, headers=bearer(third)).status_code == 200
    other = api.log_in("erika")
    assert refresh(first["refreshToken"]).status_code == 401, "used two turns ago"
    assert api.client.get(ME, headers=bearer(third)).status_code == 401
    assert refresh(third.json()["refreshToken"]).status_code == 401
    assert api.client.get(ME, headers=bearer(other)).status_code == 200, "other sessions stand"
    assert refresh("invented").status_code == 401
    outcomes = [
        row["outcome"]
        for row in api.control.login_audit.list_attempts(limit=100, offset=0)[0]
        if row["method"] == "refresh"
    ]
    assert outcomes == ["unknown-token", "unknown-token", "token-used-twice", "success", "success"]


@pytest.mark.requirement("A1")
def test_of_two_uses_at_the_same_moment_one_wins_and_the_session_ends(api: LiveApi, elsewhere: LiveApi) -> None:
    token = api.log_in("erika").json()["refreshToken"]
    with ThreadPoolExecutor(2) as pool:
        sent = [
            pool.submit(one.client.post, "/api/v1/auth/refresh", json={"refreshToken": token})
            for one in (api, elsewhere)
        ]
        assert sorted(one.result().status_code for one in sent) == [200, 401]
    assert api.control.sessions.list_open("erika") == []


@pytest.mark.requirement("A1")
def test_changing_the_password_ends_other_sessions_and_needs_the_present_one(api: LiveApi) -> None:
    here, there = api.bearer("erika"), api.bearer("erika")

    def change(present: str, wanted: str) -> httpx.Response:
        return api.client.post(
            "/api/v1/auth/password", json={"currentPassword": present, "newPassword": wanted}, headers=here
        )

    assert change("wrong", "seven other words here").status_code == 401
    for weak in ("short", PASSWORD, "erika-erika-erika", "password1234"):
        refused = change(PASSWORD, weak)
        assert (refused.status_code, refused.json()["errorType"]) == (422, "INPUT_DATA_ERROR")
        assert weak not in refused.text or weak == PASSWORD
    assert change(PASSWORD, "seven other words here").status_code == 204
    assert api.client.get(ME, headers=here).status_code == 200
    assert api.client.get(ME, headers=there).status_code == 401
    assert api.log_in("erika").status_code == 401
    assert api.log_in("erika", password="seven other words here").status_code == 200
    for _ in range(4):
        assert change("wrong", "eight other words here").status_code == 401
    assert change("wrong", "eight other words here").status_code == 401
    assert change("seven other words here", "eight other words here").status_code == 401, "guessing counts here too"


@pytest.mark.requirement("A1")
def test_own_sessions_are_listed_and_ended_and_nobody_elses(api: LiveApi) -> None:
    api.add_user("otto")
    here, there, otto = api.bearer("erika"), api.bearer("erika"), api.bearer("otto")
    listed = api.client.get("/api/v1/auth/sessions", headers=here).json()
    assert (listed["total"], [one["isCurrent"] for one in listed["items"]]) == (2, [False, True])
    theirs = api.client.get("/api/v1/auth/sessions", headers=otto).json()["items"][0]["sessionId"]
    assert api.client.delete(f"/api/v1/auth/sessions/{theirs}", headers=here).status_code == 404
    assert api.client.get(ME, headers=otto).status_code == 200
    other = listed["items"][0]["sessionId"]
    assert api.client.delete(f"/api/v1/auth/sessions/{other}", headers=here).status_code == 204
    assert api.client.get(ME, headers=there).status_code == 401


@pytest.mark.requirement("A1")
def test_a_hash_of_other_parameters_is_renewed_at_the_next_login(api: LiveApi) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with api.control.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET password_hash = %s WHERE username = 'erika'", (weak,))
    assert api.log_in("erika").status_code == 200
    with api.control.engine.begin() as connection:
        stored = connection.exec_driver_sql("SELECT password_hash FROM users WHERE username = 'erika'").scalar_one()
    assert stored.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t=1,p=1$")
    assert api.log_in("erika").status_code == 200


def test_a_flood_of_logins_is_turned_away_instead_of_piling_up() -> None:
    hashes = PasswordHashes()

    def one(_: int) -> str:
        try:
            hashes.verify(None, "wrong password")
        except RateLimitedError:
            return "turned away"
        return "checked"

    with ThreadPoolExecutor(60) as pool:
        outcomes = list(pool.map(one, range(60)))
    assert outcomes.count("checked") >= 18
    assert outcomes.count("turned away") > 0


@pytest.mark.requirement("A2")
def test_a_cookie_changes_nothing_without_the_token_of_its_session(api: LiveApi) -> None:
    def post(**headers: str) -> int:
        answer = api.log_in("erika").json()
        cookie = f"etlmon_session={answer['accessToken']}"
        me = api.client.get(ME, headers={"Cookie": cookie}).json()
        token = api.control.csrf_token_of(_caller(me))
        filled = {name.replace("_", "-"): value.replace("TOKEN", token) for name, value in headers.items()}
        return api.client.post("/api/v1/auth/logout", headers={"Cookie": cookie, **filled}).status_code

    assert post() == 403
    assert post(X_CSRF_Token="0" * 64) == 403
    assert post(X_CSRF_Token="TOKEN") == 204
    assert post(X_CSRF_Token="TOKEN", Origin=api.url) == 204
    assert post(X_CSRF_Token="TOKEN", Origin="https://evil.example") == 403
    assert post(X_CSRF_Token="TOKEN", Origin="null") == 403
    assert post(X_CSRF_Token="TOKEN", Sec_Fetch_Site="same-origin") == 204
    for site in ("cross-site", "same-site"):
        assert post(X_CSRF_Token="TOKEN", Sec_Fetch_Site=site) == 403
    other = api.control.csrf_token_of(_caller(api.client.get(ME, headers=api.bearer("erika")).json()))
    assert post(X_CSRF_Token=other) == 403, "of another session"


def _caller(me: dict[str, str]):  # type: ignore[no-untyped-def]
    from domain.access.permissions import Caller

    return Caller(me["username"], Role(me["role"]), session_id=me["sessionId"])
