"""`etlmon user` and the first start, as an administrator on the machine meets them."""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.control_plane import open_control_plane
from resources.settings import export_environment
from tests.fakes.platform import Platform

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(platform: Platform) -> Run:
    environment = export_environment(platform.settings)

    def call(*arguments: str, text: str = "", password: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "etlmon"), "user", *arguments],
            env={**environment, "ETLMON_PASSWORD": password, "COLUMNS": "200"},
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    return call


def prepare(platform: Platform) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "resources.launch.prepare"],
        env=export_environment(platform.settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    if (password := json.loads(done.stdout)["password"]) is not None:
        assert password not in done.stderr
    said: dict[str, object] = json.loads(done.stdout)
    return said


@pytest.mark.requirement("A1")
def test_the_first_start_makes_an_admin_once_whose_password_has_to_be_changed(platform: Platform, run: Run) -> None:
    first = prepare(platform)
    assert first["admin"] == "admin"
    again = prepare(platform)
    assert (again["password"], again["isWaiting"]) == (None, True), (
        "killed before the password was shown: it says how to get another"
    )
    with open_control_plane(platform.settings, platform.url) as control:
        logged_in = control.login.with_password("admin", str(first["password"]), ip="::1", user_agent="")
    assert logged_in.caller.has_to_change_password
    assert prepare(platform)["isWaiting"] is False
    other = run("reset-password", "admin").stdout.split()[-1]
    assert other != first["password"]
    with open_control_plane(platform.settings, platform.url) as control:
        assert control.login.with_password("admin", other, ip="::1", user_agent="").caller.has_to_change_password


@pytest.mark.requirement("A2")
def test_users_are_kept_from_the_command_line(platform: Platform, run: Run) -> None:
    added = run("add", "Erika", "--role", "admin")
    assert (added.returncode, added.stdout.split()[:3]) == (0, ["password", "of", "erika:"])
    assert run("add", "otto", "--password-stdin", text="four unrelated words\n").returncode == 0
    assert "four unrelated words" not in run("list").stdout
    weak = run("add", "paula", "--password-stdin", text="short\n")
    assert (weak.returncode, "at least 12" in weak.stderr, "short" in weak.stderr) == (2, True, False)
    assert run("add", "otto").returncode == 2
    assert run("add", "no good name").returncode == 2
    assert run("set-role", "otto", "--role", "OPERATOR").returncode == 0
    assert run("set-role", "otto", "--role", "BOSS").returncode == 2
    assert run("disable", "otto").returncode == 0
    last = run("disable", "erika")
    assert (last.returncode, "last active ADMIN" in last.stderr) == (2, True)
    rows = {row["username"]: row for row in json.loads(run("list", "--json").stdout)}
    assert (rows["otto"]["role"], rows["otto"]["state"], rows["erika"]["state"]) == ("OPERATOR", "disabled", "active")
    assert "otto" in run("list").stdout
    assert (
        run("unlock", "erika").returncode
        == run("sessions", "erika").returncode
        == run("enable", "otto").returncode
        == 0
    )
    assert run("unlock", "nobody").returncode == 2
    with open_control_plane(platform.settings, platform.url) as control, control.engine.begin() as connection:
        actors = set(connection.exec_driver_sql("SELECT actor FROM audit_entries").scalars())
    assert actors == {f"cli:{getpass.getuser()}"}


@pytest.mark.requirement("A2")
def test_a_named_actor_is_checked_as_the_api_does(platform: Platform, run: Run) -> None:
    words = "four unrelated words"
    with open_control_plane(platform.settings, platform.url) as control:
        from domain.access.permissions import Role

        for name, role in (("erika", Role.ADMIN), ("otto", Role.VIEWER), ("fresh", Role.ADMIN)):
            control.users.create(name, role, actor="test", password=words)
        with control.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE users SET has_to_change_password = false WHERE username <> 'fresh'")
    assert run("list", "--user", "erika", password=words).returncode == 0
    wrong = run("list", "--user", "erika", password="wrong")
    assert (wrong.returncode, "NOT_AUTHENTICATED" in wrong.stderr) == (2, True)
    viewer = run("list", "--user", "otto", password=words)
    assert (viewer.returncode, "VIEWER may not read users" in viewer.stderr) == (2, True)
    assert "change the password" in run("list", "--user", "fresh", password=words).stderr
    with open_control_plane(platform.settings, platform.url) as control:
        rows = control.login_audit.list_attempts(limit=10, offset=0)[0]
        assert [row["outcome"] for row in rows] == ["success", "success", "wrong-password", "success"]
        assert all(row["ip"].startswith("cli:") for row in rows)


def test_tokens_of_machines_from_the_command_line(run: Run) -> None:
    made = run("add-token", "ci", "--role", "operator", "--scope", "signals:push", "--days", "7")
    token = made.stdout.strip()
    token_id = token.split("_")[1]
    assert token_id in run("tokens").stdout
    assert token not in run("tokens", "--json").stdout
    assert run("tokens", "--revoke", token_id).returncode == 0
    assert json.loads(run("tokens", "--json").stdout)[0]["revoked_at"] is not None
    refused = run("add-token", "ci", "--role", "operator", "--scope", "loaders:approve")
    assert (refused.returncode, "persons only" in refused.stderr) == (2, True)


def test_where_no_platform_was_started_nothing_is_made(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "etlmon"), "user", "list", "--home", str(tmp_path / "nowhere")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("NOT_FOUND: ")
    assert not list(tmp_path.iterdir())
