"""Workbooks as people and attackers make them: ours, changed with openpyxl or byte by byte."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from domain.loaders.definition import LoaderDefinition, document_of
from resources.workbook.writing import write_workbook


def prometheus_loader(code: str = "ORDERS-DB", **changes: Any) -> dict[str, Any]:
    """Document of a small loader."""
    body = {
        "code": code, "title": "Orders", "source": "prometheus", "connection": "prometheus", "schedule": "*/5 * * * *",
        "step_s": 60, "prometheus": [{"metric_name": "pool_pct", "promql": "max(pool)", "labels": ["service"]}],
    }  # fmt: skip
    return document_of(LoaderDefinition.model_validate({**body, **changes}))


def workbook_bytes(*documents: Mapping[str, Any]) -> bytes:
    """The file of these loaders."""
    return bytes_of(documents)


def bytes_of(documents: Iterable[Mapping[str, Any]], **options: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.xlsx"
        write_workbook(path, documents, **options)
        return path.read_bytes()


def edited(data: bytes, change: Callable[[Any], None]) -> bytes:
    """The file after somebody changed it in a spreadsheet program (openpyxl stands for it)."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    change(book)
    out = io.BytesIO()
    book.save(out)
    book.close()
    return out.getvalue()


def cell(sheet: Worksheet, header: str, row: int = 2) -> Any:
    """The cell under a header."""
    return next(one for one in sheet[1] if one.value == header).offset(row - 1, 0)


def repacked(data: bytes, changes: Mapping[str, Callable[[bytes], bytes] | bytes | None]) -> bytes:
    """The file with parts replaced, added or (None) removed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            change = changes.get(name, source.read(name))
            if change is not None:
                target.writestr(name, change(source.read(name)) if callable(change) else change)
        for name, added in changes.items():
            if name not in source.namelist() and isinstance(added, bytes):
                target.writestr(name, added)
    return out.getvalue()
