"""`etlmon loader` against a real database: from YAML to a running version, under the rules of the API (A6, A7)."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from api.cli.main import main
from domain.access.permissions import Role
from resources.control_plane import open_control_plane
from tests.fakes.platform import Platform
from tests.fakes.version_worlds import body
from tests.fakes.workbooks import cell, edited

PASSWORD = "four unrelated words"


@pytest.fixture
def run(platform: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Run a command; its exit code and output."""
    assert platform.settings.database_url is not None
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.settings.database_url.get_secret_value())
    monkeypatch.setenv("ETLMON_HOME", str(platform.settings.home))
    monkeypatch.setenv("ETLMON_PASSWORD", PASSWORD)
    with open_control_plane(platform.settings, platform.url) as control:
        for name in ("ann", "bob"):
            control.users.create(name, Role.OPERATOR, actor="test", password=PASSWORD)
        with control.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE users SET has_to_change_password = false")

    def command(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            main(["loader", *arguments])
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


@pytest.mark.requirement("A6")
@pytest.mark.requirement("A7")
def test_from_yaml_to_a_running_version_and_back(run, tmp_path: Path) -> None:
    file = tmp_path / "demo.yaml"
    file.write_text(yaml.safe_dump(body("first")))
    assert run("create", str(file), "--user", "ann") == (0, "DEMO-A version 1 is DRAFT (revision 1)\n", "")
    assert run("submit", "DEMO-A", "--user", "ann")[0] == 0
    code, _, told = run("approve", "DEMO-A", "--user", "ann")
    assert (code, "cannot approve it" in told) == (2, True)
    assert run("approve", "DEMO-A", "--user", "bob")[1] == "DEMO-A version 1 is ACTIVE (revision 3)\n"
    shown = run("show", "DEMO-A", "--user", "bob")[1]
    assert "hunter2" not in shown
    edited = shown.replace("title: first", "title: second").replace("* * * * *", "*/5 * * * *")
    assert run("edit", "DEMO-A", "-", "--user", "ann", stdin=edited)[1] == "DEMO-A version 2 is DRAFT (revision 1)\n"
    assert run("edit", "DEMO-A", "-", "--user", "ann", stdin=edited)[1] == "DEMO-A version 2 is DRAFT (revision 2)\n"
    code, out, _ = run("diff", "DEMO-A", "1", "2")
    assert code == 1
    assert "every minute → every 5 minutes, 5× fewer captures" in out
    assert "title first → second" in out
    assert "password" not in out, "a masked password that came back is unchanged"
    run("submit", "DEMO-A", "--user", "ann")
    assert (
        run("reject", "DEMO-A", "--user", "bob", "--reason", "too rare")[1]
        == "DEMO-A version 2 is ARCHIVED (revision 4)\n"
    )
    code, _, told = run("rollback", "DEMO-A", "2")
    assert (code, "never active" in told) == (2, True)
    rows = json.loads(run("versions", "DEMO-A", "--json")[1])
    assert [(one["version"], one["state"], one["decision"]) for one in rows] == [
        (2, "ARCHIVED", "REJECTED"),
        (1, "ACTIVE", "APPROVED"),
    ]
    listed = json.loads(run("list", "--json", "--search", "first")[1])
    assert (listed["total"], listed["items"][0]["active_version"]) == (1, 1)
    assert "DEMO-A" in run("list")[1]


@pytest.mark.requirement("A6")
def test_what_is_wrong_is_said_on_stderr_with_exit_code_two(run, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    for content, told in (
        ("code: DEMO-A\ncode: DEMO-B\n", "second time"),
        ("- a list\n", "mapping"),
        (yaml.safe_dump(body(schedule="often")), "field schedule"),
        (yaml.safe_dump(body(connection={"url": "http://h", "password": "********"})), "type the value"),
    ):
        file.write_text(content)
        code, out, error = run("create", str(file))
        assert (code, out) == (2, "")
        assert told in error
    assert run("show", "NO-SUCH")[0] == 2
    code, _, told = run("submit", "NO-SUCH")
    assert (code, "etlmon loader list" in told) == (2, True)


@pytest.mark.requirement("A8")
def test_workbooks_go_out_and_come_in_by_command(run, platform: Platform, tmp_path: Path) -> None:
    file, book, empty = tmp_path / "demo.yaml", tmp_path / "out.xlsx", tmp_path / "template.xlsx"
    file.write_text(yaml.safe_dump(body("first")))
    run("create", str(file), "--user", "ann")
    code, out, _ = run("export", str(book), "--state", "DRAFT", "--user", "ann", "--json")
    assert (code, json.loads(out)["loaders"], zipfile.is_zipfile(book)) == (0, 1, True)

    def stored() -> list[tuple[object, ...]]:
        with open_control_plane(platform.settings, platform.url) as control, control.engine.begin() as connection:
            return [
                tuple(connection.exec_driver_sql(f"SELECT count(*), max({column}) FROM {table}").one())
                for table, column in (
                    ("loader_versions", "revision"), ("workbook_imports", "import_id"), ("audit_entries", "sequence"),
                )
            ]  # fmt: skip

    before = stored()
    assert run("import", str(book), "--dry-run", "--user", "ann")[0] == 0
    code, out, _ = run("import", str(book), "--dry-run", "--user", "ann", "--json")
    report = json.loads(out)
    assert (code, report["isDryRun"], report["isApplied"]) == (0, True, False)
    assert report["counts"] == {**dict.fromkeys(report["counts"], 0), "unchanged": 1}

    def break_schedule(workbook: Any) -> None:
        cell(workbook["Loaders"], "schedule").value = "often"

    bad = tmp_path / "bad.xlsx"
    bad.write_bytes(edited(book.read_bytes(), break_schedule))
    code, out, _ = run("import", str(bad), "--user", "ann")
    assert (code, "nothing imported" in out, "Loaders!" in out) == (1, True, True)
    code, out, _ = run("import", str(bad), "--user", "ann", "--json")
    error = json.loads(out)["errors"][0]
    assert (code, error["sheet"], error["row"], bool(error["column"])) == (1, "Loaders", 2, True)
    assert stored() == before, "neither a dry run nor a refused file changes anything"

    assert run("export", str(empty), "--template", "--user", "ann")[0] == 0
    assert "Loaders" in openpyxl.load_workbook(empty).sheetnames
    assert run("import", str(tmp_path / "none.xlsx"), "--user", "ann")[0] == 2
    assert run("export", str(tmp_path / "out.csv"), "--user", "ann")[0] == 2
