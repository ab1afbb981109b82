"""Audit, field policies and keys as an administrator meets them: over HTTP and on the command line."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator

import pytest

from api.cli.main import main
from domain.access.field_paths import PROTECTED
from domain.access.permissions import PERMISSIONS, Role
from resources.access.audit_trail import AuditFilter
from resources.access.field_policies import FieldPolicies
from resources.postgres.engine import transaction
from tests.fakes.api_server import until
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform
from tests.fakes.version_worlds import body

AUDIT = "/api/v1/audit"
POLICIES = "/api/v1/field-policies"
DOCUMENT = {
    "title": "=cmd()",
    "schedule": "* * * * *",
    "connection": {"username": "db-user", "password": "typed-secret", "headers": {}},
}


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    with live_api(platform.settings, platform.url) as running:
        for role in Role:
            running.add_user(role.value.lower(), role)
        yield running


def change(api: LiveApi, number: int) -> None:
    with transaction(api.control.engine) as connection:
        api.control.audit.record(
            connection, actor="erika", action="loader.edit", resource="loaders", resource_id=f"DEMO-{number}",
            before=DOCUMENT, after={**DOCUMENT, "schedule": f"{number} * * * *", "title": None},
        )  # fmt: skip


@pytest.mark.requirement("A9")
def test_reading_pages_filters_and_shows_what_changed(api: LiveApi) -> None:
    before = api.control.audit_trail.count(AuditFilter())
    for number in range(5):
        change(api, number)
    head = api.bearer("admin")
    page = api.client.get(AUDIT, params={"resource": "loaders", "limit": 3}, headers=head).json()
    assert [one["resourceId"] for one in page["items"]] == ["DEMO-4", "DEMO-3", "DEMO-2"]
    assert page["total"] == 5
    rest = api.client.get(
        AUDIT, params={"resource": "loaders", "limit": 3, "before": page["nextBefore"]}, headers=head
    ).json()
    assert ([one["resourceId"] for one in rest["items"]], rest["nextBefore"]) == (["DEMO-1", "DEMO-0"], None)
    assert page["items"][0]["changes"] == [
        {"path": "schedule", "old": "* * * * *", "new": "4 * * * *"},
        {"path": "title", "old": "=cmd()", "new": None},
    ]
    one = api.client.get(f"{AUDIT}/{before + 1}", headers=head).json()
    assert one["before"]["connection"]["password"] == "********"
    assert "typed-secret" not in str(one)
    for wrong, status in (
        ("/0", 422),
        ("/99999", 404),
        ("?since=yesterday", 422),
        ("?limit=501", 422),
    ):
        assert api.client.get(f"{AUDIT}{wrong}", headers=head).status_code == status, wrong
    for role in ("operator", "viewer"):
        assert api.client.get(AUDIT, headers=api.bearer(role)).status_code == 403


@pytest.mark.requirement("A4")
@pytest.mark.requirement("A9")
def test_the_policies_of_the_reader_apply_to_documents_changes_and_exports(api: LiveApi) -> None:
    change(api, 1)
    head = api.bearer("admin")
    for field, effect in (
        ("connection.username", "HIDDEN"),
        ("schedule", "MASKED"),
        ("connection.password", "VISIBLE"),
    ):
        policy = {"resource": "loaders", "field": field, "role": "ADMIN", "effect": effect}
        assert api.client.put(POLICIES, json=policy, headers=head).status_code == 200
    page = api.client.get(AUDIT, params={"resource": "loaders"}, headers=head).json()
    assert page["items"][0]["changes"][0] == {"path": "schedule", "old": "********", "new": "********"}
    sequence = page["items"][0]["sequence"]
    everything = "".join(
        api.client.get(f"{AUDIT}/{path}", headers=head).text
        for path in (sequence, "export?format=csv", "export?format=jsonl")
    )
    assert "db-user" not in everything
    assert "1 * * * *" not in everything
    assert "typed-secret" not in everything, "no policy widens what the past was recorded with"


@pytest.mark.requirement("A9")
def test_exports_are_whole_and_no_spreadsheet_computes_them(api: LiveApi) -> None:
    with transaction(api.control.engine) as connection:
        api.control.audit.record(
            connection, actor="@SUM(A1)", action="a.b", resource="users", resource_id="=1+1", after="-2"
        )
    for number in range(3):
        change(api, number)
    head = api.bearer("admin")
    answer = api.client.get(f"{AUDIT}/export", params={"format": "csv"}, headers=head)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    lines = [
        json.loads(line) for line in api.client.get(f"{AUDIT}/export?format=jsonl", headers=head).text.splitlines()
    ]
    assert [one["sequence"] for one in lines] == [int(row["sequence"]) for row in rows]
    assert lines[-1]["sequence"] == 1
    assert {one["actor"] for one in lines} >= {"erika", "@SUM(A1)"}


@pytest.mark.requirement("A9")
def test_verify_answers_over_http_and_as_a_command(
    api: LiveApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(api, 1)
    head = api.bearer("admin")
    answer = api.client.post(f"{AUDIT}/verify", headers=head).json()
    assert (answer["isIntact"], answer["firstBad"], answer["entries"] >= 1) == (True, None, True)
    environment(api, monkeypatch)
    assert run("audit", "verify") == 0
    assert "intact" in capsys.readouterr().out
    with transaction(api.control.engine) as connection:
        connection.exec_driver_sql("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        connection.exec_driver_sql("UPDATE audit_entries SET actor = 'eve' WHERE sequence = 1")
    assert api.client.post(f"{AUDIT}/verify", headers=head).json()["firstBad"] == 1
    assert run("audit", "verify", "--json") == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["firstBad"] == 1


@pytest.mark.requirement("A9")
def test_the_commands_list_show_and_export(
    api: LiveApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, platform: Platform
) -> None:
    change(api, 7)
    environment(api, monkeypatch)
    assert run("audit", "list", "--id", "DEMO-7") == 0
    assert "loader.edit" in capsys.readouterr().out
    assert run("audit", "list", "--id", "DEMO-7", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert run("audit", "show", str(entry["sequence"])) == 0
    assert 'schedule: "* * * * *" → "7 * * * *"' in capsys.readouterr().out
    target = platform.settings.home / "audit.csv"
    assert run("audit", "export", str(target), "--actor", "erika") == 0
    assert target.read_text().count("DEMO-7") == 1
    assert run("audit", "export", "x.pdf") == 2
    assert run("audit", "show", "999999") == 2
    assert run("audit", "list", "--since", "soon") == 2
    monkeypatch.setenv("ETLMON_PASSWORD", "four unrelated words")
    assert run("audit", "list", "--user", "viewer") == 2
    assert "NOT_PERMITTED" in capsys.readouterr().err


@pytest.mark.requirement("A4")
def test_policies_are_checked_audited_and_hold_everywhere_within_a_second(api: LiveApi) -> None:
    elsewhere = FieldPolicies(api.control.engine)
    assert elsewhere.show("loaders", DOCUMENT, Role.OPERATOR)["connection"]["username"] == "db-user"
    head = api.bearer("admin")
    policy = {"resource": "loaders", "field": "connection.username", "role": "OPERATOR", "effect": "HIDDEN"}
    assert api.client.put(POLICIES, json=policy, headers=head).json() == policy
    changed_at = time.monotonic()
    assert {**policy, "isEffective": True} in api.client.get(POLICIES, headers=head).json()["items"]
    while "username" in elsewhere.show("loaders", DOCUMENT, Role.OPERATOR)["connection"]:
        assert time.monotonic() - changed_at < 1.0, "another process still shows it"
    assert elsewhere.show("loaders", {"definition": DOCUMENT}, Role.OPERATOR)["definition"]["connection"] == {
        "password": "********",
        "headers": {},
    }
    for role in ("operator", "viewer"):
        assert api.client.put(POLICIES, json=policy, headers=api.bearer(role)).status_code == 403
    for wrong in (
        {"resource": "loader"}, {"field": "conection.password"}, {"field": "code"}, {"field": "*"}, {"field": "a..b"},
        {"role": "ROOT"}, {"effect": "GONE"}, {"more": 1},
    ):  # fmt: skip
        assert api.client.put(POLICIES, json=policy | wrong, headers=head).status_code == 422, wrong
    key = {name: policy[name] for name in ("resource", "field", "role")}
    assert api.client.delete(POLICIES, params=key, headers=head).status_code == 204
    assert api.client.delete(POLICIES, params=key, headers=head).status_code == 404
    entries = api.client.get(AUDIT, params={"resource": "field-policies"}, headers=head).json()["items"]
    assert [(one["action"], one["actor"]) for one in entries] == [
        ("field-policy.delete", "admin"),
        ("field-policy.set", "admin"),
    ]


@pytest.mark.requirement("A4")
def test_only_what_a_policy_changes_can_be_protected(api: LiveApi) -> None:
    head = api.bearer("admin")
    assert {"loaders"} == PROTECTED, "a new one needs an answer below that its policy changes"
    definition = body(owner="canary-owner")
    made = api.client.post("/api/v1/loaders", json={"definition": definition}, headers=api.bearer("operator"))
    assert made.status_code == 201, made.text
    address, viewer = "/api/v1/loaders/DEMO-A/versions/1", api.bearer("viewer")
    assert "canary-owner" in api.client.get(address, headers=viewer).text
    policy = {"resource": "loaders", "field": "owner", "role": "VIEWER", "effect": "MASKED"}
    assert api.client.put(POLICIES, json=policy, headers=head).status_code == 200
    assert "canary-owner" not in api.client.get(address, headers=viewer).text

    for resource in {*PERMISSIONS, "nothing"} - PROTECTED:
        refused = api.client.put(POLICIES, json={**policy, "resource": resource}, headers=head)
        assert (refused.status_code, refused.json()["suggestion"]) == (422, "resources that can be protected: loaders")
    page = api.client.get("/policies", headers=head).text
    assert "<option selected>loaders</option>" in page
    assert not [one for one in PERMISSIONS.keys() - PROTECTED if f"<option>{one}</option>" in page]
    assert "without effect" not in page

    with transaction(api.control.engine) as connection:  # as an earlier release took it
        connection.exec_driver_sql(
            "INSERT INTO field_policies VALUES ('users', 'role', 'ADMIN', 'HIDDEN', 'admin', now())"
        )
    old = {"resource": "users", "field": "role", "role": "ADMIN", "effect": "HIDDEN", "isEffective": False}
    until(lambda: old in api.client.get(POLICIES, headers=head).json()["items"])
    assert "users · without effect on answers" in api.client.get("/policies", headers=head).text
    key = {name: old[name] for name in ("resource", "field", "role")}
    assert api.client.delete(POLICIES, params=key, headers=head).status_code == 204


@pytest.mark.requirement("A4")
def test_the_strictest_policy_wins_and_a_secret_without_one_is_masked(api: LiveApi) -> None:
    head = api.bearer("admin")

    def put(field: str, effect: str) -> None:
        api.client.put(
            POLICIES, json={"resource": "loaders", "field": field, "role": "ADMIN", "effect": effect}, headers=head
        )

    def password() -> object:
        return (
            api.control.policies.show("loaders", DOCUMENT, Role.ADMIN).get("connection", {}).get("password", "hidden")
        )

    put("connection.password", "VISIBLE")
    assert password() == "typed-secret"
    put("connection.*", "MASKED")
    assert password() == "********"
    put("*.password", "HIDDEN")
    assert password() == "hidden"
    for field in ("connection.*", "*.password", "connection.password"):
        api.client.delete(POLICIES, params={"resource": "loaders", "field": field, "role": "ADMIN"}, headers=head)
    assert password() == "********"


@pytest.mark.requirement("A5")
def test_keys_are_listed_and_rotated_and_never_shown(
    api: LiveApi, platform: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = api.bearer("admin")
    first = api.client.get("/api/v1/keys", headers=head).json()
    assert [one["rows"] for one in first["encryption"]] == [1], "the signing key of the logins"
    done = api.client.post("/api/v1/keys/rotate", headers=head).json()
    assert (done["isNewKey"], done["done"], done["isFinished"]) == (True, 1, True)
    assert api.client.post("/api/v1/keys/prune", headers=head).status_code == 409
    assert api.client.post("/api/v1/keys/signing/rotate", headers=head).status_code == 200
    assert api.client.get("/api/v1/auth/me", headers=head).status_code == 200, "tokens of the former key hold"
    environment(api, monkeypatch)
    assert run("keys", "rotate") == 0
    assert run("keys", "rotate", "--signing") == 0
    assert run("keys", "list") == 0
    assert run("keys", "prune") == 2
    shown = capsys.readouterr().out + api.client.get("/api/v1/keys", headers=head).text
    assert "encrypts" in shown
    content = (platform.settings.home / "secrets" / "encryption.key").read_bytes()
    assert len(content) == 3 * 40
    assert content[8:40].hex() not in shown
    for role in ("operator", "viewer"):
        assert api.client.get("/api/v1/keys", headers=api.bearer(role)).status_code == 403
        assert api.client.post("/api/v1/keys/rotate", headers=api.bearer(role)).status_code == 403


def environment(api: LiveApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the same platform."""
    settings = api.control.settings
    assert settings.database_url is not None
    monkeypatch.setenv("ETLMON_HOME", str(settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", settings.database_url.get_secret_value())


def run(*arguments: str) -> int:
    try:
        main(list(arguments))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
