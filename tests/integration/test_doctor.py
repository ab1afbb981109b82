"""`etlmon doctor` finds what is wrong with an installation, each with the way to mend it, and changes nothing."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from api.cli.main import main
from domain.loaders.definition import LoaderDefinition
from resources.lake.connection import open_lake
from resources.loaders.versions import load_loader_versions
from resources.postgres.engine import make_engine
from resources.secret_files import load_token
from tests.fakes.platform import Platform

NOW = datetime.now(UTC)
Finding = dict[str, str]
Doctor = Callable[..., list[Finding]]
RULE = 'code: DEMO-A\ntitle: t\nsource: prometheus\nconnection: prometheus\nschedule: "* * * * *"\nstep_s: 60\n'
RULE += "prometheus: [{metric_name: m, promql: up}]\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("ETLMON_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    found = tmp_path / "home"
    found.mkdir(exist_ok=True)
    return found


@pytest.fixture
def doctor(home: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    def run(folder: Path = home) -> list[Finding]:
        code: object = 0
        with suppress(SystemExit):
            try:
                main(["doctor", "--json", "--home", str(folder)])
            except SystemExit as ended:
                code = ended.code or 0
                raise
        found: list[Finding] = json.loads(capsys.readouterr().out)
        assert code == (1 if any(one["verdict"] == "problem" for one in found) else 0)
        assert all(one["remedy"] for one in found if one["verdict"] != "ok"), "every complaint says what to do"
        return found

    return run


def complaint(found: list[Finding], check: str) -> Finding:
    (complained,) = [one for one in found if one["check"] == check and one["verdict"] != "ok"]
    return complained


def test_a_fresh_home_has_no_problem_but_says_what_is_missing(doctor: Doctor, home: Path) -> None:
    found = doctor()
    assert [one for one in found if one["verdict"] == "problem" and not one["check"].startswith(("port", "disk"))] == []
    assert "never started" in complaint(found, "database")["detail"]
    assert "ETLMON_PROMETHEUS_URL" in complaint(found, "connections")["remedy"]
    assert list(home.iterdir()) == [], "looking changes nothing"


def misspelt_variable(home: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("ETLMON_API_PROT", "8081")


def unknown_variable(home: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("ETLMON_XYZZY", "1")


def wrong_value(home: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("ETLMON_API_PORT", "http")


def open_secrets(home: Path, env: pytest.MonkeyPatch) -> None:
    load_token(home, "push.token")
    (home / "secrets" / "push.token").chmod(0o644)


def open_env_file(home: Path, env: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("ETLMON_DATABASE_PASSWORD=x\n")
    Path(".env").chmod(0o644)


def proxied_loopback(home: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("HTTP_PROXY", "http://proxy:3128")


def broken_connections(home: Path, env: pytest.MonkeyPatch) -> None:
    (home / "connections.yaml").write_text("prometheus: {ulr: 'http://x'}")


def open_connections(home: Path, env: pytest.MonkeyPatch) -> None:
    (home / "connections.yaml").write_text("db: {url: 'sqlite://', password: x}")
    (home / "connections.yaml").chmod(0o644)


def missing_rules(home: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("ETLMON_RULES_PATH", str(home / "nowhere"))


def broken_rule(home: Path, env: pytest.MonkeyPatch) -> None:
    (home / "loaders").mkdir()
    (home / "loaders" / "demo-a.yaml").write_text(RULE.replace("step_s: 60", "step_s: soon"))
    env.setenv("ETLMON_RULES_PATH", str(home))


def rule_twice(home: Path, env: pytest.MonkeyPatch) -> None:
    (home / "loaders").mkdir()
    for name in ("a.yaml", "b.yaml"):
        (home / "loaders" / name).write_text(RULE)
    env.setenv("ETLMON_RULES_PATH", str(home))


def no_postgresql_url(home: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("ETLMON_DATABASE_URL", "mysql://u@h/d")


def unreachable_database(home: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("ETLMON_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/d")


MACHINE = {
    misspelt_variable: ("variables", "ETLMON_API_PROT", "did you mean ETLMON_API_PORT?"),
    unknown_variable: ("variables", "ETLMON_XYZZY", "README"),
    wrong_value: ("settings", "ETLMON_API_PORT", "correct or unset"),
    open_secrets: ("secrets", "push.token", "chmod 600"),
    open_env_file: (".env", "readable by others", "chmod 600"),
    proxied_loopback: ("proxy", "HTTP_PROXY", "NO_PROXY=127.0.0.1"),
    broken_connections: ("connections", "connections.yaml", "url: http"),
    open_connections: ("connections", "readable by others", "chmod 600"),
    missing_rules: ("rule files", "does not exist", "ETLMON_RULES_PATH"),
    broken_rule: ("rule files", "demo-a.yaml:6: field step_s", "number"),
    rule_twice: ("rule files", "defined twice: DEMO-A", "one file per loader"),
    no_postgresql_url: ("storage", "not a PostgreSQL URL", "postgresql://user"),
    unreachable_database: ("database", "not available", "running"),
}


@pytest.mark.parametrize("provoke", MACHINE, ids=lambda one: one.__name__)
def test_each_fault_of_machine_and_files_is_found_with_its_remedy(
    provoke: Callable[[Path, pytest.MonkeyPatch], None], doctor: Doctor, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, detail, remedy = MACHINE[provoke]
    provoke(home, monkeypatch)
    found = doctor()
    one = complaint(found, check)
    assert detail in one["detail"]
    assert remedy in one["remedy"]
    assert "hunter2" not in json.dumps(found)


def test_a_home_that_is_a_file_is_said(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "not writable" in complaint(doctor(tmp_path / "file"), "home")["detail"]
    assert "does not exist yet" in complaint(doctor(tmp_path / "none"), "home")["detail"]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


def test_a_taken_port_is_said_with_the_variable_to_change(
    taken_port: int, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETLMON_UI_PORT", str(taken_port))
    assert "ETLMON_UI_PORT" in complaint(doctor(), f"port {taken_port}")["remedy"]


def test_an_empty_and_an_old_database_are_told_apart(
    postgres_url: str, platform: Platform, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETLMON_DATABASE_URL", postgres_url)
    assert "empty" in complaint(doctor(), "migrations")["detail"]
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.url.render())
    change(platform, "UPDATE alembic_version SET version_num = '0001'")
    assert "the database is at 0001" in complaint(doctor(), "migrations")["detail"]


def change(platform: Platform, sql: str) -> None:
    engine = make_engine(platform.url)
    with engine.begin() as connection:
        connection.exec_driver_sql(sql)
    engine.dispose()


def seed(platform: Platform, **changes: object) -> None:
    body = {
        "code": "DEMO-A", "title": "t", "source": "prometheus", "connection": "prometheus", "schedule": "* * * * *", "step_s": 60,
        "prometheus": [{"metric_name": "m", "promql": "up"}],
    }  # fmt: skip
    engine = make_engine(platform.url)
    definition = LoaderDefinition.model_validate({**body, **changes})
    load_loader_versions(platform.settings.home, engine).seed([definition], at=NOW)
    engine.dispose()


def test_faults_between_sources_and_lake_are_found(
    platform: Platform, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.url.render())
    assert "none is ACTIVE" in complaint(doctor(), "loaders")["detail"]
    seed(platform)
    calm = [one["detail"] for one in doctor() if one["check"] == "loaders" and one["verdict"] == "ok"]
    assert any(one.startswith("left out until ETLMON_ELASTICSEARCH_URL is set: LOG-LINES, LOGS") for one in calm)
    missing = complaint(doctor(), "connection prometheus")
    assert "needed by DEMO-A" in missing["detail"]
    assert "ETLMON_PROMETHEUS_URL" in missing["remedy"]
    monkeypatch.setenv("ETLMON_PROMETHEUS_URL", "http://127.0.0.1:1")
    unreachable = complaint(doctor(), "connection prometheus")
    assert "SOURCE_UNREACHABLE" in unreachable["detail"]
    marks = pl.DataFrame({"loader_code": ["DEMO-A"], "complete_until": [NOW - timedelta(days=3)], "updated_at": [NOW]})
    rows = {
        "loader_code": ["DEMO-A"],
        "reason": ["SERIES_CAP"],
        "detail": ["40 series over max_series"],
        "quarantined_at": [NOW],
    }
    start = NOW - timedelta(hours=2)
    attempt = {"loader_code": ["DEMO-A"], "window_start": [start], "window_end": [start + timedelta(minutes=1)]}
    missed = pl.DataFrame({**attempt, "outcome": ["missing"], "reason": ["no route"], "recorded_at": [NOW]})
    for table, frame in (("watermarks", marks), ("quarantine", pl.DataFrame(rows)), ("capture_attempts", missed)):
        platform.lake.write("signals", lambda lake, t=table, f=frame: lake.insert(t, f))  # type: ignore[misc]
    found = doctor()
    assert "minutes behind" in complaint(found, "freshness DEMO-A")["detail"]
    assert "etlmon capture --loader DEMO-A" in complaint(found, "freshness DEMO-A")["remedy"]
    assert "40 series" in complaint(found, "series cap DEMO-A")["detail"]
    assert "1 windows missing in a day: no route" in complaint(found, "completeness DEMO-A")["detail"]


def test_a_lake_in_another_folder_or_gone_is_said(
    platform: Platform, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.url.render())
    monkeypatch.setenv("ETLMON_LAKE_PATH", str(tmp_path / "other"))
    moved = complaint(doctor(), "lake folder")
    assert str(platform.settings.home / "lake") in moved["detail"]
    assert "ETLMON_LAKE_PATH" in moved["remedy"]
    assert not (tmp_path / "other").exists(), "looking makes no folder"
    monkeypatch.delenv("ETLMON_LAKE_PATH")
    (platform.settings.home / "lake").rmdir()
    gone = complaint(doctor(), "lake folder")
    assert "gone" in gone["detail"]
    assert "etlmon restore" in gone["remedy"]
    with open_lake(platform.settings, platform.url) as lake:
        assert lake.query("SELECT 1 AS one")["one"][0] == 1
