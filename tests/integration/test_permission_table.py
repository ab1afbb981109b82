"""Every route of the app against the permission table: each has a rule, and each role gets exactly what the table says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api.access import Access, access_of
from domain.access.permissions import PERMISSIONS, Caller, Role, is_allowed, list_scopes
from resources.access.login_audit import Visitor
from resources.clock import utc_now
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform
from tests.fakes.routes import list_routes

pytestmark = pytest.mark.requirement("A2")
#: What serves no data of the platform and so needs no rule.
WITHOUT_RULE = {"/api/openapi.json"}
#: Public, because they are where a credential is handed in: an empty one is refused there.
JUDGES_CREDENTIALS = {"/login", "/api/v1/auth/oidc/callback", "/metrics"}
#: Public, because the request or its address is signed; test_inbound.py has what happens without a good signature.
SIGNED = (
    "POST /api/v1/webhooks/twilio/",
    "POST /api/v1/webhooks/slack/",
    "POST /api/v1/webhooks/jira",
    "POST /ack/{token}",
)
PATH_VALUES = {"username": "nobody", "session_id": "0" * 32, "token_id": "0" * 16}


@dataclass(frozen=True)
class Door:
    method: str
    path: str
    access: Access

    @property
    def url(self) -> str:
        return re.sub(r"\{(\w+)[^}]*\}", lambda found: PATH_VALUES.get(found.group(1), "1"), self.path)

    def knock(self, api: LiveApi, headers: dict[str, str]) -> httpx.Response:
        # no body: who passes the guard gets no further than the check of his input wherever there is one to give
        return api.client.request(self.method, self.url, headers={"Accept": "application/json", **headers})


@pytest.fixture(scope="module")
def doors_and_rest() -> tuple[list[Door], list[BaseRoute]]:
    doors = []
    rest = []
    for route in list_routes():
        if not isinstance(route, APIRoute):
            rest.append(route)
            continue
        access = access_of(route.endpoint)
        assert access is not None, f"{route.path} has no rule"
        doors += [Door(method, route.path, access) for method in sorted(route.methods)]
    return doors, rest


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    with live_api(platform.settings, platform.url) as running:
        for role in Role:
            running.add_user(role.value.lower(), role)
        yield running


def bearer(api: LiveApi, role: Role) -> dict[str, str]:
    """A fresh session each time: some doors end the one they are opened with."""
    with api.control.engine.begin() as connection:
        logged_in = api.control.login.open_for(
            connection, role.value.lower(), visitor=Visitor("::1", ""), method="password", at=utc_now()
        )
    return {"Authorization": f"Bearer {logged_in.access_token}"}


def test_every_route_names_a_line_of_the_table(doors_and_rest: tuple[list[Door], list[BaseRoute]]) -> None:
    doors, rest = doors_and_rest
    assert len(doors) > 20
    for door in doors:
        access = door.access
        assert access == Access() or access.action in PERMISSIONS[access.resource], door
    assert {getattr(route, "path", "?") for route in rest} == WITHOUT_RULE


def test_nothing_that_changes_the_platform_is_public(doors_and_rest: tuple[list[Door], list[BaseRoute]]) -> None:
    public = {f"{door.method} {door.path}" for door in doors_and_rest[0] if door.access == Access()}
    changing = {name for name in public if not name.startswith(("GET ", "HEAD "))}
    signed = {name for name in changing if name.startswith(SIGNED)}  # they judge a signature of their own
    assert changing - signed <= {"POST /api/v1/auth/login", "POST /api/v1/auth/refresh", "POST /login", "POST /theme"}


def test_nobody_gets_in_without_a_credential(api: LiveApi, doors_and_rest: tuple[list[Door], list[BaseRoute]]) -> None:
    for door in doors_and_rest[0]:
        answer = door.knock(api, {})
        is_refused = answer.status_code == 401 or answer.headers.get("location", "").startswith("/login")
        assert is_refused == (door.access != Access()) or door.path in JUDGES_CREDENTIALS, (door, answer.status_code)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_exactly_what_the_table_says(
    api: LiveApi, doors_and_rest: tuple[list[Door], list[BaseRoute]], role: Role
) -> None:
    for door in doors_and_rest[0]:
        if door.access == Access():
            continue
        answer = door.knock(api, bearer(api, role))
        may = is_allowed(role, door.access.resource, door.access.action)
        assert (answer.status_code not in {401, 403}) == may, (role, door, answer.status_code, answer.text[:300])
        if not may:
            assert answer.status_code == 403


def test_a_machine_opens_only_the_doors_of_its_scopes(
    api: LiveApi, doors_and_rest: tuple[list[Door], list[BaseRoute]]
) -> None:
    scopes = list_scopes(Role.OPERATOR)[::2]
    issued = api.control.api_tokens.issue(
        actor=Caller("operator", Role.OPERATOR),
        name="half",
        role=Role.OPERATOR,
        scopes=scopes,
        expires_at=utc_now() + timedelta(days=1),
    )
    for door in doors_and_rest[0]:
        if door.access == Access():
            continue
        answer = door.knock(api, {"Authorization": f"Bearer {issued.token}"})
        may = f"{door.access.resource}:{door.access.action}" in scopes
        assert (answer.status_code not in {401, 403}) == may, (door, answer.status_code, answer.text[:300])


def test_who_has_to_change_the_password_gets_nothing_else(
    api: LiveApi, doors_and_rest: tuple[list[Door], list[BaseRoute]]
) -> None:
    for door in doors_and_rest[0]:
        if door.access == Access():
            continue
        headers = bearer(api, Role.ADMIN)
        with api.control.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE users SET has_to_change_password = true WHERE username = 'admin'")
        answer = door.knock(api, headers)
        is_own = door.access.resource == "session"
        is_led_there = answer.status_code == 303 and answer.headers["location"].startswith("/account/password")
        assert (answer.status_code == 403 or is_led_there) != is_own, (door, answer.status_code)


def test_a_route_without_a_rule_is_closed_to_everybody(platform: Platform) -> None:
    with live_api(platform.settings, platform.url) as api:
        api.add_user("admin", Role.ADMIN)
        app = api.app
        assert isinstance(app, FastAPI)

        @app.get("/api/v1/forgotten")
        def forgotten() -> dict[str, str]:
            return {"secret": "x"}

        answer = api.client.get("/api/v1/forgotten", headers=bearer(api, Role.ADMIN))
        assert answer.status_code == 403
        assert "secret" not in answer.text
