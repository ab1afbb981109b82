"""The dbt project of the marts: where it lies, the environment it needs, its manifest, and building it.

Everything that starts dbt (Dagster's asset, the command line, tests) goes through here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import ConfigurationError, StorageError
from resources.postgres.url import LAKE_SCHEMA, DatabaseUrl
from resources.settings import Settings

_PARSED = "partial_parse.msgpack"
_SOURCES = (".sql", ".yml", ".yaml", ".csv")


def project_folder() -> Path:
    """The folder of the dbt project, beside the packages."""
    return Path(__file__).resolve().parents[2] / "dbt"


def dbt_executable() -> str:
    """The dbt of this very environment.

    Raises:
        ConfigurationError: it is not installed.
    """
    beside = Path(sys.executable).parent / "dbt"
    found = str(beside) if beside.exists() else shutil.which("dbt")
    if found is None:
        raise ConfigurationError("dbt is not installed in this environment", suggestion="run `make setup`")
    return found


def base_environment() -> dict[str, str]:
    """This process's environment with dbt kept quiet: no telemetry, no version check, no log file, no colours."""
    return {
        **os.environ,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "DBT_VERSION_CHECK": "false",
        "DBT_LOG_LEVEL_FILE": "none",
        "DBT_USE_COLORS": "false",
        "DBT_PROFILES_DIR": str(project_folder()),
        "DBT_PROJECT_DIR": str(project_folder()),
    }


def lake_variables(settings: Settings, url: DatabaseUrl) -> dict[str, str]:
    """What dbt/profiles.yml reads. The address has the prefix that makes dbt mask it in its output."""
    return {
        "DBT_ENV_SECRET_LAKE_DSN": url.libpq(),
        "ETLMON_LAKE_DATA_PATH": settings.lake_data_path,
        "ETLMON_LAKE_METADATA_SCHEMA": LAKE_SCHEMA,
        "ETLMON_LAKE_MEMORY": settings.lake_memory,
        "ETLMON_DBT_THREADS": str(settings.lake_threads or min(4, os.cpu_count() or 1)),
    }


def dbt_environment(settings: Settings, url: DatabaseUrl, *, target: Path) -> dict[str, str]:
    """The full environment of a dbt process on this lake; `target` is where it writes its artefacts."""
    return {
        **base_environment(),
        **lake_variables(settings, url),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
    }


@contextmanager
def run_folder(settings: Settings) -> Iterator[Path]:
    """A target folder for one run of dbt, gone afterwards. What dbt remembers of the parsed project is handed on from run
    to run, so that only the first of a home parses it from nothing.
    """
    kept = settings.home / "dbt" / _PARSED
    kept.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=kept.parent, prefix="run-"))
    try:
        if kept.exists():
            shutil.copyfile(kept, folder / _PARSED)
        yield folder
        if (folder / _PARSED).exists():
            (folder / _PARSED).replace(kept)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compute_project_hash(folder: Path) -> str:
    """Hash over the project's files and dbt's version: a manifest is fresh while it stays the same."""
    from importlib.metadata import version

    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-duckdb')}".encode())
    for path in sorted(
        p for p in folder.rglob("*") if p.suffix in _SOURCES and "target" not in p.relative_to(folder).parts
    ):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def ensure_manifest(folder: Path | None = None) -> Path:
    """The manifest of the project as it stands, parsed once per change and kept (some milliseconds when it is there).

    Kept under the project's `target` folder, or under the temporary folder where that is read-only. Safe to call from many
    processes at once.

    Raises:
        StorageError: dbt cannot parse the project; the reason has dbt's words.
    """
    project = folder or project_folder()
    cache = _writable(project / "target") / f"manifest-{compute_project_hash(project)}"
    manifest = cache / "manifest.json"
    if manifest.exists():
        return manifest
    cache.parent.mkdir(parents=True, exist_ok=True)
    with (cache.parent / "manifest.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not manifest.exists():
            _parse(project, cache)
    return manifest


def _writable(preferred: Path) -> Path:
    try:
        preferred.mkdir(parents=True, exist_ok=True)
        is_usable = os.access(preferred, os.W_OK)
    except OSError:
        is_usable = False
    return preferred if is_usable else Path(tempfile.gettempdir()) / f"etlmon-dbt-{os.geteuid()}"


def _parse(project: Path, cache: Path) -> None:
    """dbt parse into a folder of its own, renamed into place when it is whole."""
    staging = Path(tempfile.mkdtemp(dir=cache.parent, prefix=".parsing-"))
    try:
        run_dbt(
            ["parse", "--no-partial-parse"],
            {
                **base_environment(),
                "DBT_PROJECT_DIR": str(project),
                "DBT_PROFILES_DIR": str(project),
                "DBT_TARGET_PATH": str(staging),
                "DBT_LOG_PATH": str(staging),
            },
        )
        cache.mkdir(exist_ok=True)
        (staging / "manifest.json").replace(cache / "manifest.json")
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def run_dbt(arguments: list[str], environment: dict[str, str]) -> str:
    """Run dbt to its end; returns what it printed.

    Raises:
        StorageError: dbt ended with a failure; the reason has the lines that say why.
    """
    done = subprocess.run(  # noqa: S603
        [dbt_executable(), *arguments],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=environment["DBT_PROJECT_DIR"],
    )
    if done.returncode:
        # a negative code is the signal that ended it: dbt itself has no words for that
        how = "failed" if done.returncode > 0 else f"was ended by {signal.Signals(-done.returncode).name}"
        raise StorageError(
            f"dbt {arguments[0]} {how}: {_find_cause(done.stdout + done.stderr)}",
            suggestion="run `etlmon doctor`; `dbt build` in the folder dbt/ shows the whole output",
        )
    return done.stdout


def _find_cause(output: str) -> str:
    """The lines of dbt's output that say what went wrong: each `… Error` or `Failure in …` with the three after it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    starts = [index for index, line in enumerate(lines) if "Error" in line or "Failure in" in line]
    chosen = sorted({index + offset for index in starts for offset in range(4)}) or range(
        max(len(lines) - 5, 0), len(lines)
    )
    return " / ".join(lines[index] for index in chosen if index < len(lines))[:900]


def build_marts(settings: Settings, url: DatabaseUrl) -> str:
    """Seeds, models and their tests, all of them. Takes some seconds; returns dbt's output.

    Raises:
        StorageError: a model or one of its tests failed.
    """
    with run_folder(settings) as target:
        return run_dbt(["build"], dbt_environment(settings, url, target=target))
