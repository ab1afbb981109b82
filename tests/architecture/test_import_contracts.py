"""The import contracts of `.importlinter` hold, and what they rest on is true: no I/O when a module is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_contracts_are_kept() -> None:
    out = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert out.returncode == 0, out.stdout
    assert "5 kept, 0 broken" in out.stdout


def test_importing_the_domain_reads_no_environment_and_opens_nothing() -> None:
    code = (
        "import sys, os, pkgutil, importlib\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, args: seen.append((event, args)) if event in ('socket.connect', 'socket.bind') else None)\n"
        "import domain\n"
        "names = [m.name for m in pkgutil.walk_packages(domain.__path__, 'domain.')]\n"
        "[importlib.import_module(name) for name in names]\n"
        "assert len(names) > 60, names\n"
        "heavy = [m for m in ('prophet', 'statsforecast', 'sklearn', 'dagster', 'duckdb', 'sqlalchemy') if m in sys.modules]\n"
        "assert not seen and not heavy, (seen, heavy)\n"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)


def test_there_is_no_package_inside_dbt() -> None:
    assert not list((ROOT / "dbt").rglob("__init__.py"))
