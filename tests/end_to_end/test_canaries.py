"""No secret leaves: canaries are planted wherever a secret can be given, everything is exercised, everything is searched (A4, A5).

Also searched: what Dagster stores, dumps of every table, the lake, every file of the home but HOME/secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance, DailyPartitionsDefinition, RunConfig, materialize

from domain.access.permissions import Role
from etlmon_assets.capture import build_capture_assets
from resources.clock import utc_now
from resources.control_plane import open_control_plane
from resources.dagster_bindings import PlatformResource
from tests.fakes.api_server import serving
from tests.fakes.canaries import Canaries
from tests.fakes.canary_search import collect_files, collect_storage, plant_keys
from tests.fakes.canary_world import Client, definition, echo
from tests.fakes.faulty_http import FaultyHttp
from tests.fakes.platform import Platform

LOADERS = "/api/v1/loaders"
EVERYTHING = (
    *(LOADERS, f"{LOADERS}/imports", f"{LOADERS}/CANARY-A/versions", "/readyz", "/metrics", "/api/openapi.json"),
    *("/api/v1/audit?limit=500", "/api/v1/audit/export?format=csv", "/api/v1/audit/export?format=jsonl"),
    *(
        f"/api/v1/{name}"
        for name in ("login-audit", "users", "keys", "api-tokens", "field-policies", "breakers", "rate-limits")
    ),
    *("/api/v1/auth/me", "/api/v1/auth/sessions"),
    f"{LOADERS}/CANARY-A/diff?from=1&to=2",
)
PAGES = (
    *("/loaders", "/loaders/CANARY-A", "/loaders/CANARY-A/versions/1", "/loaders/CANARY-A/diff?old=1&new=2", "/import"),
    *("/loaders/CANARY-A/versions/2/edit", "/loaders/CANARY-A/versions/2/impact", "/audit", "/users", "/keys"),
    *("/logins", "/policies", "/breakers", "/limits", "/tokens", "/account"),
)
#: A platform without a running Dagster is not ready, and says why.
MAY_FAIL = ("/readyz",)
#: What every role may see.
FOR_ALL = (
    LOADERS,
    f"{LOADERS}/CANARY-A/versions",
    f"{LOADERS}/CANARY-A/diff?from=1&to=2",
    "/api/v1/auth/me",
    *PAGES[:4],
)
ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def source() -> Iterator[FaultyHttp]:
    with FaultyHttp(echo) as running:
        yield running


@pytest.fixture
def canaries() -> Canaries:
    made = Canaries()
    for name, value in {
        "password": "cnryPw7f3a9/ü&'\"x \\y",
        "password of the draft": "cnryPd81c2+z%41",
        "header": "cnryHd5502==",
        "bearer": "cnryBr6613aaaa",
        "url password": "cnryUp7724",
        "query secret": "cnryQs8835",
        "admin's password": "cnryAp9946 four words",
        "first password": "cnryFp1057 four words",
        "operator's password": "cnryOp2168 four words",
        "new password": "cnryNp3279 four words",
        "mistyped password": "cnryMp4380 four words",
        "misplaced password": "cnryXp5491",
    }.items():
        made.plant(name, value)
    for name, value in {"url of a loader": "cnryVu1928", "user name of a loader": "cnryVn2817"}.items():
        made.plant(name, value, among="answer to viewer")
    return made


@pytest.fixture
def capture_with_dagster(
    platform: Platform,
    canaries: Canaries,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> Callable[[], None]:
    """Every loader of the canaries fails, and what its source said goes into ledger, metadata, events, checks and logs."""

    def capture() -> None:
        capfd.readouterr()
        home, assert_url = tmp_path / "dagster", platform.settings.database_url
        assert assert_url is not None
        home.mkdir()
        (home / "dagster.yaml").write_text((ROOT / "deploy" / "dagster.yaml").read_text())
        monkeypatch.setenv("ETLMON_HOME", str(platform.settings.home))
        monkeypatch.setenv("ETLMON_DATABASE_URL", assert_url.get_secret_value())
        monkeypatch.setenv("ETLMON_DAGSTER_URL", platform.url.dagster())
        today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
        asset = build_capture_assets(DailyPartitionsDefinition(start_date=today - timedelta(days=3), end_offset=1))
        with DagsterInstance.from_config(str(home)) as instance:
            done = materialize(
                [asset], partition_key=f"{today:%Y-%m-%d}", resources={"platform": PlatformResource()}, instance=instance,
                run_config=RunConfig(ops={"capture": {"config": {"mode": "due"}}}),
            )  # fmt: skip
        assert done.success
        printed = capfd.readouterr()
        assert "RUN_SUCCESS" in printed.err, "what Dagster logs is among what is searched"
        canaries.keep("what the capture printed", printed.out + printed.err)

    return capture


@pytest.mark.requirement("A4")
@pytest.mark.requirement("A5")
@pytest.mark.requirement("A9")
@pytest.mark.requirement("A11")
def test_no_planted_secret_is_found_anywhere(
    platform: Platform, source: FaultyHttp, canaries: Canaries, capture_with_dagster: Callable[[], None], tmp_path: Path
) -> None:
    make_people(platform, canaries)
    with serving(platform, rate_limit_per_minute=100_000) as server:
        people = {name: Client(server, canaries, name) for name in ("admin", "operator", "viewer")}
        log_everybody_in(people, canaries)
        live_through_versions(people, canaries, source)
        type_secrets_in_wrong_places(people["operator"], people["admin"], canaries)
        run_keys_and_tokens(people["admin"], canaries)
        capture_with_dagster()
        read_everything(people)
    assert len(source.asked) > 3, "the source was never asked, so it could not echo"
    seen = "".join(f"{one.headers}{one.fields}" for one in source.asked)
    assert canaries.values["query secret"] in seen, "the source did get the secrets"
    assert canaries.values["header"] in seen
    plant_keys(platform, canaries)
    collect_storage(platform, canaries)
    collect_files(tmp_path, canaries)
    assert canaries.leaks() == []
    assert {"table dagster.event_logs", "table etlmon.audit_entries", "what the capture printed"} <= set(
        canaries.places
    )
    assert [one for one in canaries.places if one.startswith("file dagster/") and one.endswith(".err")], "compute logs"
    where = canaries.found_in("url of a loader", "user name of a loader")
    assert where & {f"answer to operator: GET {LOADERS}/CANARY-A/versions/1 200"}, "others than viewers do see them"
    assert len(canaries.places) > 50, canaries.places


def make_people(platform: Platform, canaries: Canaries) -> None:
    with open_control_plane(platform.settings, platform.url) as control:
        for name, role in (("admin", Role.ADMIN), ("operator", Role.OPERATOR), ("viewer", Role.VIEWER)):
            control.users.create(name, role, actor="test", password=canaries.values["first password"])


def log_everybody_in(people: dict[str, Client], canaries: Canaries) -> None:
    known = canaries.values
    for name, one in people.items():
        one.ask(
            "POST", "/api/v1/auth/login", json={"username": name, "password": known["mistyped password"]}, expects=401
        )
        one.log_in(known["first password"])
        chosen = known["admin's password" if name == "admin" else "operator's password"]
        body = {"currentPassword": known["first password"], "newPassword": chosen}
        one.ask("POST", "/api/v1/auth/password", json=body, expects=204)
        answer = one.log_in(chosen)
        renewed = one.ask(
            "POST", "/api/v1/auth/refresh", json={"refreshToken": answer["refreshToken"]}, is_secret_answer=True
        )
        assert renewed.status_code == 200
        one.headers = {
            "Authorization": f"Bearer {canaries.plant(f'second token of {name}', renewed.json()['accessToken'])}"
        }
        canaries.plant(f"second refresh token of {name}", renewed.json()["refreshToken"])


def live_through_versions(people: dict[str, Client], canaries: Canaries, source: FaultyHttp) -> None:
    known, admin, operator = canaries.values, people["admin"], people["operator"]
    with_password = {"username": known["user name of a loader"], "password": known["password"],
                     "headers": {"X-Api-Key": known["header"]}, "verify_tls": False}  # fmt: skip
    query = f"?token={known['query secret']}&tenant=a"
    in_url = source.url.replace("://", f"://url-user:{known['url password']}@")
    bodies = [
        definition("CANARY-A", f"{source.url}/{known['url of a loader']}{query}", **with_password),
        definition("CANARY-B", in_url),
    ]
    bearer = {"headers": {"Authorization": f"Bearer {known['bearer']}"}}
    for place in ("teapot", "refuse", "strange", "broken"):
        bodies.append(definition(f"CANARY-{place.upper()}", f"{source.url}/{place}", **bearer))
        bodies.append(definition(f"CANARY-{place.upper()}-PW", f"{source.url}/{place}{query}", **with_password))
    for body in bodies:
        made = operator.ask("POST", LOADERS, json={"definition": body}, expects=201)
        code, path = body["code"], f"{LOADERS}/{body['code']}/versions/1"
        for one in people.values():
            one.ask("GET", path, expects=200)
            one.ask("GET", f"{LOADERS}/{code}", expects=200)
        operator.ask("POST", f"{path}/preview", expects=200)
        operator.ask("POST", f"{path}/submit", json={}, headers={"If-Match": made.headers["ETag"]})
        shown = admin.ask("GET", path, expects=200).json()
        admin.ask("POST", f"{path}/approve", json={"contentHash": shown["contentHash"]}, expects=200)
    edit_and_compare(people, canaries)


def edit_and_compare(people: dict[str, Client], canaries: Canaries) -> None:
    operator, code = people["operator"], f"{LOADERS}/CANARY-A"
    made = operator.ask("POST", f"{code}/drafts", json={"basedOn": 1}, expects=201)
    changed = made.json()["definition"]
    changed["connection"]["password"] = canaries.values["password of the draft"]
    etag = {"If-Match": made.headers["ETag"]}
    operator.ask("PUT", f"{code}/versions/2", json={"definition": changed}, headers=etag, expects=200)
    stolen = {**changed, "connection": {**changed["connection"], "url": "http://127.0.0.1:9/"}}
    operator.ask("PUT", f"{code}/versions/2", json={"definition": stolen}, headers=etag)
    for one in people.values():
        one.ask("GET", f"{code}/diff", params={"from": 1, "to": 2}, expects=200)
    operator.ask("POST", f"{code}/versions/2/preview", expects=200)
    for one in people.values():
        answer = one.ask("GET", f"{LOADERS}/export.xlsx", expects=200)
    page = {"Accept": "text/html"}
    operator.ask("POST", "/loaders/CANARY-A/versions/2/impact", headers=page, expects=200)
    uploaded = operator.ask("POST", "/import", files={"file": ("back.xlsx", answer.content)}, headers=page, expects=303)
    operator.ask("GET", uploaded.headers["location"], headers=page, expects=200)
    operator.ask("POST", f"{LOADERS}/import", params={"dry_run": "true"}, content=answer.content,
                 headers={"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"})  # fmt: skip


def type_secrets_in_wrong_places(operator: Client, admin: Client, canaries: Canaries) -> None:
    """What people do: a password in the wrong field, the wrong type, a broken url."""
    value = canaries.values["misplaced password"]
    for connection in (
        {"url": f"http://u:{value}@[broken"}, {"url": "http://h", "password": [value]}, {"url": "http://h", "headers": {"a": [value]}},
        {"url": "http://h", "pasword": value}, {"url": f"http://u:{value}/x@h:99999"},
    ):  # fmt: skip
        body = {**definition("CANARY-X", "http://h"), "connection": connection}
        operator.ask("POST", LOADERS, json={"definition": body})
    operator.ask("POST", "/api/v1/auth/login", json={"username": "operator", "password": [value]}, expects=422)
    operator.ask("POST", "/api/v1/auth/login", content=f'{{"username": "operator", "password": "{value}"')
    operator.ask("POST", "/api/v1/auth/password", json={"currentPassword": value, "newPassword": "short"})
    operator.ask("GET", "/api/v1/auth/me", headers={"Authorization": f"Bearer {value}"}, expects=401)
    operator.ask("GET", "/api/v1/auth/me", headers={"Authorization": f"Basic {value}"}, expects=401)
    operator.ask("GET", "/api/v1/auth/me", headers={"Cookie": f"etlmon_session={value}"})
    admin.ask("POST", "/api/v1/users", json={"username": "x", "role": "VIEWER", "password": value})
    admin.ask(
        "PUT",
        "/api/v1/field-policies",
        json={"resource": "loaders", "field": "x", "role": "ADMIN", "effect": "VISIBLE"},
    )


def run_keys_and_tokens(admin: Client, canaries: Canaries) -> None:
    body = {"name": "robot", "role": "VIEWER", "scopes": ["loaders:read"], "expiresInDays": 3}
    issued = admin.ask("POST", "/api/v1/api-tokens", json=body, is_secret_answer=True)
    assert issued.status_code == 201, issued.text
    token = canaries.plant("API token", issued.json()["token"])
    admin.ask("GET", LOADERS, headers={"Authorization": f"Bearer {token}"}, expects=200)
    new = {"username": "newcomer", "role": "VIEWER", "password": canaries.values["new password"]}
    admin.ask("POST", "/api/v1/users", json=new, is_secret_answer=True, expects=201)
    admin.ask("POST", "/api/v1/keys/rotate", expects=200)
    admin.ask("POST", "/api/v1/keys/signing/rotate", expects=200)
    admin.ask("POST", "/api/v1/audit/verify", expects=200)


def read_everything(people: dict[str, Client]) -> None:
    """Everything there is to read, by everybody: an answer that is neither the content nor a refusal proves nothing."""
    for name, one in people.items():
        for path in (*EVERYTHING, *PAGES):
            accept = "text/html" if path in PAGES else "*/*"
            status = one.ask("GET", path, headers={"Accept": accept}).status_code
            allowed = {200} if name == "admin" or path in FOR_ALL else {200, 403}
            assert status in allowed or path in MAY_FAIL, f"{name} {path}: {status}"
    entries = people["admin"].ask("GET", "/api/v1/audit?limit=1").json()["total"]
    assert entries > 40
    for sequence in range(1, entries + 1):
        people["admin"].ask("GET", f"/api/v1/audit/{sequence}", expects=200)
        people["admin"].ask("GET", f"/audit/{sequence}", headers={"Accept": "text/html"}, expects=200)
