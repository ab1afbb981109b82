"""One import: the file read and judged, its good loaders put in, the result said. Transactions are the service's business (A8)."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from domain.access.field_protection import Effect
from domain.access.permissions import Caller
from domain.loaders.workbook_parsing import ParsedLoader, ParsedWorkbook, complain_of, parse_workbook
from domain.loaders.workbook_report import (
    MOST_ERRORS,
    ImportedLoader,
    ImportMode,
    ImportReport,
    ImportTarget,
    RowOutcome,
    WorkbookError,
    count_outcomes,
)
from domain.vocabulary import VersionState
from resources.access.audit_log import AuditLog
from resources.loaders.versions import LoaderVersions
from resources.workbook.reading import read_workbook

_WRITTEN = {RowOutcome.CREATED, RowOutcome.EDITED}
_LANDED = {*_WRITTEN, RowOutcome.UNCHANGED}
_AUDITED = {"file_name", "file_hash", "mode", "target", "counts", "error_count"}


@dataclass
class ParsedFile:
    """What the file says. With an error of the whole workbook no loader of it is put in, whatever the mode."""

    workbook: ParsedWorkbook
    whole: list[WorkbookError]

    @property
    def errors(self) -> list[WorkbookError]:
        """All errors."""
        return [*self.whole, *self.workbook.errors]


def parse_file(data: bytes, *, effects: Mapping[str, Effect]) -> ParsedFile:
    """Read and parse; nothing of the database is needed yet.

    Raises:
        WorkbookRefusedError: no workbook of loaders.
    """
    content = read_workbook(data)
    workbook = parse_workbook(content.loaders, content.queries, effects=effects)
    if not workbook.loaders and not workbook.errors and not content.errors:
        workbook.loaders_sheet.complain("there is no loader on the sheet", "write one row per loader")
    return ParsedFile(workbook, list(content.errors))


def begin_report(
    data: bytes,
    *,
    caller: Caller,
    file_name: str,
    mode: ImportMode,
    target: ImportTarget,
    is_dry_run: bool,
    at: datetime,
) -> ImportReport:
    """The report before anything happened."""
    return ImportReport(
        import_id="",
        file_name=_clean_name(file_name),
        file_hash=hashlib.sha256(data).hexdigest(),
        mode=mode,
        target=target,
        is_dry_run=is_dry_run,
        is_repeated=False,
        imported_by=caller.username,
        imported_at=at,
        is_applied=False,
        counts={},
        error_count=0,
        errors=[],
        loaders=[],
    )


def put_loaders(
    connection: Connection, parsed: ParsedFile, blank: ImportReport, *, caller: Caller, loaders: LoaderVersions
) -> ImportReport:
    """Put the good loaders in. Where the report is not applied, the caller takes the transaction back."""
    good = [] if parsed.whole else [one for one in parsed.workbook.loaders if not one.is_refused]
    state, put = VersionState(blank.target.value), dict[str, ImportedLoader]()
    bodies = [one.document for one in good]
    results = loaders.put_many(bodies, caller=caller, target=state, connection=connection, is_dry_run=blank.is_dry_run)
    for result in results:
        loader = good[result.index]
        if result.error is not None:
            complain_of(parsed.workbook, loader, result.error)
        put[loader.code] = ImportedLoader(
            code=loader.code, row=loader.row, outcome=RowOutcome(result.action), version=result.version or 0
        )
    is_held_back = bool(parsed.whole) or (blank.mode is ImportMode.ATOMIC and bool(parsed.errors))
    return _finish(blank, parsed, put, is_held_back=is_held_back)


def _finish(
    blank: ImportReport, parsed: ParsedFile, put: Mapping[str, ImportedLoader], *, is_held_back: bool
) -> ImportReport:
    loaders = [_outcome(one, put.get(one.code), is_held_back=is_held_back) for one in parsed.workbook.loaders]
    errors = parsed.errors
    is_applied = not (is_held_back or blank.is_dry_run) and any(one.outcome in _LANDED for one in loaders)
    has_written = is_applied and any(one.outcome in _WRITTEN for one in loaders)
    return blank.model_copy(
        update={
            "import_id": uuid.uuid4().hex if has_written else "",
            "counts": count_outcomes(loaders),
            "error_count": len(errors),
            "errors": errors[:MOST_ERRORS],
            "loaders": loaders,
            "is_applied": is_applied,
        }
    )


def _outcome(loader: ParsedLoader, result: ImportedLoader | None, *, is_held_back: bool) -> ImportedLoader:
    if loader.is_refused:
        return ImportedLoader(code=loader.code, row=loader.row, outcome=RowOutcome.REFUSED)
    is_still = result is not None and result.outcome is RowOutcome.UNCHANGED
    if result is None or (is_held_back and not is_still):
        return ImportedLoader(code=loader.code, row=loader.row, outcome=RowOutcome.HELD_BACK)
    return result


def note_import(connection: Connection, report: ImportReport, *, audit: AuditLog) -> None:
    """The entry of the audit for the file; each version has its own."""
    audit.record(
        connection,
        actor=report.imported_by,
        action="workbook.import",
        resource="workbook-imports",
        resource_id=report.import_id,
        after=report.model_dump(mode="json", by_alias=True, include=_AUDITED),
    )


def _clean_name(name: str) -> str:
    """The last part of a file's name, printable, at most 200 characters."""
    last = re.split(r"[\\/]", name)[-1]
    return "".join(one for one in last if one.isprintable())[:200] or "workbook.xlsx"
