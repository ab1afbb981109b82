"""Workbooks: template and export out, upload, preview of every error, confirmation, history (A8)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import Path as InPath
from fastapi import Query, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.posted import Posted, PostedForm
from api.pages.rendering import go, render
from domain.errors import EtlmonError, InputDataError, NotFoundError
from domain.loaders.workbook_report import ImportMode, ImportReport, ImportTarget
from domain.vocabulary import VersionState
from resources.clock import utc_now
from resources.workbook.package import MAX_FILE_BYTES
from resources.workbook.waiting_uploads import WaitingUpload, WaitingUploads

router = page_router()
_CRUMBS = [("Overview", "/"), ("Import", "/import")]
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SHOWN = 200
Name = Annotated[str, InPath(max_length=64)]
Mode = Annotated[str, Query(max_length=20)]


@router.get("/import")
@allow("loaders", "import")
def show_import(request: Request) -> Response:
    """Upload form, template, history."""
    return _import_page(request)


@router.post("/import")
@allow("loaders", "import")
def upload_workbook(request: Request, form: Posted) -> Response:
    """Keep the file for an hour and go to its preview."""
    me = current_caller(request)
    try:
        upload = _read_upload(form)
        control_plane(request).workbooks.preview(upload.data, caller=me, file_name=upload.file_name)
    except InputDataError as error:
        return _import_page(request, error=error)
    name = _waiting(request).put(upload, username=me.username, at=utc_now())
    return go(request, f"/import/preview/{name}")


@router.get("/import/preview/{name}")
@allow("loaders", "import")
def preview_import(request: Request, name: Name, mode: Mode = "atomic", target: Mode = "DRAFT") -> Response:
    """What the import would do; nothing has changed."""
    me = current_caller(request)
    upload = _waiting(request).get(name, username=me.username)
    report = control_plane(request).workbooks.preview(
        upload.data, caller=me, file_name=upload.file_name, mode=_mode(mode), target=_target(target)
    )
    return _report_page(request, report, title=f"Preview of {upload.file_name}", name=name)


@router.post("/import/preview/{name}")
@allow("loaders", "import")
def apply_import(request: Request, name: Name, form: Posted) -> Response:
    """Import; refused as a whole it shows the preview again."""
    me, control = current_caller(request), control_plane(request)
    mode, target = _mode(form.text("mode")), _target(form.text("target"))
    upload = _waiting(request).get(name, username=me.username)
    try:
        report = control.workbooks.apply(upload.data, caller=me, file_name=upload.file_name, mode=mode, target=target)
    except EtlmonError as error:
        return go(request, "/import", Flash("Nothing was imported", f"{error.reason}; {error.suggestion}", kind="bad"))
    if not (report.is_applied or report.is_repeated):
        flash = Flash("Nothing was imported", "Mend the errors below in the workbook and upload it again.", kind="bad")
        return go(request, f"/import/preview/{name}?mode={mode.value}&target={target.value}", flash)
    _waiting(request).remove(name)
    if report.is_repeated:
        return go(request, f"/imports/{report.import_id}", Flash("This file was imported before", kind="info"))
    return go(request, f"/imports/{report.import_id}", Flash(f"{upload.file_name} is imported"))


@router.get("/imports/{import_id}")
@allow("loaders", "import")
def show_import_report(request: Request, import_id: Name) -> Response:
    """What an import did."""
    report = control_plane(request).workbooks.get_import(import_id)
    return _report_page(request, report, title=report.file_name, name="")


@router.get("/export-loaders.xlsx")
@allow("loaders", "export")
def export_loaders(
    request: Request,
    code: Annotated[list[str] | None, Query(max_length=1_000)] = None,
    state: Annotated[VersionState, Query()] = VersionState.ACTIVE,
) -> Response:
    """All loaders, or those that were ticked, as this role may see them."""
    path, me = _temporary(), current_caller(request)
    try:
        control_plane(request).workbooks.export(path, caller=me, codes=code or [], state=state)
    except (NotFoundError, InputDataError) as error:
        path.unlink(missing_ok=True)
        return go(request, "/loaders", Flash("Nothing was exported", f"{error.reason}; {error.suggestion}", kind="bad"))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return _send(path, "loaders.xlsx")


@router.get("/loaders-template.xlsx")
@allow("loaders", "export")
def send_template(request: Request) -> Response:
    """An empty workbook with typed columns, drop-downs and notes."""
    path = _temporary()
    control_plane(request).workbooks.write_template(path)
    return _send(path, "loaders-template.xlsx")


def _read_upload(form: PostedForm) -> WaitingUpload:
    file = form.file("file")
    if file is None:
        raise InputDataError("no file was chosen", suggestion="choose a workbook (.xlsx)")
    if (file.size or 0) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 2**20
        raise InputDataError(f"the workbook exceeds {limit} MB", suggestion="split the loaders over several workbooks")
    return WaitingUpload((file.filename or "workbook.xlsx")[:200], file.file.read())


def _temporary() -> Path:
    with tempfile.NamedTemporaryFile(prefix="etlmon-", suffix=".xlsx", delete=False) as file:
        return Path(file.name)


def _send(path: Path, name: str) -> Response:
    return FileResponse(path, media_type=_XLSX, filename=name, background=BackgroundTask(path.unlink, missing_ok=True))


def _waiting(request: Request) -> WaitingUploads:
    control = control_plane(request)
    return WaitingUploads(control.settings.home, control.cipher)


def _mode(text: str) -> ImportMode:
    return ImportMode(text) if text in set(ImportMode) else ImportMode.ATOMIC


def _target(text: str) -> ImportTarget:
    return ImportTarget(text) if text in set(ImportTarget) else ImportTarget.DRAFT


def _import_page(request: Request, *, error: EtlmonError | None = None) -> Response:
    imports, total = control_plane(request).workbooks.list_imports(limit=50)
    return render(
        request,
        "import.html",
        crumbs=_CRUMBS,
        status=422 if error else 200,
        error=error,
        imports=imports,
        total=total,
        most_megabytes=MAX_FILE_BYTES // 2**20,
    )


def _report_page(request: Request, report: ImportReport, *, title: str, name: str) -> Response:
    return render(
        request,
        "import_report.html",
        crumbs=[*_CRUMBS, (title, "")],
        report=report,
        title=title,
        name=name,
        shown=_SHOWN,
        counts={outcome.value: count for outcome, count in report.counts.items()},
        may_submit=current_caller(request).may("loaders", "submit"),
    )
