"""No secret leaves: canaries are planted wherever a secret can be given, everything is exercised, everything is searched (A4, A5).

Also searched: what Dagster stores, dumps of every table, the lake, every file of the home but HOME/secrets.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from dagster import DagsterInstance, DailyPartitionsDefinition, RunConfig, materialize

from domain.access.permissions import Role
from etlmon_assets.capture import build_capture_assets
from resources.clock import utc_now
from resources.control_plane import open_control_plane
from resources.dagster_bindings import PlatformResource
from tests.fakes.api_server import ApiServer, serving
from tests.fakes.canaries import Canaries, writings
from tests.fakes.faulty_http import Asked, FaultyHttp, Reply, reply_json
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
    *("/loaders", "/loaders/CANARY-A", "/audit", "/users", "/keys", "/login"),
)
ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.timeout(600),
]


def echo(asked: Asked) -> Reply:
    """A source at its worst: everything it was sent comes back in its error, headers, query and all."""
    said = f"{asked.path} {json.dumps(asked.fields)} {json.dumps(asked.headers)} {asked.headers}"
    if "teapot" in asked.path:
        return reply_json(said, status=418)
    if "refuse" in asked.path:
        return reply_json(said, status=401)
    if "strange" in asked.path:
        return reply_json(said)
    if "broken" in asked.path:
        return reply_json(said, status=500)
    return reply_json(json.dumps({"status": "error", "errorType": "bad_data", "error": said}), status=400)


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
    return made


def definition(code: str, url: str, **connection: Any) -> dict[str, Any]:
    return {
        "code": code, "title": f"title of {code}", "source": "prometheus", "schedule": "*/5 * * * *", "step_s": 60, "history_s": 600,
        "expected_latency_s": 0, "connection": {"url": url, **connection}, "prometheus": [{"metric_name": "m", "promql": "up"}],
    }  # fmt: skip


class Client:
    """HTTP in the name of one user; every answer is kept for the search."""

    def __init__(self, server: ApiServer, canaries: Canaries, name: str) -> None:
        self._server, self._canaries, self._name = server, canaries, name
        self.headers: dict[str, str] = {}

    def ask(
        self, method: str, path: str, *, is_secret_answer: bool = False, expects: int | None = None, **given: Any
    ) -> httpx.Response:
        headers = {**self.headers, **given.pop("headers", {})}
        answer = self._server.client.request(method, path, headers=headers, **given)
        if expects is not None:
            assert answer.status_code == expects, f"{method} {path}: {answer.text}"
        if not is_secret_answer:
            place = f"answer to {self._name}: {method} {path.partition('?')[0]} {answer.status_code}"
            self._canaries.keep(place, unpacked(answer.content))
            self._canaries.keep(place, str(dict(answer.headers)))
        return answer

    def log_in(self, password: str) -> dict[str, Any]:
        body = {"username": self._name, "password": password}
        answer = self.ask("POST", "/api/v1/auth/login", json=body, is_secret_answer=True, expects=200).json()
        self._canaries.plant(f"access token of {self._name}", answer["accessToken"])
        self._canaries.plant(f"refresh token of {self._name}", answer["refreshToken"])
        self.headers = {"Authorization": f"Bearer {answer['accessToken']}"}
        found: dict[str, Any] = answer
        return found


def unpacked(content: bytes) -> bytes:
    """A workbook with its parts; anything else as it is."""
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return content + b"\n".join(archive.read(name) for name in archive.namelist())


@pytest.mark.requirement("A4")
@pytest.mark.requirement("A5")
@pytest.mark.requirement("A9")
@pytest.mark.requirement("A11")
def test_no_planted_secret_is_found_anywhere(
    platform: Platform, source: FaultyHttp, canaries: Canaries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_people(platform, canaries)
    with serving(platform, rate_limit_per_minute=100_000) as server:
        people = {name: Client(server, canaries, name) for name in ("admin", "operator", "viewer")}
        log_everybody_in(people, canaries)
        live_through_versions(people, canaries, source)
        type_secrets_in_wrong_places(people["operator"], people["admin"], canaries)
        run_keys_and_tokens(people["admin"], canaries)
        capture_with_dagster(platform, monkeypatch, tmp_path)
        read_everything(people)
    assert len(source.asked) > 3, "the source was never asked, so it could not echo"
    seen = "".join(f"{one.headers}{one.fields}" for one in source.asked)
    assert canaries.values["query secret"] in seen, "the source did get the secrets"
    assert canaries.values["header"] in seen
    plant_keys(platform, canaries)
    collect_storage(platform, canaries)
    collect_files(platform, canaries)
    assert canaries.leaks() == []
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
    with_password = {"username": "db-user", "password": known["password"],
                     "headers": {"X-Api-Key": known["header"]}, "verify_tls": False}  # fmt: skip
    query = f"?token={known['query secret']}&tenant=a"
    in_url = source.url.replace("://", f"://url-user:{known['url password']}@")
    bodies = [definition("CANARY-A", f"{source.url}{query}", **with_password), definition("CANARY-B", in_url)]
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


def capture_with_dagster(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every loader of the canaries fails, and what its source said goes into ledger, metadata, events and checks."""
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


def read_everything(people: dict[str, Client]) -> None:
    for one in people.values():
        for path in EVERYTHING:
            one.ask("GET", path)
        for sequence in range(1, 60):
            one.ask("GET", f"/api/v1/audit/{sequence}")


def plant_keys(platform: Platform, canaries: Canaries) -> None:
    """What lies in HOME/secrets must lie nowhere else."""
    for path in (platform.settings.home / "secrets").glob("[!.]*"):
        content = path.read_bytes()
        if path.name == "push.token":
            canaries.plant(path.name, content.decode().strip())
        elif path.name == "encryption.key":
            for number, at in enumerate(range(0, len(content), 40)):
                canaries.plant(f"{path.name} {number}", content[at + 8 : at + 40].hex())
        else:
            canaries.plant(path.name, content.hex())


def collect_storage(platform: Platform, canaries: Canaries) -> None:
    with psycopg.connect(platform.url.libpq()) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            with connection.cursor() as cursor:
                rows = cursor.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()  # type: ignore[call-overload]
            for row in rows:
                for cell in row:
                    canaries.keep(
                        f"table {schema}.{table}",
                        (cell if isinstance(cell, bytes) else str(cell).encode("utf-8", "replace")) + b"\n",
                    )
    for table in platform.lake.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'")[
        "table_name"
    ]:
        canaries.keep(f"lake {table}", platform.lake.query(f'SELECT * FROM "{table}"').write_csv())
    ledger = platform.lake.query("SELECT reason FROM capture_ledger WHERE reason IS NOT NULL")
    assert ledger.height > 5, "the captures failed with a reason"


def collect_files(platform: Platform, canaries: Canaries) -> None:
    for path in platform.settings.home.rglob("*"):
        if path.is_file() and "secrets" not in path.relative_to(platform.settings.home).parts:
            canaries.keep(f"file {path.relative_to(platform.settings.home)}", path.read_bytes())


@pytest.mark.requirement("A4")
def test_the_search_finds_every_writing() -> None:
    """A search that cannot find proves nothing."""
    for form in writings('cnry/Pw"ü x'):
        canaries = Canaries({"planted": 'cnry/Pw"ü x'})
        canaries.keep("a file", b"before " + form + b" after")
        assert canaries.leaks()
