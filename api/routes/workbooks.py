"""Loaders as Excel workbooks: export, template, import with a dry run, the imports that were made (A8).

These paths stand before `/api/v1/loaders/{code}`: codes are capitals, so that nothing collides.
"""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from api.access import allow
from api.problems import BodyTooLargeError, ContentTypeError, problem
from api.routes.auth import Asking, Control
from api.wire import Limit, Offset, WireModel
from domain.errors import InputDataError
from domain.loaders.definition import Code
from domain.loaders.workbook_report import ImportMode, ImportReport, ImportTarget, RowOutcome
from domain.vocabulary import VersionState
from resources.workbook.package import MAX_FILE_BYTES, WorkbookTooLargeError

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_RAW_TYPES = (XLSX, "application/octet-stream")
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE: dict[int | str, dict[str, Any]] = {200: {"description": "the workbook", "content": {XLSX: _BINARY}}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            **dict.fromkeys(_RAW_TYPES, _BINARY),
        },
    }
}

router = APIRouter(prefix="/api/v1/loaders", tags=["workbooks"])

ImportId = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")]


class ImportSummary(WireModel):
    """One import without its rows and errors."""

    import_id: str
    file_hash: str
    file_name: str
    mode: ImportMode
    target: ImportTarget
    imported_by: str
    imported_at: datetime
    counts: dict[RowOutcome, int]
    error_count: int


class ImportList(WireModel):
    """The newest first."""

    items: list[ImportSummary]
    total: int


@router.get("/export.xlsx", response_class=FileResponse, responses=_FILE)
@allow("loaders", "export")
def export_workbook(
    control: Control,
    caller: Asking,
    codes: Annotated[list[Code] | None, Query(max_length=100, description="which loaders; none: all")] = None,
    state: Annotated[VersionState, Query(description="the newest version in this state")] = VersionState.ACTIVE,
) -> FileResponse:
    """Loaders as a workbook; what your role does not see is masked."""
    path = _temporary()
    try:
        control.workbooks.export(path, caller=caller, codes=codes or [], state=state)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return _send(path, "loaders.xlsx")


@router.get("/template.xlsx", response_class=FileResponse, responses=_FILE)
@allow("loaders", "export")
def read_template(control: Control) -> FileResponse:
    """An empty workbook: typed columns, drop-downs, notes with meaning, default and example."""
    path = _temporary()
    control.workbooks.write_template(path)
    return _send(path, "loaders-template.xlsx")


def _temporary() -> Path:
    with tempfile.NamedTemporaryFile(prefix="etlmon-", suffix=".xlsx", delete=False) as file:
        return Path(file.name)


def _send(path: Path, name: str) -> FileResponse:
    return FileResponse(path, media_type=XLSX, filename=name, background=BackgroundTask(path.unlink))


@router.get("/import", include_in_schema=False)
@allow("loaders", "import")
def refuse_reading_imports() -> None:
    """Without it `import` would be taken for a loader's code."""
    raise HTTPException(405, "Method Not Allowed")


@router.post("/import", openapi_extra=_BODY, response_model=ImportReport)
@allow("loaders", "import")
async def import_workbook(
    request: Request,
    control: Control,
    caller: Asking,
    *,
    dry_run: Annotated[bool, Query(description="judge everything, change nothing")] = False,
    mode: Annotated[ImportMode, Query()] = ImportMode.ATOMIC,
    target: Annotated[ImportTarget, Query()] = ImportTarget.DRAFT,
    file_name: Annotated[str, Query(max_length=200, description="for bodies that are no form")] = "workbook.xlsx",
) -> ImportReport | Response:
    """Import a workbook, as a form field `file` or as the body itself.

    A dry run answers 200 with all errors. An import of which nothing was taken is a 422 whose `report` has them.
    """
    data, name = await _read_upload(request, file_name)
    run = control.workbooks.preview if dry_run else control.workbooks.apply
    try:
        report = await run_in_threadpool(run, data, caller=caller, file_name=name, mode=mode, target=target)
    except WorkbookTooLargeError as error:
        raise BodyTooLargeError(error.reason, suggestion=error.suggestion) from None
    if dry_run or report.is_applied or report.is_repeated:
        return report
    reason = f"nothing was imported: {report.error_count:,} errors, the first in {_first(report)}"
    refused = InputDataError(reason, suggestion="mend them and send it again; `report` lists them")
    return problem(422, refused, report=report.model_dump(mode="json", by_alias=True))


def _first(report: ImportReport) -> str:
    return f"{report.errors[0].where}: {report.errors[0].reason}" if report.errors else "no row"


async def _read_upload(request: Request, file_name: str) -> tuple[bytes, str]:
    """The bytes of the workbook and its name; never more than the limit is kept."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise InputDataError("the form has no file", suggestion="send the workbook in the field `file`")
            if (file.size or 0) > MAX_FILE_BYTES:
                raise _too_large()
            return await file.read(), file.filename or file_name
    if kind not in _RAW_TYPES:
        raise ContentTypeError(
            f"a body of type {kind[:60] or 'unknown'!r} is no workbook",
            suggestion=f"send a form with the field `file`, or Content-Type: {XLSX}",
        )
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise _too_large()
        parts.append(chunk)
    return b"".join(parts), file_name


def _too_large() -> BodyTooLargeError:
    limit = MAX_FILE_BYTES // 2**20
    return BodyTooLargeError(f"the workbook exceeds {limit} MB", suggestion="split the loaders over several workbooks")


@router.get("/imports")
@allow("loaders", "import")
def list_imports(control: Control, limit: Limit = 100, offset: Offset = 0) -> ImportList:
    """Imports that were made: who, when, which file by its SHA-256, with what result."""
    rows, total = control.workbooks.list_imports(limit=limit, offset=offset)
    return ImportList(items=[ImportSummary(**row) for row in rows], total=total)


@router.get("/imports/{import_id}")
@allow("loaders", "import")
def read_import(import_id: ImportId, control: Control) -> ImportReport:
    """One import with its rows and errors."""
    return control.workbooks.get_import(import_id)
