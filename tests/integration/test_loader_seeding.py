"""Loader versions in PostgreSQL: one ACTIVE, one DRAFT, whatever happens at once; secrets only encrypted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from domain.errors import ConflictError, StorageError
from domain.loaders.definition import LoaderDefinition
from resources.encryption import load_cipher
from resources.launch.seed import seed
from resources.loaders.versions import LoaderVersions, load_loader_versions
from resources.postgres.engine import make_engine, transaction
from resources.postgres.loaders_repository import LoadersRepository
from resources.settings import Settings
from tests.fakes.platform import Platform

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def definition(code: str = "DEMO-A", *, title: str = "t", password: str = "hunter2") -> LoaderDefinition:
    body: dict[str, object] = {
        "code": code, "title": title, "source": "prometheus", "schedule": "* * * * *", "step_s": 60,
        "connection": {"url": "http://nowhere", "password": password}, "prometheus": [{"metric_name": "m", "promql": "up"}],
    }  # fmt: skip
    return LoaderDefinition.model_validate(body)


@pytest.fixture
def engine(platform: Platform) -> Iterator[Engine]:
    found = make_engine(platform.url, pool_size=25, max_overflow=30)
    yield found
    found.dispose()


@pytest.fixture
def versions(platform: Platform, engine: Engine) -> LoaderVersions:
    return load_loader_versions(platform.settings.home, engine)


@pytest.fixture
def repository(platform: Platform, engine: Engine) -> LoadersRepository:
    return LoadersRepository(engine, load_cipher(platform.settings.home))


def states(engine: Engine, code: str = "DEMO-A") -> list[tuple[int, str]]:
    query = text("SELECT version, state FROM loader_versions WHERE code = :code ORDER BY version")
    with transaction(engine) as connection:
        return [(row.version, row.state) for row in connection.execute(query, {"code": code})]


def change(engine: Engine, sql: str) -> None:
    with transaction(engine) as connection:
        connection.execute(text(sql))


@pytest.mark.requirement("A6")
def test_fifty_seeders_at_once_leave_one_active_version(versions: LoaderVersions, engine: Engine) -> None:
    definitions = [definition("DEMO-A"), definition("DEMO-B")]
    with ThreadPoolExecutor(50) as pool:
        results = [one for found in pool.map(lambda _: versions.seed(definitions, at=NOW), range(50)) for one in found]
    assert Counter((one.code, one.version, one.action) for one in results) == {
        ("DEMO-A", 1, "activated"): 1, ("DEMO-A", 1, "unchanged"): 49,
        ("DEMO-B", 1, "activated"): 1, ("DEMO-B", 1, "unchanged"): 49,
    }  # fmt: skip
    assert states(engine) == states(engine, "DEMO-B") == [(1, "ACTIVE")]
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda n: versions.seed([definition(title=f"t{n}")], at=NOW), range(50)))
    found = states(engine)
    assert len(found) == 51
    assert Counter(state for _, state in found) == {"ARCHIVED": 50, "ACTIVE": 1}
    assert found[-1][1] == "ACTIVE", "the newest is the one that runs"


@pytest.mark.requirement("A6")
def test_the_database_itself_holds_one_active_and_one_draft(versions: LoaderVersions, engine: Engine) -> None:
    versions.seed([definition()], at=NOW)
    copy = (
        "INSERT INTO loader_versions (code, version, state, definition, content_hash, created_by, created_at)"
        " SELECT code, {0}, '{1}', definition, content_hash, 'ann', created_at FROM loader_versions WHERE version = 1"
    )
    change(engine, copy.format(2, "DRAFT"))
    for state in ("DRAFT", "ACTIVE", "LIVE"):
        with pytest.raises(ConflictError):
            change(engine, copy.format(3, state))
    assert states(engine) == [(1, "ACTIVE"), (2, "DRAFT")]


@pytest.mark.requirement("A6")
def test_an_operators_version_keeps_running_and_the_file_waits_for_approval(
    versions: LoaderVersions, repository: LoadersRepository, engine: Engine
) -> None:
    versions.seed([definition()], at=NOW)
    change(engine, "UPDATE loader_versions SET created_by = 'ann'")
    (result,) = versions.seed([definition(title="new release")], at=NOW)
    assert (result.version, result.action) == (2, "pending")
    assert states(engine) == [(1, "ACTIVE"), (2, "PENDING")]
    assert [one.definition.title for one in repository.list_active()] == ["t"]
    (again,) = versions.seed([definition(title="new release")], at=NOW)
    assert again.action == "unchanged"


@pytest.mark.requirement("A5")
def test_a_password_is_stored_encrypted_and_bound_to_its_version(
    versions: LoaderVersions, repository: LoadersRepository, engine: Engine, tmp_path: Path
) -> None:
    versions.seed([definition(), definition("DEMO-B", password="other")], at=NOW)
    assert [one.definition for one in repository.list_active()] == [
        definition(),
        definition("DEMO-B", password="other"),
    ]
    with transaction(engine) as connection:
        stored = str(connection.execute(text("SELECT definition, secret FROM loader_versions")).all())
    assert "hunter2" not in stored
    with pytest.raises(StorageError, match="another key"):
        LoadersRepository(engine, load_cipher(tmp_path / "other")).list_active()
    change(engine, "UPDATE loader_versions SET secret = (SELECT secret FROM loader_versions WHERE code = 'DEMO-B')")
    with pytest.raises(StorageError, match="DEMO-A:1 was altered"):
        repository.list_active()


LOADER_FILE = """code: {code}
title: t
source: prometheus
connection: {connection}
schedule: "* * * * *"
step_s: 60
prometheus: [{{metric_name: m, promql: up}}]
"""


def write_loader(settings: Settings, code: str, *, connection: str = "prometheus") -> Path:
    assert settings.rules_path is not None
    file = settings.rules_path / "loaders" / f"{code.lower()}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(LOADER_FILE.format(code=code, connection=connection))
    return file


@pytest.fixture
def own_rules(platform: Platform, tmp_path: Path) -> Settings:
    return platform.settings.model_copy(
        update={"rules_path": tmp_path / "rules", "prometheus_url": "http://prometheus:9090"}
    )


@pytest.mark.requirement("A6")
def test_a_loader_whose_file_is_gone_ends_and_its_file_brings_it_back(
    platform: Platform, own_rules: Settings, engine: Engine
) -> None:
    write_loader(own_rules, "STAYS")
    file = write_loader(own_rules, "GOES")
    assert seed(own_rules, is_demo=False) == {
        "definitions": 2, "changed": 2, "broken": [], "left_out": [], "retired": [],
    }  # fmt: skip
    for code in ("GOES", "STAYS"):
        platform.lake.execute("INSERT INTO watermarks VALUES (?, ?, ?)", [code, NOW, NOW])
    file.unlink()
    found = seed(own_rules, is_demo=False)
    assert (found["retired"], found["changed"]) == (["GOES"], 0)
    assert (states(engine, "GOES"), states(engine, "STAYS")) == ([(1, "ARCHIVED")], [(1, "ACTIVE")])
    marks = platform.lake.query("SELECT loader_code FROM watermarks")["loader_code"].to_list()
    assert marks == ["STAYS"], "who captures no more is not behind"
    with transaction(engine) as connection:
        noted = connection.execute(
            text("SELECT actor, resource_id FROM audit_entries WHERE action = 'loader.retire'")
        ).all()
    assert [tuple(row) for row in noted] == [("rule-file", "GOES.1")]
    assert seed(own_rules, is_demo=False)["retired"] == [], "once"
    write_loader(own_rules, "GOES")
    assert seed(own_rules, is_demo=False)["changed"] == 1
    assert states(engine, "GOES") == [(1, "ARCHIVED"), (2, "ACTIVE")]


@pytest.mark.requirement("A6")
def test_what_is_no_sign_of_an_end_ends_nothing(own_rules: Settings, engine: Engine, versions: LoaderVersions) -> None:
    for code in ("ANNS", "WAITS", "BREAKS"):
        write_loader(own_rules, code)
    seed(own_rules, is_demo=False)
    change(engine, "UPDATE loader_versions SET created_by = 'ann' WHERE code = 'ANNS'")
    assert own_rules.rules_path is not None
    (own_rules.rules_path / "loaders" / "anns.yaml").unlink()
    write_loader(own_rules, "WAITS", connection="nowhere")
    broken = write_loader(own_rules, "BREAKS")
    broken.write_text("code: [")
    found = seed(own_rules, is_demo=False)
    assert (found["retired"], len(found["broken"])) == ([], 1)  # type: ignore[arg-type]
    broken.unlink()
    assert seed(own_rules, is_demo=False)["retired"] == ["BREAKS"]
    assert found["left_out"] == [f"left out until nowhere is in {own_rules.connections_path}: WAITS"]
    for code in ("ANNS", "WAITS"):
        assert states(engine, code) == [(1, "ACTIVE")], code
    for file in (own_rules.rules_path / "loaders").iterdir():
        file.unlink()
    assert seed(own_rules, is_demo=False)["retired"] == [], "an empty folder is rather a wrong one"
