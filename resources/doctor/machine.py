"""Checks of the machine and the files: Python, memory, disk, permissions, environment, rule files."""

from __future__ import annotations

import difflib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from domain.errors import ConfigurationError, RuleFileError
from domain.loaders.definition import LoaderDefinition
from resources.doctor.finding import Finding, ok, problem, warning
from resources.lake.connection import extension_path
from resources.rule_files import load_rule_folder, shipped_rules
from resources.settings import Settings

_GB = 2**30
_PINNED = ("duckdb", "duckdb-extension-ducklake", "duckdb-extension-postgres-scanner")


def check_machine(settings: Settings) -> Iterator[Finding]:
    """Everything that needs no server."""
    yield _check_python()
    yield from _check_packages()
    yield _check_memory()
    yield _check_home(settings.home)
    yield _check_disk(settings.home)
    yield from _check_secrets(settings.home)
    yield from _check_variables(settings)
    yield _check_proxy()
    yield from _check_connections_file(settings)
    yield from _check_rule_files(settings)


def _check_python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return ok("python", found)
    return problem("python", f"{found} is not supported", "install Python 3.11 and run `make setup` again")


def _check_packages() -> Iterator[Finding]:
    missing = [name for name in ("postgres_scanner", "ducklake") if extension_path(name) is None]
    versions = {}
    for name in _PINNED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "missing"
    if missing or len(set(versions.values())) > 1:
        shown = ", ".join(f"{name} {found}" for name, found in versions.items())
        yield problem(
            "lake extensions",
            f"DuckDB and its extensions do not fit: {shown}",
            "run `make setup`: all must have one version",
        )
    else:
        yield ok("lake extensions", f"DuckDB {versions['duckdb']}")
    if version("sqlalchemy").startswith("2.1"):
        yield problem("sqlalchemy", "2.1 breaks Dagster's event storage", "run `make setup`, which installs 2.0")


def _check_memory() -> Finding:
    free = psutil.virtual_memory().available
    if free < 2 * _GB:
        return warning("memory", f"{free / _GB:.1f} GB available", "give the machine 3 GB, or lower ETLMON_LAKE_MEMORY")
    return ok("memory", f"{free / _GB:.1f} GB available")


def _check_home(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return problem("home", f"{existing} is not writable", "set ETLMON_HOME or --home to a folder of yours")
    if not home.exists():
        return warning(
            "home", f"{home} does not exist yet", "start with `etlmon up`, or point --home to the right folder"
        )
    return ok("home", str(home))


def _check_disk(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < 0.5 * _GB:
        return problem("disk", f"{free / _GB:.2f} GB free under {existing}", "free space now: captures will be refused")
    if free < 5 * _GB:
        return warning(
            "disk", f"{free / _GB:.1f} GB free under {existing}", "free space, or lower ETLMON_RETENTION_RAW_DAYS"
        )
    return ok("disk", f"{free / _GB:.0f} GB free")


def _check_secrets(home: Path) -> Iterator[Finding]:
    folder = home / "secrets"
    if not folder.exists():
        return
    open_to_others = [path.name for path in folder.iterdir() if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if open_to_others:
        yield problem("secrets", f"readable by others: {', '.join(open_to_others)}", f"chmod 600 {folder}/*")
    else:
        yield ok("secrets", "readable by the owner alone")


def _check_variables(settings: Settings) -> Iterator[Finding]:
    known = {f"ETLMON_{name.upper()}" for name in type(settings).model_fields} | {
        "ETLMON_DAGSTER_URL",
        "ETLMON_CI",
        "ETLMON_BENCH_DATA",
    }
    strangers = [name for name in os.environ if name.startswith("ETLMON_") and name not in known]
    for name in strangers:
        words = {one.removeprefix("ETLMON_"): one for one in known}
        near = [words[one] for one in difflib.get_close_matches(name.removeprefix("ETLMON_"), words, n=1)]
        remedy = f"did you mean {near[0]}?" if near else "unset it; the README lists all variables"
        yield warning("variables", f"{name} is no setting", remedy)
    if not strangers:
        yield ok("variables", "no unknown ETLMON_ variable")
    env_file = Path(".env")
    if (
        env_file.exists()
        and "PASSWORD" in env_file.read_text(errors="replace").upper()
        and env_file.stat().st_mode & 0o077
    ):
        yield warning(".env", "holds a password and is readable by others", "chmod 600 .env")


def _check_proxy() -> Finding:
    proxies = [name for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY") if os.environ.get(name)]
    spared = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    if proxies and not any(host in spared for host in ("127.0.0.1", "localhost", "*")):
        return warning("proxy", f"{proxies[0]} is set and loopback is not spared", "set NO_PROXY=127.0.0.1,localhost")
    return ok("proxy", "loopback is reached directly")


def _check_connections_file(settings: Settings) -> Iterator[Finding]:
    path = settings.connections_path
    try:
        names = settings.connections
    except ConfigurationError as error:
        yield problem("connections", error.reason, error.suggestion)
        return
    if path.exists() and "password" in path.read_text() and path.stat().st_mode & 0o077:
        yield problem("connections", f"{path} holds a password and is readable by others", f"chmod 600 {path}")
    elif names:
        yield ok("connections", ", ".join(sorted(names)))
    else:
        yield warning("connections", "no source is configured", f"set ETLMON_PROMETHEUS_URL, or write {path}")


def _check_rule_files(settings: Settings) -> Iterator[Finding]:
    folder = (settings.rules_path or shipped_rules()) / "loaders"
    if not folder.is_dir():
        yield problem(
            "rule files", f"{folder} does not exist", "set ETLMON_RULES_PATH to the folder that holds loaders/"
        )
        return
    loaded = load_rule_folder(folder, LoaderDefinition)
    broken = [error for error in loaded.values() if isinstance(error, RuleFileError)]
    for error in broken:
        yield problem("rule files", error.reason, error.suggestion)
    codes = [one.code for one in loaded.values() if isinstance(one, LoaderDefinition)]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        yield problem("rule files", f"defined twice: {', '.join(twice)}", "keep one file per loader code")
    if not broken and not twice:
        yield ok("rule files", f"{len(codes)} loader definitions")
