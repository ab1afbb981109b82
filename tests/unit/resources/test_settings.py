"""Settings: nothing is needed, everything wrong is named with its variable, secrets never show."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from resources.settings import Settings, export_environment, load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ETLMON_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_no_variable_is_needed(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.home == tmp_path / ".etlmon"
    assert settings.lake_data_path == f"{tmp_path}/.etlmon/lake/"
    assert settings.connections == {}


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ETLMON_API_PORT", "http", "integer"),
        ("ETLMON_API_PORT", "70000", "65535"),
        ("ETLMON_UI_PORT", "0", "greater than or equal to 1"),
        ("ETLMON_CAPTURE_CONCURRENCY", "0", "greater than or equal to 1"),
        ("ETLMON_RETENTION_RAW_DAYS", "-5", "greater than or equal to 1"),
        ("ETLMON_LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("ETLMON_LAKE_MEMORY", "lots", "pattern"),
        ("ETLMON_LAKE_THREADS", "-1", "greater than or equal to 0"),
        ("ETLMON_PUSH_MAX_BATCH", "", "integer"),
    ],
)
def test_a_wrong_value_names_its_variable(
    variable: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert variable in refused.value.reason
    assert words in refused.value.reason
    assert refused.value.context["variable"] == variable


def test_environment_file_and_arguments_in_that_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ETLMON_API_PORT=1111\nETLMON_UI_PORT=1111\nETLMON_LOG_LEVEL=debug\n")
    monkeypatch.setenv("ETLMON_UI_PORT", "2222")
    monkeypatch.setenv("ETLMON_PUSH_MAX_BATCH", "5")
    settings = load_settings(push_max_batch=7, home=None)
    assert (settings.api_port, settings.ui_port, settings.push_max_batch) == (1111, 2222, 7)
    assert settings.log_level == "DEBUG"


def test_named_connections_come_from_file_and_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ETLMON_PROMETHEUS_URL", "http://prom:9090")
    (tmp_path / ".etlmon").mkdir()
    (tmp_path / ".etlmon" / "connections.yaml").write_text(
        "warehouse: {url: 'sqlite://', password: hunter2}\nprometheus: {url: 'http://overruled'}\n"
    )
    settings = load_settings()
    assert {name: one.url for name, one in settings.connections.items()} == {
        "warehouse": "sqlite://", "prometheus": "http://prom:9090",
    }  # fmt: skip
    assert "hunter2" not in repr(settings.connections)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "line"),
        ("- a\n- b", "mapping of names"),
        ("warehouse: sqlite://", "Connection"),
        ("warehouse: {}", "url: Field required"),
        ("warehouse: {url: x, pasword: hunter2}", "pasword: Extra inputs"),
        ("warehouse: {url: x, verify_tls: hunter2}", "verify_tls"),
    ],
)
def test_a_broken_connections_file_is_named_without_its_secrets(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        _ = load_settings(connections_file=path).connections
    assert str(path) in refused.value.reason
    assert words in refused.value.reason
    assert "hunter2" not in str(refused.value)


def test_a_connections_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    for path in (tmp_path, tmp_path / "latin.yaml"):
        with pytest.raises(ConfigurationError, match=str(path)):
            _ = load_settings(connections_file=path).connections


def test_secrets_are_hidden_but_children_get_them() -> None:
    settings = load_settings(database_url="postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(settings)
    assert export_environment(settings)["ETLMON_DATABASE_URL"] == "postgresql://u:hunter2@h/d"
    assert "ETLMON_LAKE_PATH" not in export_environment(settings), "unset stays unset"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().api_port = 5  # type: ignore[misc]
