"""Backup while the platform works, restore elsewhere: everything equal, and nothing bad is ever let in."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.errors import ConflictError, EtlmonError, InputDataError, NotFoundError, StorageError
from domain.loaders.definition import LoaderDefinition
from resources.backup.restoring import restore_backup
from resources.backup.writing import write_backup
from resources.capture.engine import CaptureContext, CaptureEngine
from resources.encryption import load_cipher
from resources.lake.connection import open_lake
from resources.lake.maintenance import compact, roll_up
from resources.loaders.versions import load_loader_versions
from resources.platform import open_platform
from resources.postgres.engine import make_engine
from resources.postgres.loaders_repository import ActiveLoader, LoadersRepository
from resources.push_inbox import PushInbox
from resources.secret_files import load_token
from resources.settings import Settings
from tests.fakes.computed_source import ComputedSource
from tests.fakes.crash_workers import batch_frame
from tests.fakes.platform import Platform

NOW = datetime(2026, 3, 10, 12, 0, 40, tzinfo=UTC)
PASSWORD = "p'ass wörd"


def definition(code: str = "DEMO-A") -> LoaderDefinition:
    body: dict[str, object] = {
        "code": code, "title": code, "source": "prometheus", "schedule": "*/5 * * * *", "step_s": 60, "history_s": 3600,
        "connection": {"url": "http://nowhere", "username": "u", "password": PASSWORD},
        "prometheus": [{"metric_name": "requests", "promql": "up"}],
    }  # fmt: skip
    return LoaderDefinition.model_validate(body)


def capture_up_to(platform: Platform, at: datetime, *, series: int = 200) -> None:
    with platform.lake.cursor() as lake:
        source = ComputedSource(lambda i, t: i + t.timestamp() % 60, series=series)
        engine = CaptureEngine(lake, platform.url, sources=lambda _: source, connections={})
        assert not engine.capture_due([ActiveLoader(definition(), 1)], CaptureContext(now=at)).failed


def fill(platform: Platform) -> None:
    """Loaders with a secret, files, delete files and inlined rows in the lake, rollups, a waiting pushed batch."""
    engine = make_engine(platform.url)
    load_loader_versions(platform.settings.home, engine).seed([definition()], at=NOW)
    PushInbox(engine).accept("DEMO-PUSH", "one", batch_frame(1), received=200, at=NOW)
    engine.dispose()
    load_token(platform.settings.home, "push.token")
    (platform.settings.home / "connections.yaml").write_text("warehouse: {url: 'sqlite://'}\n")
    capture_up_to(platform, NOW)
    roll_up(platform.lake)
    platform.lake.write("signals", lambda lake: lake.execute("DELETE FROM signals WHERE metric_value = 7"))
    capture_up_to(platform, NOW + timedelta(minutes=5), series=3)


def content(platform: Platform) -> dict[str, list[str]]:
    tables = platform.lake.query("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'")["table_name"]
    return {name: sorted(map(repr, platform.lake.query(f"FROM {name}").rows())) for name in sorted(tables)}


@pytest.fixture
def elsewhere(postgres_url: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "restored", database_url=SecretStr(postgres_url), _env_file=None)


@pytest.fixture
def saved(platform: Platform, tmp_path: Path) -> Path:
    fill(platform)
    target = tmp_path / "copy.tar"
    write_backup(platform.settings, platform.url, platform.lake, target, at=NOW)
    return target


def test_everything_is_equal_after_a_round_trip(platform: Platform, saved: Path, elsewhere: Settings) -> None:
    manifest = restore_backup(saved, elsewhere)
    assert saved.stat().st_mode & 0o777 == 0o600
    assert manifest.signals == platform.lake.query("SELECT count(*) AS n FROM signals")["n"][0] > 11_000
    with open_platform(elsewhere) as (url, lake):
        restored = Platform(elsewhere, url, lake)
        assert content(restored) == content(platform)
        engine = make_engine(url)
        (loader,) = LoadersRepository(engine, load_cipher(elsewhere.home)).list_active()
        assert loader.version == 1
        assert loader.definition == definition(), "the password decrypts under the restored key"
        assert PushInbox(engine).waiting() == 200
        engine.dispose()
        before = len(content(restored)["signals"])
        capture_up_to(restored, NOW + timedelta(minutes=10))
        compact(lake, now=datetime.now(UTC) + timedelta(days=1))
        assert lake.query("SELECT count(*) AS n FROM signals")["n"][0] == before + 200 * 5, "it goes on where it stood"
    for name in ("encryption.key", "push.token"):
        one = elsewhere.home / "secrets" / name
        assert one.read_bytes() == (platform.settings.home / "secrets" / name).read_bytes()
        assert one.stat().st_mode & 0o777 == 0o600
    assert (elsewhere.home / "connections.yaml").read_text() == "warehouse: {url: 'sqlite://'}\n"


def test_a_backup_taken_while_captures_and_compactions_run_is_of_one_instant(
    platform: Platform, elsewhere: Settings, tmp_path: Path
) -> None:
    fill(platform)
    stop, failures = threading.Event(), []

    def work() -> None:
        try:
            with open_lake(platform.settings, platform.url) as lake:
                mine = Platform(platform.settings, platform.url, lake)
                for minute in range(10, 5_000, 5):
                    capture_up_to(mine, NOW + timedelta(minutes=minute), series=1500)
                    compact(lake, now=datetime.now(UTC))
                    if stop.is_set():
                        return
        except EtlmonError as error:
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        manifest = write_backup(platform.settings, platform.url, platform.lake, tmp_path / "busy.tar", at=NOW)
    finally:
        stop.set()
        worker.join()
    assert not failures
    restore_backup(tmp_path / "busy.tar", elsewhere)
    with open_platform(elsewhere) as (_, lake):
        marks = lake.query("SELECT complete_until FROM watermarks")["complete_until"].to_list()
        rows = lake.query("SELECT captured_at, count(*) AS n FROM signals GROUP BY ALL").rows()
        assert sum(n for _, n in rows) == manifest.signals
        assert max(at for at, _ in rows) == marks[0] - timedelta(minutes=1), "watermark and signals are of one snapshot"
        assert lake.query("SELECT count(*) - count(DISTINCT (series_id, captured_at)) AS n FROM signals")["n"][0] == 0


def test_a_home_or_database_in_use_is_never_touched(saved: Path, platform: Platform, elsewhere: Settings) -> None:
    with pytest.raises(ConflictError) as used:
        restore_backup(saved, platform.settings)
    assert "empty home" in used.value.reason
    other = elsewhere.model_copy(update={"database_url": platform.settings.database_url})
    with pytest.raises(ConflictError) as occupied:
        restore_backup(saved, other)
    assert "etlmon" in occupied.value.reason
    assert not elsewhere.home.exists(), "a refused restore leaves nothing behind"
    assert platform.lake.query("SELECT count(*) AS n FROM signals")["n"][0] > 11_000


def rewrite(source: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Path:
    with tarfile.open(source) as tar:
        members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    target = source.with_name("changed.tar")
    with tarfile.open(target, "w") as tar:
        for name, raw in change(members).items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return target


def manifest_with(members: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    return {**members, "manifest.json": json.dumps({**json.loads(members["manifest.json"]), **changes}).encode()}


def escaping(members: dict[str, bytes]) -> dict[str, bytes]:
    body = json.loads(members["manifest.json"])
    bad = {"name": "lake/../../escaped", "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    return manifest_with({**members, "lake/../../escaped": b"x"}, files=[*body["files"], bad])


DAMAGED: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "another format": (lambda m: manifest_with(m, format=2), "format 2"),
    "no manifest": (lambda m: {k: v for k, v in m.items() if k != "manifest.json"}, "first member"),
    "a flipped byte": (lambda m: {**m, "database.dump": m["database.dump"][:-1] + b"?"}, "database.dump"),
    "a file missing": (lambda m: {k: v for k, v in m.items() if k != "secrets/push.token"}, "secrets/push.token"),
    "a file added": (lambda m: {**m, "lake/evil.parquet": b"x"}, "evil.parquet"),
    "a path that leads out": (escaping, "escaped"),
    "a path that leads out, not listed": (lambda m: {**m, "../escaped": b"x"}, "escaped"),
    "an absolute path": (lambda m: {**m, "/tmp/escaped": b"x"}, "escaped"),
    "a manifest of nonsense": (lambda m: {**m, "manifest.json": b"[]"}, "manifest"),
}


def test_a_damaged_backup_is_refused_before_anything_is_changed(
    saved: Path, elsewhere: Settings, tmp_path: Path
) -> None:
    for case, (change, word) in DAMAGED.items():
        with pytest.raises(InputDataError) as refused:
            restore_backup(rewrite(saved, change), elsewhere)
        assert word in refused.value.reason, case
        assert refused.value.suggestion
        assert not elsewhere.home.exists(), case
        assert not list(tmp_path.rglob("escaped")), case


def test_files_that_are_no_backup_are_named(saved: Path, elsewhere: Settings, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    for size in (0, 300, len(whole) // 2, len(whole) - 20_000):
        (tmp_path / "cut.tar").write_bytes(whole[:size])
        with pytest.raises(InputDataError):
            restore_backup(tmp_path / "cut.tar", elsewhere)
    (tmp_path / "text.tar").write_text("hello\n" * 1000)
    with pytest.raises(InputDataError, match=r"text\.tar"):
        restore_backup(tmp_path / "text.tar", elsewhere)
    with pytest.raises(NotFoundError, match=r"nothing\.tar"):
        restore_backup(tmp_path / "nothing.tar", elsewhere)
    assert not elsewhere.home.exists()


def test_a_lost_file_of_the_lake_stops_the_backup_and_leaves_no_part(platform: Platform, tmp_path: Path) -> None:
    fill(platform)
    lost = next(Path(platform.settings.lake_data_path).rglob("signals/**/*.parquet"))
    lost.unlink()
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(StorageError) as refused:
        write_backup(platform.settings, platform.url, platform.lake, folder / "copy.tar", at=NOW)
    assert lost.name in refused.value.reason
    assert not list(folder.iterdir())
    with pytest.raises(StorageError, match="cannot be written"):
        write_backup(platform.settings, platform.url, platform.lake, folder / "missing" / "copy.tar", at=NOW)


def test_the_embedded_server_of_a_new_home_takes_a_backup(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from api.cli.main import main
    from resources.postgres.embedded import remove_server_data

    monkeypatch.delenv("ETLMON_DATABASE_URL", raising=False)
    home = tmp_path / "new"
    try:
        for command, file in (("restore", saved), ("backup", tmp_path / "again.tar")):
            with pytest.raises(SystemExit) as ended:
                main([command, str(file), "--home", str(home), "--json"])
            assert ended.value.code == 0
        restored, again = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert restored["signals"] == again["signals"] > 11_000
        with pytest.raises(SystemExit) as refused:
            main(["restore", str(saved), "--home", str(home)])
        assert refused.value.code == 2
        assert "CONFLICT" in capsys.readouterr().err
    finally:
        remove_server_data(home)
