"""Users and API tokens as an admin handles them: over the API, each change guarded, recorded, and effective at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from domain.access.permissions import Caller, Role
from domain.errors import ConflictError, EtlmonError, InputDataError
from resources.clock import utc_now
from tests.fakes.live_api import PASSWORD, LiveApi, live_api
from tests.fakes.platform import Platform

USERS = "/api/v1/users"
TOKENS = "/api/v1/api-tokens"
ME = "/api/v1/auth/me"


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    with live_api(platform.settings, platform.url) as running:
        running.add_user("admin", Role.ADMIN)
        yield running


@pytest.fixture
def admin(api: LiveApi) -> dict[str, str]:
    return api.bearer("admin")


def audited(api: LiveApi) -> list[tuple[str, str, str]]:
    with api.control.engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT actor, action, resource_id FROM audit_entries ORDER BY sequence"
        ).all()
    return [tuple(row) for row in rows]  # type: ignore[misc]


@pytest.mark.requirement("A1")
def test_a_new_user_has_to_change_the_password_and_then_may_work(api: LiveApi, admin: dict[str, str]) -> None:
    made = api.client.post(USERS, json={"username": "erika", "role": "OPERATOR"}, headers=admin)
    assert made.status_code == 201
    first = made.json()["initialPassword"]
    assert len(first) >= 20
    erika = api.bearer("erika", password=first)
    assert api.client.get("/api/v1/signals/funnel", headers=erika).status_code == 403
    body = {"currentPassword": first, "newPassword": PASSWORD}
    assert api.client.post("/api/v1/auth/password", json=body, headers=erika).status_code == 204
    assert api.client.get("/api/v1/signals/funnel", headers=erika).status_code == 200
    assert [row[1:] for row in audited(api)][-2:] == [("user.create", "erika"), ("user.change-password", "erika")]
    with api.control.engine.begin() as connection:
        written = str(connection.exec_driver_sql("SELECT before, after FROM audit_entries").all())
    assert first not in written
    assert "argon2" not in written


def test_wrong_names_passwords_and_fields_are_refused_with_the_reason(api: LiveApi, admin: dict[str, str]) -> None:
    def add(**body: Any) -> httpx.Response:
        return api.client.post(USERS, json={"role": "VIEWER", **body}, headers=admin)

    for name in ("Erika", "1erika", "e", "e r", "é", "x" * 65, "../x", "cli:root", ""):
        assert add(username=name).status_code == 422, name
    assert "12" in add(username="erika", password="short").json()["reason"]
    assert add(username="erika", isActive=True).status_code == 422
    assert api.client.post(USERS, json={"username": "erika", "role": "ROOT"}, headers=admin).status_code == 422
    assert add(username="admin").status_code == 409
    assert api.client.get(f"{USERS}/nobody", headers=admin).status_code == 404


@pytest.mark.requirement("A2")
def test_another_role_or_disabling_ends_sessions_at_once_and_the_name_stays(
    api: LiveApi, admin: dict[str, str]
) -> None:
    api.add_user("erika", Role.OPERATOR)
    erika = api.bearer("erika")
    changed = api.client.patch(f"{USERS}/erika", json={"role": "VIEWER"}, headers=admin)
    assert (changed.status_code, changed.json()["role"], changed.headers["etag"]) == (200, "VIEWER", '"erika.2"')
    assert api.client.get(ME, headers=erika).status_code == 401
    erika = api.bearer("erika")
    assert api.client.delete(f"{USERS}/erika", headers=admin).status_code == 204
    assert api.client.get(ME, headers=erika).status_code == 401
    assert api.log_in("erika").status_code == 401
    assert api.client.get(f"{USERS}/erika", headers=admin).json()["isActive"] is False
    assert api.client.patch(f"{USERS}/erika", json={"isActive": True}, headers=admin).status_code == 200
    assert api.client.get(ME, headers=erika).status_code == 401, "an ended session does not come back"
    assert api.log_in("erika").status_code == 200
    actions = [row for row in audited(api) if row[0] == "admin"]
    assert actions == [("admin", "user.change", "erika")] * 3


def test_a_change_on_stale_knowledge_is_refused(api: LiveApi, admin: dict[str, str]) -> None:
    api.add_user("erika")
    tag = api.client.get(f"{USERS}/erika", headers=admin).headers["etag"]

    def change(role: str, if_match: str) -> int:
        return api.client.patch(
            f"{USERS}/erika", json={"role": role}, headers={**admin, "If-Match": if_match}
        ).status_code

    assert change("OPERATOR", tag) == 200
    assert change("ADMIN", tag) == 412
    assert change("VIEWER", "*") == 200
    for wrong in ('"otto.1"', "erika", '"erika.x"', '"erika.99999999999999999999"', '"erika.-1"'):
        assert change("ADMIN", wrong) == 422, wrong


@pytest.mark.requirement("A2")
def test_the_last_active_admin_stays_one(api: LiveApi, admin: dict[str, str]) -> None:
    for body in ({"role": "OPERATOR"}, {"isActive": False}):
        answer = api.client.patch(f"{USERS}/admin", json=body, headers=admin)
        assert (answer.status_code, answer.json()["errorType"]) == (409, "CONFLICT")
    assert api.client.delete(f"{USERS}/admin", headers=admin).status_code == 409
    api.add_user("second", Role.ADMIN)
    assert api.client.patch(f"{USERS}/second", json={"isActive": False}, headers=admin).status_code == 200
    assert api.client.delete(f"{USERS}/admin", headers=admin).status_code == 409, "a disabled admin does not count"


@pytest.mark.requirement("A2")
def test_admins_who_remove_each_other_at_the_same_moment_leave_one(api: LiveApi) -> None:
    names = ["admin", "b1", "b2", "b3"]
    for name in names[1:]:
        api.add_user(name, Role.ADMIN)

    def remove(name: str) -> str:
        try:
            api.control.users.change(name, actor="other", is_active=False)
        except ConflictError:
            return "refused"
        return "removed"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(remove, names)) == ["refused", "removed", "removed", "removed"]


def test_an_admin_resets_a_password_and_logs_somebody_out(api: LiveApi, admin: dict[str, str]) -> None:
    api.add_user("erika")
    erika = api.bearer("erika")
    assert api.client.post(f"{USERS}/erika/end-sessions", headers=admin).json() == {"ended": 1}
    assert api.client.get(ME, headers=erika).status_code == 401
    fresh = api.client.post(f"{USERS}/erika/reset-password", json={}, headers=admin).json()["initialPassword"]
    assert api.log_in("erika").status_code == 401
    assert api.log_in("erika", password=fresh).json()["hasToChangePassword"] is True
    assert api.client.post(f"{USERS}/nobody/reset-password", json={}, headers=admin).status_code == 404


def test_lists_are_paged(api: LiveApi, admin: dict[str, str]) -> None:
    for number in range(3):
        api.control.users.create_for_provider(f"user{number}", Role.VIEWER, actor="test", oidc_subject=f"i|{number}")
    page = api.client.get(USERS, params={"limit": 2, "offset": 1}, headers=admin).json()
    assert (page["total"], [one["username"] for one in page["items"]]) == (4, ["user0", "user1"])
    assert api.client.get(USERS, params={"limit": 501}, headers=admin).status_code == 422


def make(api: LiveApi, admin: dict[str, str], **body: Any) -> httpx.Response:
    asked = {"name": "ci", "role": "OPERATOR", "scopes": ["signals:push"], "expiresInDays": 30, **body}
    return api.client.post(TOKENS, json=asked, headers=admin)


@pytest.mark.requirement("A2")
def test_an_api_token_is_shown_once_does_its_scopes_and_can_be_revoked(api: LiveApi, admin: dict[str, str]) -> None:
    made = make(api, admin, scopes=["signals:read"])
    token, token_id = made.json()["token"], made.json()["tokenId"]
    assert token.startswith(f"etlmon_{token_id}_")
    machine = {"Authorization": f"Bearer {token}"}
    assert api.client.get("/api/v1/signals/funnel", headers=machine).status_code == 200
    assert api.client.get(USERS, headers=machine).status_code == 403
    assert api.client.get(ME, headers=machine).status_code == 403
    shown = api.client.get(f"{TOKENS}/{token_id}", headers=admin)
    assert shown.json()["lastUsedAt"] is not None
    assert token.rsplit("_", 1)[1] not in shown.text + api.client.get(TOKENS, headers=admin).text
    for wrong in (token[:-1] + ("A" if token[-1] != "A" else "B"), token.replace(token_id, "0" * 16), token + "x"):
        assert api.client.get("/api/v1/signals/funnel", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
    assert api.client.delete(f"{TOKENS}/{token_id}", headers=admin).status_code == 204
    assert api.client.delete(f"{TOKENS}/{token_id}", headers=admin).status_code == 204
    assert api.client.get("/api/v1/signals/funnel", headers=machine).status_code == 401
    assert [row[1] for row in audited(api) if row[0] == "admin"] == ["api-token.create", "api-token.revoke"]


@pytest.mark.requirement("A2")
def test_a_token_gets_no_more_than_its_role_and_its_maker_may(api: LiveApi, admin: dict[str, str]) -> None:
    assert "persons only" in make(api, admin, scopes=["loaders:approve"]).json()["reason"]
    assert "nothing that VIEWER may" in make(api, admin, role="VIEWER").json()["reason"]
    for scopes in (["users:edit"], ["nothing:read"], ["signals"], [], [""]):
        assert make(api, admin, scopes=scopes).status_code == 422, scopes
    for days in (0, 366, -1, 10**9):
        assert make(api, admin, expiresInDays=days).status_code == 422, days
    api.add_user("second", Role.ADMIN)
    made = make(api, api.bearer("second"), role="ADMIN", scopes=["signals:read", "users:read"]).json()["token"]
    machine = {"Authorization": f"Bearer {made}"}
    assert api.client.get(USERS, headers=machine).status_code == 200
    api.client.patch(f"{USERS}/second", json={"role": "VIEWER"}, headers=admin)
    assert api.client.get(USERS, headers=machine).status_code == 403, "who made it may no more"
    assert api.client.get("/api/v1/signals/funnel", headers=machine).status_code == 200
    api.client.delete(f"{USERS}/second", headers=admin)
    assert api.client.get("/api/v1/signals/funnel", headers=machine).status_code == 401


@pytest.mark.requirement("A1")
def test_an_expired_token_is_refused(api: LiveApi) -> None:
    issue = api.control.api_tokens.issue
    actor = Caller("admin", Role.ADMIN)
    token = issue(
        actor=actor, name="t", role=Role.VIEWER, scopes=["signals:read"], expires_at=utc_now() + timedelta(hours=1)
    )
    machine = {"Authorization": f"Bearer {token.token}"}
    assert api.client.get("/api/v1/signals/funnel", headers=machine).status_code == 200
    with api.control.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE api_tokens SET expires_at = now() - interval '1 second'")
    assert api.client.get("/api/v1/signals/funnel", headers=machine).status_code == 401
    with pytest.raises(InputDataError):
        issue(
            actor=actor, name="t", role=Role.VIEWER, scopes=["signals:read"], expires_at=utc_now() + timedelta(days=366)
        )


def test_errors_of_services_are_ours(api: LiveApi) -> None:
    for call in (
        lambda: api.control.users.read("nobody"),
        lambda: api.control.users.unlock("nobody", actor="t"),
        lambda: api.control.users.end_sessions("nobody", actor="t"),
        lambda: api.control.api_tokens.revoke("0" * 16, actor="t"),
    ):
        with pytest.raises(EtlmonError):
            call()
