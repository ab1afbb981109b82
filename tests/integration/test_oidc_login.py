"""Login by an identity provider, against a real one on loopback: what gets in, and all that does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from domain.access.permissions import Role
from tests.fakes.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, identity_provider
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("A1")


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@pytest.fixture
def open_api(platform: Platform, provider: IdentityProvider) -> Iterator[Callable[..., LiveApi]]:
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(**settings: Any) -> LiveApi:
            configured = platform.settings.model_copy(
                update={
                    "oidc_issuer": provider.issuer,
                    "oidc_client_id": CLIENT_ID,
                    "oidc_client_secret": SecretStr(CLIENT_SECRET),
                    **settings,
                }
            )
            return stack.enter_context(live_api(configured, platform.url))

        yield start


def travel(api: LiveApi, provider: IdentityProvider, *, to: str = "/loaders?x=1", **changed: str) -> httpx.Response:
    """A browser of its own, through the whole login."""
    with httpx.Client(base_url=api.url, trust_env=False) as browser:
        left = browser.get("/api/v1/auth/oidc/start", params={"next": to})
        assert left.status_code == 303, left.text
        back = {**provider.authorize(left.headers["location"]), **changed}
        return browser.get("/api/v1/auth/oidc/callback", params=back)


def session_of(answer: httpx.Response) -> dict[str, str]:
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    return {"Authorization": f"Bearer {answer.cookies['etlmon_session']}"}


def outcomes(api: LiveApi) -> list[str]:
    return [
        row["outcome"]
        for row in api.control.login_audit.list_attempts(limit=50, offset=0)[0]
        if row["method"] == "oidc"
    ]


def test_a_person_the_provider_vouches_for_gets_in_with_the_role_of_the_claim(
    open_api: Callable[..., LiveApi], provider: IdentityProvider
) -> None:
    api = open_api(oidc_auto_create=True, oidc_roles="ops=OPERATOR,chiefs=ADMIN")
    provider.claims = {"groups": ["staff", "ops"]}
    answer = travel(api, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/loaders?x=1")
    first = session_of(answer)
    me = api.client.get("/api/v1/auth/me", headers=first).json()
    assert (me["username"], me["role"]) == ("erika", "OPERATOR")
    provider.claims = {"groups": "chiefs"}
    assert api.client.get("/api/v1/auth/me", headers=session_of(travel(api, provider))).json()["role"] == "ADMIN"
    assert api.client.get("/api/v1/auth/me", headers=first).status_code == 401, "another role ends the sessions before"
    provider.claims = {"groups": ["staff"]}
    assert travel(api, provider).status_code == 401
    assert outcomes(api) == ["no-role", "success", "success"]
    assert api.log_in("erika", password="x" * 12).status_code == 401, "there is no password to log in with"


def test_a_key_rotated_at_the_provider_is_picked_up(
    open_api: Callable[..., LiveApi], provider: IdentityProvider
) -> None:
    api = open_api(oidc_auto_create=True)
    assert travel(api, provider).status_code == 303
    assert travel(api, provider).status_code == 303
    assert provider.key_requests == 1, "keys are kept"
    provider.rotate()
    assert travel(api, provider).status_code == 303
    assert provider.key_requests == 2


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""])
def test_nobody_is_sent_to_another_server(
    open_api: Callable[..., LiveApi], provider: IdentityProvider, to: str
) -> None:
    assert travel(open_api(oidc_auto_create=True), provider, to=to).headers["location"] == "/"


BENT: dict[str, tuple[dict[str, Any], str]] = {
    "wrong nonce": ({"nonce": "another"}, "RS256"),
    "no nonce": ({"nonce": None}, "RS256"),
    "foreign issuer": ({"iss": "https://evil.example"}, "RS256"),
    "foreign audience": ({"aud": "another-client"}, "RS256"),
    "issued for another party": ({"aud": [CLIENT_ID, "b"], "azp": "b"}, "RS256"),
    "expired": ({"exp": int(time.time()) - 3600}, "RS256"),
    "no subject": ({"sub": ""}, "RS256"),
    "alg none": ({}, "none"),
    "public key as HMAC secret": ({}, "HS256"),
}


@pytest.mark.parametrize("name", BENT)
def test_an_id_token_that_is_not_good_lets_nobody_in(
    open_api: Callable[..., LiveApi], provider: IdentityProvider, name: str
) -> None:
    api = open_api(oidc_auto_create=True)
    provider.claims, provider.algorithm = BENT[name]
    answer = travel(api, provider)
    assert answer.status_code == 401
    assert "etlmon_session" not in answer.headers.get("set-cookie", "")
    assert outcomes(api) == ["bad-token"]
    assert api.control.users.list_users(limit=10, offset=0)[1] == 0


def test_a_key_of_somebody_else_lets_nobody_in(open_api: Callable[..., LiveApi], provider: IdentityProvider) -> None:
    api = open_api(oidc_auto_create=True)
    assert travel(api, provider).status_code == 303
    known = provider.documents()
    provider.rotate()
    provider.documents = lambda: known  # type: ignore[method-assign]
    assert travel(api, provider).status_code == 401


def test_an_answer_that_does_not_belong_to_this_browser_is_refused(
    open_api: Callable[..., LiveApi], provider: IdentityProvider
) -> None:
    api = open_api(oidc_auto_create=True)
    assert travel(api, provider, state="another").status_code == 401
    assert travel(api, provider, iss="https://evil.example").status_code == 401
    assert travel(api, provider, code="invented").status_code == 401
    assert travel(api, provider, code="").status_code == 401
    left = api.client.get("/api/v1/auth/oidc/start")
    back = provider.authorize(left.headers["location"])
    api.client.cookies.clear()
    assert api.client.get("/api/v1/auth/oidc/callback", params=back).status_code == 401, "no cookie: another browser"
    forged = {"etlmon_oidc": "AAAA"}
    assert (
        api.client.get(
            "/api/v1/auth/oidc/callback", params=back, headers={"Cookie": f"etlmon_oidc={forged}"}
        ).status_code
        == 401
    )
    assert set(outcomes(api)) == {"bad-state", "foreign-issuer", "bad-token"}


def test_who_is_unknown_or_disabled_stays_out(open_api: Callable[..., LiveApi], provider: IdentityProvider) -> None:
    api = open_api()
    assert travel(api, provider).status_code == 401
    api.control.users.create_for_provider(
        "erika.m", Role.VIEWER, actor="test", oidc_subject=f"{provider.issuer}|subject-1"
    )
    me = api.client.get("/api/v1/auth/me", headers=session_of(travel(api, provider))).json()
    assert (me["username"], me["role"]) == ("erika.m", "VIEWER")
    api.control.users.change("erika.m", actor="test", is_active=False)
    assert travel(api, provider).status_code == 401
    assert outcomes(api) == ["disabled", "success", "unknown-user"]


def test_a_name_that_is_taken_is_not_handed_over(open_api: Callable[..., LiveApi], provider: IdentityProvider) -> None:
    api = open_api(oidc_auto_create=True)
    api.add_user("erika", Role.ADMIN)
    assert travel(api, provider).status_code == 401
    assert outcomes(api) == ["name-taken"]
    assert api.log_in("erika").status_code == 200


def test_a_provider_under_another_name_or_away_is_said_so(
    open_api: Callable[..., LiveApi], provider: IdentityProvider
) -> None:
    provider.said_issuer = "https://evil.example"
    wrong = open_api().client.get("/api/v1/auth/oidc/start")
    assert (wrong.status_code, wrong.json()["errorType"]) == (500, "CONFIGURATION_ERROR")
    away = open_api(oidc_issuer="http://127.0.0.1:9").client.get("/api/v1/auth/oidc/start")
    assert (away.status_code, away.json()["errorType"]) == (503, "SOURCE_UNREACHABLE")
    none = open_api(oidc_issuer=None).client.get("/api/v1/auth/oidc/start")
    assert none.status_code == 404


@pytest.mark.requirement("A14")
def test_a_provider_that_stays_away_is_not_asked_any_more(open_api: Callable[..., LiveApi]) -> None:
    api = open_api(oidc_issuer="http://127.0.0.1:9")
    api.add_user("ada", Role.ADMIN)
    answers = [api.client.get("/api/v1/auth/oidc/start") for _ in range(6)]
    assert {one.status_code for one in answers} == {503}
    assert answers[0].json()["errorType"] == "SOURCE_UNREACHABLE"
    assert answers[-1].json()["errorType"] == "CIRCUIT_OPEN", "ten failed tries are enough"
    listed = api.client.get("/api/v1/breakers", headers=api.bearer("ada")).json()["items"]
    assert [(one["name"], one["state"]) for one in listed] == [("oidc http://127.0.0.1:9", "OPEN")]
