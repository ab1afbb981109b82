"""Workbooks of 10,000 loaders: dry run, import, export, import of the export; each in a process of its own, for its peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.access.permissions import Caller, Role
from domain.loaders.definition import LoaderDefinition, document_of
from domain.vocabulary import VersionState
from resources.control_plane import open_control_plane
from resources.json_logs import correlated
from resources.postgres.url import DatabaseUrl
from resources.rule_files import load_rule_file, shipped_rules
from resources.settings import Settings, export_environment
from resources.workbook.writing import write_workbook
from tests.benchmarks.peak_memory import peak_mb
from tests.benchmarks.platform_home import bench_platform

TITLE = "Excel workbooks of loaders"
LOADERS = 10_000
_CALLER = Caller("bench", Role.ADMIN)
_WORK = {
    "dry-run": "dry run of {n:,} loaders",
    "import": "import of {n:,} loaders as drafts",
    "export": "export of {n:,} loaders",
    "again": "import of that export: all unchanged",
}


def _documents(count: int) -> Iterator[dict[str, Any]]:
    """The shipped loaders over and over, each under a code of its own."""
    shipped = [
        document_of(load_rule_file(path, LoaderDefinition))
        for path in sorted((shipped_rules() / "loaders").glob("*.yaml"))
    ]
    for k in range(count):
        body = shipped[k % len(shipped)]
        yield {**body, "code": f"{body['code']}-{k}", "title": f"{body['title']} {k}"}


def run() -> list[dict[str, Any]]:
    """Seconds and peak of each step."""
    rows = []
    with bench_platform() as platform, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loaders.xlsx"
        write_workbook(path, _documents(LOADERS))
        environment = export_environment(platform.settings)
        for step, work in _WORK.items():
            command = [sys.executable, "-m", "tests.benchmarks.bench_workbook", step, str(path)]
            out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            found = json.loads(out.stdout.splitlines()[-1])
            rows.append(
                {
                    "work": work.format(n=LOADERS),
                    "ours": f"{found['seconds']:.1f} s, {found['peak_mb']:.0f} MB peak, {found['outcome']}",
                    "peer": "-",
                    "target": "15 s, 500 MB",
                    "met": found["seconds"] < 15 and found["peak_mb"] < 500 and found["is_right"],
                }
            )
    return rows


def _step(step: str, path: Path) -> dict[str, Any]:
    settings = Settings()
    assert settings.database_url is not None
    url = DatabaseUrl.parse(settings.database_url.get_secret_value())
    exported = path.with_suffix(".export.xlsx")
    with open_control_plane(settings, url) as control, correlated("bench"):
        began = time.perf_counter()
        if step == "export":
            count = control.workbooks.export(exported, caller=_CALLER, state=VersionState.DRAFT)
            seconds, is_right = time.perf_counter() - began, count == LOADERS
            outcome = f"{count:,} loaders, {exported.stat().st_size / 1e6:.1f} MB"
        else:
            call = control.workbooks.preview if step == "dry-run" else control.workbooks.apply
            data = (exported if step == "again" else path).read_bytes()
            report = call(data, caller=_CALLER, file_name=path.name)
            seconds = time.perf_counter() - began
            counts = {name.value: count for name, count in report.counts.items() if count}
            is_right = counts == {"unchanged" if step == "again" else "created": LOADERS}
            outcome = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return {"seconds": seconds, "peak_mb": peak_mb(), "outcome": outcome, "is_right": is_right}


if __name__ == "__main__":
    print(json.dumps(_step(sys.argv[1], Path(sys.argv[2]))))
