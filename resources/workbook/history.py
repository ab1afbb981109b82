"""Imports that were made, as rows: who, when, which file by its hash, with what result. One per file, mode and target (A8)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, text

from domain.errors import NotFoundError
from domain.loaders.workbook_report import ImportMode, ImportReport, ImportTarget

_COLUMNS = "import_id, file_hash, file_name, mode, target, imported_by, imported_at"


def hold_file(connection: Connection, file_hash: str) -> None:
    """Until the end of the transaction nobody else imports the same file."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 8))"), {"name": f"workbook:{file_hash}"}
    )


def find_import(
    connection: Connection, file_hash: str, *, mode: ImportMode, target: ImportTarget
) -> ImportReport | None:
    """The result of that file in that mode with that target; None when it was never imported so."""
    row = connection.execute(
        text("SELECT result FROM workbook_imports WHERE file_hash = :file_hash AND mode = :mode AND target = :target"),
        {"file_hash": file_hash, "mode": mode.value, "target": target.value},
    ).one_or_none()
    return _report(row) if row else None


def get_import(connection: Connection, import_id: str) -> ImportReport:
    """The result of an import.

    Raises:
        NotFoundError: there is none of that id.
    """
    row = connection.execute(
        text("SELECT result FROM workbook_imports WHERE import_id = :import_id"), {"import_id": import_id}
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"no import {import_id}", suggestion="GET /api/v1/loaders/imports lists them")
    return _report(row)


def _report(row: Row[Any]) -> ImportReport:
    return ImportReport.model_validate(row.result)


def insert_import(connection: Connection, report: ImportReport) -> None:
    """Remember a result."""
    values = report.model_dump(mode="json", include=set(_COLUMNS.split(", ")))
    connection.execute(
        text(
            f"INSERT INTO workbook_imports ({_COLUMNS}, result)"
            " VALUES (:import_id, :file_hash, :file_name, :mode, :target, :imported_by, :imported_at, :result)"
        ),
        {**values, "result": report.model_dump_json(by_alias=True)},
    )


def list_imports(connection: Connection, *, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
    """Imports without their loaders and errors, the newest first, and how many there are."""
    total = connection.execute(text("SELECT count(*) FROM workbook_imports")).scalar_one()
    rows = connection.execute(
        text(
            f"SELECT {_COLUMNS}, result -> 'counts' AS counts, (result ->> 'errorCount')::integer AS error_count"
            " FROM workbook_imports ORDER BY imported_at DESC, import_id LIMIT :limit OFFSET :offset"
        ),
        {"limit": limit, "offset": offset},
    )
    return [dict(row) for row in rows.mappings()], int(total)
