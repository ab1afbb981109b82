"""Migrations: from empty, from the previous release with its data, and from many processes at once (A16)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from api.cli.main import main
from domain.access.field_protection import Effect, FieldPolicy
from domain.access.permissions import Caller, Role
from domain.access.rate_limits import LimitScope
from resources.access.audit_trail import AuditFilter
from resources.control_plane import ControlPlane, open_control_plane
from resources.lake.connection import open_lake
from resources.lake.schema import migrate_lake
from resources.platform import prepare_storage
from resources.postgres.engine import make_engine, transaction
from resources.postgres.migrate import current_revision, head_revision, migrate
from resources.postgres.url import DatabaseUrl
from resources.push_inbox import PushInbox
from resources.settings import Settings
from tests.fakes.crash_workers import batch_frame, pushed_loader
from tests.fakes.live_api import PASSWORD, live_api
from tests.fakes.version_worlds import body
from tests.fakes.workbooks import prometheus_loader, workbook_bytes

NOW = datetime(2026, 3, 10, tzinfo=UTC)
ANN, BOB = Caller("ann", Role.OPERATOR), Caller("bob", Role.OPERATOR)


@pytest.fixture
def url(postgres_url: str) -> DatabaseUrl:
    return DatabaseUrl.parse(postgres_url)


@pytest.fixture
def engine(url: DatabaseUrl) -> Iterator[Engine]:
    found = make_engine(url)
    yield found
    found.dispose()


@pytest.mark.requirement("A16")
def test_from_empty_to_the_newest_and_again_without_effect(url: DatabaseUrl, tmp_path: Path) -> None:
    assert current_revision(url) == ""
    settings = Settings(home=tmp_path, database_url=SecretStr(url.render()), _env_file=None)
    prepare_storage(settings, url)
    assert current_revision(url) == head_revision() != ""
    with open_lake(settings, url) as lake:
        tables = lake.query("SHOW TABLES").rows()
        assert migrate_lake(lake) == []
    prepare_storage(settings, url)
    with open_lake(settings, url) as lake:
        assert lake.query("SHOW TABLES").rows() == tables


@pytest.mark.requirement("A16")
def test_many_processes_migrate_at_once(url: DatabaseUrl, engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: migrate(url), range(8)))
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1
    assert current_revision(url) == head_revision()


def _as_stored(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


@pytest.mark.requirement("A16")
def test_a_batch_accepted_by_the_previous_release_is_still_moved(url: DatabaseUrl, engine: Engine) -> None:
    migrate(url, to="0001")
    inbox = PushInbox(engine)
    with transaction(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO push_batches (loader_code, batch_id, received_at, signals, payload)"
                " VALUES ('CRASH-PUSH', 'new', :at, 200, :payload)"
            ),
            {"at": NOW, "payload": _as_stored(batch_frame(0))},
        )
    migrate(url)
    assert current_revision(url) == head_revision()
    assert inbox.waiting() == 200
    loader = pushed_loader().definition
    answer = inbox.fetch(loader, loader.connection, start=NOW, end=NOW)  # type: ignore[arg-type]
    assert answer.points.height == 200
    inbox.forget([answer])
    assert inbox.waiting() == 0
    assert inbox.accept("CRASH-PUSH", "new", batch_frame(0), received=200, at=NOW).is_duplicate
    inbox.archive(datetime.now(UTC), now=datetime.now(UTC) + timedelta(days=2))
    assert not inbox.accept("CRASH-PUSH", "new", batch_frame(0), received=200, at=NOW).is_duplicate, (
        "receipts end after a day"
    )


def _live_with(control: ControlPlane) -> str:
    """What people leave behind in the release of revision 0003; the access token of a session that is still open."""
    for name, role in (("ann", Role.OPERATOR), ("bob", Role.OPERATOR), ("ada", Role.ADMIN)):
        control.users.create(name, role, actor="test", password=PASSWORD)
    with transaction(control.engine) as connection:
        connection.execute(text("UPDATE users SET has_to_change_password = false"))
    control.policies.put(FieldPolicy("loaders", "owner", Role.VIEWER, Effect.MASKED), control.audit, actor="ada")
    control.rate_limits.save(LimitScope.USER, "ann", per_minute=321, actor="ada")
    for number, title in enumerate(("first", "second"), 1):
        made = control.loaders.create_draft(body(title), caller=ANN)
        control.loaders.submit("DEMO-A", number, caller=ANN)
        control.loaders.approve("DEMO-A", number, caller=BOB, content_hash=made.content_hash)
    control.loaders.create_draft(body("third"), caller=ANN)
    data = workbook_bytes(prometheus_loader("FROM-EXCEL"))
    assert control.workbooks.apply(data, caller=ANN, file_name="old.xlsx").is_applied
    assert current_revision(control.url) == "0003"
    return control.login.with_password("ada", PASSWORD, ip="127.0.0.1", user_agent="test").access_token


@pytest.mark.requirement("A16")
def test_the_control_plane_of_the_previous_release_comes_through(
    url: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(home=tmp_path, database_url=SecretStr(url.render()), _env_file=None)
    migrate(url, to="0003")
    with open_control_plane(settings, url) as control:
        token = _live_with(control)
        entries = control.audit_trail.list_entries(AuditFilter(), limit=100)
    prepare_storage(settings, url)
    assert current_revision(url) == head_revision() != "0003"
    with open_control_plane(settings, url) as control:
        limits = {(one.scope, one.name): one.per_minute for one in control.rate_limits.list_limits()}
        assert limits[LimitScope.USER, "ann"] == 321
        assert FieldPolicy("loaders", "owner", Role.VIEWER, Effect.MASKED) in control.policies.list_policies()
        assert control.audit_trail.list_entries(AuditFilter(), limit=100) == entries
    with live_api(settings, url) as api:
        assert (
            api.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).json()["username"] == "ada"
        )
        head = api.bearer("ann", password=PASSWORD)
        versions = api.client.get("/api/v1/loaders/DEMO-A/versions", headers=head).json()["items"]
        assert [(one["version"], one["state"]) for one in versions] == [(3, "DRAFT"), (2, "ACTIVE"), (1, "ARCHIVED")]
        (imported,) = api.client.get("/api/v1/loaders/imports", headers=head).json()["items"]
        assert (imported["fileName"], imported["importedBy"]) == ("old.xlsx", "ann")
        back = api.client.post("/api/v1/loaders/DEMO-A/versions/1/rollback", json={"reason": "as before"}, headers=head)
        assert (back.status_code, back.json()["state"]) == (200, "ACTIVE")
    monkeypatch.setenv("ETLMON_HOME", str(tmp_path))
    monkeypatch.setenv("ETLMON_DATABASE_URL", url.render())
    with pytest.raises(SystemExit) as ended:
        main(["audit", "verify"])
    assert ended.value.code == 0
    assert "intact" in capsys.readouterr().out
