"""Workbooks in and out of a real database, and over HTTP: what lands, what does not, who sees what, what is remembered."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from domain.access.permissions import Caller, Role
from domain.errors import InputDataError, NotFoundError, NotPermittedError
from domain.loaders.workbook_report import ImportMode, ImportReport, ImportTarget, RowOutcome
from domain.vocabulary import VersionState
from resources.control_plane import ControlPlane, open_control_plane
from resources.json_logs import correlated
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform
from tests.fakes.workbooks import bytes_of, cell, edited, prometheus_loader, workbook_bytes

pytestmark = pytest.mark.requirement("A8")

ANN, BOB, VERA = (
    Caller("ann", Role.OPERATOR),
    Caller("bob", Role.OPERATOR),
    Caller("vera", Role.VIEWER),
)
CANARY = "canary-7f3a91"
OWN = {"url": "https://stats.example:9090", "username": "u", "password": CANARY, "headers": {"X-Key": f"{CANARY}-key"}}


@pytest.fixture
def control(platform: Platform) -> Iterator[ControlPlane]:
    with open_control_plane(platform.settings, platform.url) as control, correlated("test"):
        yield control


def _apply(control: ControlPlane, data: bytes, caller: Caller = ANN, **options: Any) -> ImportReport:
    return control.workbooks.apply(data, caller=caller, file_name="loaders.xlsx", **options)


def _preview(control: ControlPlane, data: bytes, caller: Caller = ANN, **options: Any) -> ImportReport:
    return control.workbooks.preview(data, caller=caller, file_name="loaders.xlsx", **options)


def _outcomes(report: ImportReport) -> dict[str, str]:
    return {one.code: one.outcome.value for one in report.loaders}


def _rows(control: ControlPlane, table: str) -> int:
    with control.engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def _export(control: ControlPlane, folder: Path, caller: Caller, **options: Any) -> bytes:
    path = folder / "out.xlsx"
    control.workbooks.export(path, caller=caller, **{"state": VersionState.DRAFT, **options})
    return path.read_bytes()


def _activate(control: ControlPlane, code: str, version: int = 1) -> None:
    control.loaders.submit(code, version, caller=ANN)
    record = control.loaders.get(code, version)
    control.loaders.approve(code, version, caller=BOB, content_hash=record.content_hash)


def test_a_dry_run_says_what_would_happen_and_changes_nothing(control: ControlPlane) -> None:
    report = _preview(control, workbook_bytes(prometheus_loader("A-ONE"), prometheus_loader("B-TWO")))
    assert _outcomes(report) == {"A-ONE": "created", "B-TWO": "created"}
    assert (report.is_dry_run, report.is_applied, report.import_id) == (True, False, "")
    assert [_rows(control, one) for one in ("loaders", "loader_versions", "workbook_imports")] == [0, 0, 0]


def test_imported_loaders_are_drafts_and_the_file_is_in_the_audit(control: ControlPlane) -> None:
    report = _apply(control, workbook_bytes(prometheus_loader("A-ONE"), prometheus_loader("B-TWO")))
    assert report.is_applied
    assert control.loaders.get("A-ONE", 1).state is VersionState.DRAFT
    with control.engine.connect() as connection:
        entry = connection.execute(text("SELECT * FROM audit_entries ORDER BY sequence DESC LIMIT 1")).one()
    assert (entry.actor, entry.action, entry.resource_id) == ("ann", "workbook.import", report.import_id)
    assert entry.after["fileHash"] == report.file_hash
    assert entry.after["fileName"] == "loaders.xlsx"
    assert entry.after["counts"]["created"] == 2
    items, total = control.workbooks.list_imports()
    assert (total, items[0]["imported_by"], items[0]["counts"]["created"]) == (1, "ann", 2)
    assert control.workbooks.get_import(report.import_id).loaders == report.loaders


def test_pending_imports_wait_for_somebody_else(control: ControlPlane) -> None:
    _apply(control, workbook_bytes(prometheus_loader("A-ONE")), target=ImportTarget.PENDING)
    record = control.loaders.get("A-ONE", 1)
    assert (record.state, record.submitted_by) == (VersionState.PENDING, "ann")
    with pytest.raises(NotPermittedError):
        control.loaders.approve("A-ONE", 1, caller=ANN, content_hash=record.content_hash)


def test_the_same_file_again_changes_nothing_and_says_so(control: ControlPlane) -> None:
    data = workbook_bytes(prometheus_loader("A-ONE"))
    first = _apply(control, data)
    again = _apply(control, data, BOB)
    assert again == first.model_copy(update={"is_repeated": True, "is_applied": False})
    assert [_rows(control, one) for one in ("loader_versions", "workbook_imports")] == [1, 1]
    assert _preview(control, data).is_repeated
    assert not _apply(control, data, target=ImportTarget.PENDING).is_repeated


def test_two_at_once_import_one_file_once(control: ControlPlane) -> None:
    data = workbook_bytes(*(prometheus_loader(f"L-{k}") for k in range(20)))
    reports: list[ImportReport] = []
    threads = [threading.Thread(target=lambda: reports.append(_apply(control, data))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(one.is_repeated for one in reports) == [False, True, True, True]
    assert _rows(control, "loader_versions") == 20


def _with_an_error(*codes: str) -> bytes:
    def spoil(book: Any) -> None:
        cell(book["Loaders"], "schedule", 3).value = "61 * * * *"

    return edited(workbook_bytes(*(prometheus_loader(code) for code in codes)), spoil)


def test_atomic_takes_nothing_when_one_cell_is_wrong(control: ControlPlane) -> None:
    report = _apply(control, _with_an_error("A-ONE", "B-TWO", "C-THREE"))
    assert _outcomes(report) == {"A-ONE": "held-back", "B-TWO": "refused", "C-THREE": "held-back"}
    assert not report.is_applied
    assert [_rows(control, one) for one in ("loaders", "loader_versions", "workbook_imports", "audit_entries")] == [
        0
    ] * 4
    error = report.errors[0]
    assert (error.where, error.header, error.code) == ("Loaders!M3", "schedule", "B-TWO")
    assert "five fields" in error.reason
    assert error.suggestion


def test_per_row_takes_the_good_ones(control: ControlPlane) -> None:
    report = _apply(control, _with_an_error("A-ONE", "B-TWO", "C-THREE"), mode=ImportMode.PER_ROW)
    assert _outcomes(report) == {"A-ONE": "created", "B-TWO": "refused", "C-THREE": "created"}
    assert _rows(control, "loader_versions") == 2


def test_errors_found_by_the_definition_name_the_cell_of_the_query(control: ControlPlane) -> None:
    def spoil(book: Any) -> None:
        cell(book["Queries"], "metric_name", 3).value = "Not A Name"
        cell(book["Queries"], "limit.value", 2).value = 5
        cell(book["Queries"], "limit.warn_at_pct", 2).value = 500
        book["Queries"].delete_rows(4)

    data = edited(workbook_bytes(*(prometheus_loader(code) for code in ("A-ONE", "B-TWO", "C-THREE"))), spoil)
    report = _preview(control, data)
    places = {(one.where, one.header, one.code) for one in report.errors}
    assert ("Queries!C3", "metric_name", "B-TWO") in places
    assert ("Queries!I2", "limit.warn_at_pct", "A-ONE") in places
    last = next(one for one in report.errors if one.code == "C-THREE")
    assert (last.where, last.suggestion) == ("Loaders!A4", "add its queries on the sheet Queries")


def test_export_and_import_change_nothing(control: ControlPlane, tmp_path: Path) -> None:
    loaders = [
        prometheus_loader("A-ONE", title="=1+1\nand é", connection=OWN),
        prometheus_loader("B-TWO", owner="", description=" x "),
    ]
    _apply(control, workbook_bytes(*loaders))
    for code in ("A-ONE", "B-TWO"):
        _activate(control, code)
    for caller in (ANN, Caller("root", Role.ADMIN)):
        data = _export(control, tmp_path, caller, state=VersionState.ACTIVE)
        report = _apply(control, data, caller)
        assert _outcomes(report) == {"A-ONE": "unchanged", "B-TWO": "unchanged"}, report.errors
    assert _rows(control, "loader_versions") == 2


def test_what_a_viewer_exported_clears_no_secret_when_an_operator_imports_it(
    control: ControlPlane, tmp_path: Path
) -> None:
    _apply(control, workbook_bytes(prometheus_loader("A-ONE", connection=OWN)))
    data = _export(control, tmp_path, VERA)
    report = _apply(control, data)
    assert _outcomes(report) == {"A-ONE": "unchanged"}, report.errors


@pytest.mark.parametrize("caller", [ANN, VERA, Caller("root", Role.ADMIN)], ids=lambda one: one.role.value)
def test_no_export_has_a_protected_value(control: ControlPlane, tmp_path: Path, caller: Caller) -> None:
    import io
    import zipfile

    _apply(control, workbook_bytes(prometheus_loader("A-ONE", connection=OWN)))
    with zipfile.ZipFile(io.BytesIO(_export(control, tmp_path, caller))) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert CANARY.encode() not in everything
    assert (b"stats.example" in everything) == (caller.role is not Role.VIEWER)


def test_a_secret_is_changed_kept_and_cleared_by_its_cell(control: ControlPlane, tmp_path: Path) -> None:
    _apply(control, workbook_bytes(prometheus_loader("A-ONE", connection=OWN)))

    def change(value: str | None) -> bytes:
        def edit(book: Any) -> None:
            cell(book["Loaders"], "connection.password").value = value
            cell(book["Loaders"], "title").value = f"now {value}"

        return edited(_export(control, tmp_path, ANN), edit)

    def password() -> str | None:
        connection = control.loaders.get("A-ONE", 1).definition.connection
        assert not isinstance(connection, str)
        return connection.password.get_secret_value() if connection.password else None

    _apply(control, change("********"))
    assert password() == CANARY
    _apply(control, change("n3w"))
    assert password() == "n3w"
    _apply(control, change(None))
    assert password() is None


def test_a_kept_secret_does_not_follow_its_url_to_another_host(control: ControlPlane, tmp_path: Path) -> None:
    _apply(control, workbook_bytes(prometheus_loader("A-ONE", connection=OWN)))

    def move(book: Any) -> None:
        cell(book["Loaders"], "connection.url").value = "https://evil.example"

    report = _apply(control, edited(_export(control, tmp_path, ANN), move))
    assert _outcomes(report) == {"A-ONE": "refused"}
    assert {one.header for one in report.errors} <= {"connection.password", "connection.headers"}
    assert CANARY not in report.model_dump_json()


def test_a_mask_in_a_new_loader_is_refused(control: ControlPlane) -> None:
    connection = {**OWN, "password": "********"}
    report = _apply(control, workbook_bytes(prometheus_loader("A-ONE", connection=connection)))
    assert [(one.where, one.header) for one in report.errors] == [("Loaders!I2", "connection.password")]


def test_viewers_export_and_do_not_import(control: ControlPlane, tmp_path: Path) -> None:
    data = workbook_bytes(prometheus_loader("A-ONE"))
    with pytest.raises(NotPermittedError):
        _apply(control, data, VERA)
    with pytest.raises(NotPermittedError):
        _preview(control, data, VERA)
    with pytest.raises(NotFoundError, match="A-ONE"):
        _export(control, tmp_path, VERA, codes=["A-ONE"])


def test_some_loaders_are_exported_by_code(control: ControlPlane, tmp_path: Path) -> None:
    _apply(control, workbook_bytes(*(prometheus_loader(f"L-{k:04}") for k in range(1_203))))
    path = tmp_path / "out.xlsx"
    assert control.workbooks.export(path, caller=ANN, codes=["L-0007", "L-1200"], state=VersionState.DRAFT) == 2
    heard: list[tuple[int, int]] = []
    count = control.workbooks.export(
        path, caller=ANN, state=VersionState.DRAFT, progress=lambda _, done, total: heard.append((done, total))
    )
    assert (count, heard) == (1_203, [(500, 1_203), (1_000, 1_203), (1_203, 1_203)])


def test_the_template_has_nothing_to_import(control: ControlPlane) -> None:
    report = _apply(control, bytes_of([]))
    assert not report.is_applied
    assert "no loader" in report.errors[0].reason


# over HTTP --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    with live_api(platform.settings, platform.url) as api:
        for name, role in (("ann", Role.OPERATOR), ("vera", Role.VIEWER)):
            api.add_user(name, role)
        yield api


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def test_the_way_of_a_workbook_over_http(api: LiveApi, tmp_path: Path) -> None:
    ann, vera = api.bearer("ann"), api.bearer("vera")
    template = api.client.get("/api/v1/loaders/template.xlsx", headers=vera)
    assert (template.status_code, template.headers["content-type"]) == (200, XLSX)

    data = edited(workbook_bytes(prometheus_loader("A-ONE")), lambda _: None)
    form = {"file": ("my loaders.xlsx", data, XLSX)}
    dry = api.client.post("/api/v1/loaders/import?dry_run=true", headers=ann, files=form).json()
    assert (dry["isDryRun"], dry["isApplied"], dry["counts"]["created"]) == (True, False, 1)
    done = api.client.post("/api/v1/loaders/import", headers=ann, files=form)
    assert (done.status_code, done.json()["isApplied"], done.json()["fileName"]) == (200, True, "my loaders.xlsx")
    raw = api.client.post("/api/v1/loaders/import", headers={**ann, "Content-Type": XLSX}, content=data)
    assert (raw.status_code, raw.json()["isRepeated"]) == (200, True)

    listed = api.client.get("/api/v1/loaders/imports", headers=ann).json()
    assert (listed["total"], listed["items"][0]["importedBy"]) == (1, "ann")
    one = api.client.get(f"/api/v1/loaders/imports/{listed['items'][0]['importId']}", headers=ann)
    assert one.json()["loaders"] == [{"code": "A-ONE", "row": 2, "outcome": "created", "version": 1}]

    exported = api.client.get("/api/v1/loaders/export.xlsx?state=DRAFT&codes=A-ONE", headers=vera)
    assert exported.status_code == 200
    assert 'filename="loaders.xlsx"' in exported.headers["content-disposition"]
    again = api.client.post("/api/v1/loaders/import", headers=ann, files={"file": ("x.xlsx", exported.content, XLSX)})
    assert again.json()["counts"] == {**dict.fromkeys(map(str, RowOutcome), 0), "unchanged": 1}


def test_what_http_refuses(api: LiveApi) -> None:
    ann, vera = api.bearer("ann"), api.bearer("vera")

    def post(data: bytes, headers: dict[str, str], kind: str = XLSX, query: str = "") -> httpx.Response:
        return api.client.post(
            f"/api/v1/loaders/import{query}", headers={**headers, "Content-Type": kind}, content=data
        )

    good = workbook_bytes(prometheus_loader("A-ONE"))
    assert post(good, {}).status_code == 401
    assert post(good, vera).status_code == 403
    assert api.client.get("/api/v1/loaders/imports", headers=vera).status_code == 403
    assert post(good, ann, "text/csv").status_code == 415
    assert post(bytes(21 * 2**20), ann).status_code == 413
    assert api.client.post("/api/v1/loaders/import", headers=ann, files={"other": ("a", b"b")}).status_code == 422
    assert post(good, ann, query="?mode=maybe").status_code == 422
    macros = post(b"a,b\n", ann)
    assert (macros.status_code, macros.json()["errorType"]) == (422, "WORKBOOK_REFUSED")
    bad = post(_with_an_error("A-ONE", "B-TWO"), ann)
    assert (bad.status_code, bad.headers["content-type"]) == (422, "application/problem+json")
    assert bad.json()["report"]["errors"][0]["column"] == "M"
    assert "Loaders!M3" in bad.json()["reason"]
    missing = api.client.get("/api/v1/loaders/export.xlsx?codes=NONE-SUCH", headers=ann)
    assert (missing.status_code, missing.json()["errorType"]) == (404, "NOT_FOUND")
    assert api.client.get("/api/v1/loaders/export.xlsx?codes=lower", headers=ann).status_code == 422
    assert json.loads(missing.text)["correlationId"]


def test_a_text_too_long_for_a_cell_is_a_clear_answer(control: ControlPlane, tmp_path: Path) -> None:
    control.loaders.create_draft(prometheus_loader("A-ONE", description="x" * 40_000), caller=ANN)
    with pytest.raises(InputDataError, match="A-ONE: description has 40,000 characters"):
        _export(control, tmp_path, ANN)
