"""schemathesis, every check on, over the whole OpenAPI document of a live server: as an admin, in two parts.

What ends sessions (users, logins) is asked last and with a login of its own, so that the rest is not answered with 401 only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from domain.access.permissions import Role
from tests.fakes.live_api import live_api
from tests.fakes.platform import Platform

CONFIGURATION = Path(__file__).parent.parent / "schemathesis" / "schemathesis.toml"
ENDS_SESSIONS = "/(users|auth)(/|$)"


def run_schemathesis(url: str, bearer: str, tmp_path: Path, *selection: str, seconds: int) -> str:
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "--no-color", "run",
        f"{url}/api/openapi.json", "--header", f"Authorization: {bearer}", "--checks", "all",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "6", "--max-time", str(seconds), "--seed", "7", *selection,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.requirement("A11")
@pytest.mark.timeout(600)
def test_the_api_answers_as_its_document_says(platform: Platform, tmp_path: Path) -> None:
    with live_api(platform.settings, platform.url) as api:
        for name in ("ada", "ben"):
            api.add_user(name, Role.ADMIN)
        document = api.client.get("/api/openapi.json").json()
        operations = sum(len(methods) for methods in document["paths"].values())
        said = run_schemathesis(
            api.url, api.bearer("ada")["Authorization"], tmp_path, "--exclude-path-regex", ENDS_SESSIONS, seconds=75
        )
        more = run_schemathesis(
            api.url, api.bearer("ben")["Authorization"], tmp_path, "--include-path-regex", ENDS_SESSIONS, seconds=30
        )
        tested = sum(int(line.split()[-1]) for text in (said, more) for line in text.splitlines() if "Tested:" in line)
        assert tested == operations, "every operation was asked"
