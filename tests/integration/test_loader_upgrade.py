"""Loader versions that release 0.1 wrote come through: encrypted as a whole, fingerprinted, still known to seeding (A5, A16)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text

from domain.access.permissions import Caller, Role
from domain.loaders.definition import LoaderDefinition
from domain.vocabulary import VersionState
from resources.control_plane import open_control_plane
from resources.encryption import load_cipher
from resources.platform import prepare_storage
from resources.postgres.engine import make_engine, transaction
from resources.postgres.loaders_repository import LoadersRepository
from resources.postgres.migrate import migrate
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

NOW = datetime(2026, 3, 10, tzinfo=UTC)
BODY: dict[str, Any] = {
    "code": "OLD-A", "title": "as seeded", "source": "prometheus", "schedule": "* * * * *", "step_s": 60.0,
    "connection": {"url": "http://host:9090", "username": "svc", "password": "canary-password", "headers": {"X-Key": "canary-header"}},
    "prometheus": [{"metric_name": "m", "promql": "up"}],
}  # fmt: skip


def write_as_before(connection: Connection, settings: Settings, *, version: int, state: str, title: str) -> None:
    """A row with the code of release 0.1: the password alone encrypted, a plain SHA-256 of the rest."""
    body = json.loads(LoaderDefinition.model_validate({**BODY, "title": title}).model_dump_json())
    body["connection"].pop("password")
    content = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
    secret = load_cipher(settings.home).encrypt("canary-password", bound_to=f"loader_versions.secret:OLD-A:{version}")
    connection.execute(
        text("INSERT INTO loaders (code, created_at) VALUES ('OLD-A', :at) ON CONFLICT DO NOTHING"), {"at": NOW}
    )
    connection.execute(
        text(
            "INSERT INTO loader_versions (code, version, state, definition, content_hash, secret, created_by, created_at,"
            " submitted_by, submitted_at, decided_by, decided_at, activated_at) VALUES ('OLD-A', :version, :state, :body, :hash,"
            " :secret, 'rule-file', :at, 'rule-file', :at, :decided, :decided_at, :decided_at)"
        ),
        {
            "version": version, "state": state, "body": json.dumps(body), "hash": content, "secret": secret, "at": NOW,
            "decided": None if state == "PENDING" else "release", "decided_at": None if state == "PENDING" else NOW,
        },
    )  # fmt: skip


@pytest.mark.requirement("A5")
@pytest.mark.requirement("A16")
def test_versions_of_the_previous_release_come_through(postgres_url: str, tmp_path: Path) -> None:
    url = DatabaseUrl.parse(postgres_url)
    settings = Settings(home=tmp_path, database_url=SecretStr(postgres_url), _env_file=None)
    migrate(url, to="0002")
    engine = make_engine(url)
    with transaction(engine) as connection:
        write_as_before(connection, settings, version=1, state="ACTIVE", title="as seeded")
        write_as_before(connection, settings, version=2, state="PENDING", title="waits")
    migrate(url)
    (before,) = LoadersRepository(engine, load_cipher(tmp_path)).list_active()
    assert before.definition == LoaderDefinition.model_validate(BODY), "readable also before it is rewritten"
    for _ in range(2):
        prepare_storage(settings, url)
    with transaction(engine) as connection:
        rows = connection.execute(text("SELECT * FROM loader_versions ORDER BY version")).all()
        assert "canary" not in str(
            [tuple(bytes(one) if isinstance(one, memoryview) else one for one in row) for row in rows]
        )
    (after,) = LoadersRepository(engine, load_cipher(tmp_path)).list_active()
    assert after.definition == before.definition
    with open_control_plane(settings, url) as control:
        (summary,) = control.loaders.list_loaders().items
        assert (summary["title"], summary["active_version"], summary["pending_versions"]) == ("as seeded", 1, [2])
        (again,) = control.loaders.seed([LoaderDefinition.model_validate({**BODY, "title": "waits"})], at=NOW)
        assert again.action == "unchanged", "content that was seeded before is no news after an upgrade"
        waiting = control.loaders.get("OLD-A", 2)
        approver = Caller("cid", Role.OPERATOR)
        done = control.loaders.approve("OLD-A", 2, caller=approver, content_hash=waiting.content_hash)
        assert (done.state, done.definition.title) == (VersionState.ACTIVE, "waits")
    engine.dispose()
