"""A workbook file as raw sheets: checked, looked through, and only then read by calamine from a package made of what was checked (A8)."""

from __future__ import annotations

import io
import posixpath
import zipfile
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import python_calamine

from domain.loaders.workbook_layout import GUIDE_SHEET, LAYOUT_VERSION, LOADERS_SHEET, QUERIES_SHEET
from domain.loaders.workbook_report import WorkbookError
from domain.loaders.workbook_sheet import RawSheet, column_letter
from resources.workbook.package import Package, open_package, refuse
from resources.workbook.sheet_xml import SheetFacts, check_part, parse_elements, scan_sheet

_SHEETS = (LOADERS_SHEET, QUERIES_SHEET, GUIDE_SHEET)
_TEMPLATE = "begin with the template: `etlmon loader export --template`"
_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_ROOT = (
    f'<Relationships xmlns="{_RELATIONS}">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)


@dataclass
class WorkbookContent:
    """The two sheets, and what is wrong with the workbook as a whole: with an error here no row counts."""

    loaders: RawSheet
    queries: RawSheet
    errors: list[WorkbookError] = field(default_factory=list)


def read_workbook(data: bytes) -> WorkbookContent:
    """Check and read.

    Raises:
        WorkbookRefusedError: no workbook of ours at all; the reason says what it is instead.
    """
    package = open_package(data)
    paths, errors = _find_sheets(package)
    facts: dict[str, SheetFacts] = {}
    parts: dict[str, bytes] = {}
    for name, path in paths.items():
        parts[name] = package.read(path)
        facts[name] = scan_sheet(parts[name], part=f"the sheet {name}")
        errors += _complain_of_sheet(name, facts[name])
    sheets = _read_sheets(_repack(package, parts), facts)
    errors += _check_version(sheets.get(GUIDE_SHEET))
    return WorkbookContent(sheets[LOADERS_SHEET], sheets[QUERIES_SHEET], errors)


def _find_sheets(package: Package) -> tuple[dict[str, str], list[WorkbookError]]:
    """Name → part of our sheets; complaints about all others."""
    types = package.read("[Content_Types].xml")
    check_part(types, part="[Content_Types].xml")
    if b"macroEnabled" in types:
        refuse("is a workbook for macros (.xlsm)", "save it as Excel workbook without macros (.xlsx)")
    book = parse_elements(package.read("xl/workbook.xml"), part="xl/workbook.xml", wanted=frozenset({"sheet"}))
    links = parse_elements(
        package.read("xl/_rels/workbook.xml.rels"), part="its relations", wanted=frozenset({"Relationship"})
    )
    targets = {one.get("Id", ""): one for _, one in links}
    paths: dict[str, str] = {}
    errors: list[WorkbookError] = []
    for _, sheet in book:
        name = sheet.get("name", "")[:80]
        link = targets.get(sheet.get("id", ""), {})
        if name not in _SHEETS or name in paths:
            hint = f"remove it; a workbook of loaders has the sheets {', '.join(_SHEETS)}"
            errors.append(_complaint(name, f"the sheet {name} does not belong here", hint))
        elif sheet.get("state", "visible") != "visible":
            errors.append(_complaint(name, f"the sheet {name} is hidden", "show it, and look at what it holds"))
        if name in _SHEETS and link.get("Type", "").endswith("/worksheet"):
            paths.setdefault(name, posixpath.normpath(posixpath.join("/xl", link.get("Target", ""))).lstrip("/"))
    missing = [one for one in (LOADERS_SHEET, QUERIES_SHEET) if one not in paths]
    if missing:
        there = ", ".join(sheet.get("name", "")[:40] for _, sheet in book[:10])
        refuse(f"has no sheet {missing[0]}, only: {there}", _TEMPLATE)
    return paths, errors


def _complaint(sheet: str, reason: str, suggestion: str, *, row: int = 0, column: str = "") -> WorkbookError:
    return WorkbookError(sheet=sheet, row=row, column=column, header="", code="", reason=reason, suggestion=suggestion)


def _complain_of_sheet(name: str, facts: SheetFacts) -> list[WorkbookError]:
    if name == GUIDE_SHEET:
        return []
    unmerge = "unmerge the cells and write each value into its own"
    show = "show it (or clear the filter), then look at it or delete it"
    return [
        *(_complaint(name, f"the cells {one} are merged", unmerge) for one in facts.merged),
        *(_complaint(name, f"row {row + 1} is hidden and not empty", show, row=row + 1) for row in facts.hidden_rows),
        *(
            _complaint(name, f"column {column_letter(one)} is hidden and not empty", show, column=column_letter(one))
            for one in facts.hidden_columns
        ),
    ]


def _repack(package: Package, sheets: dict[str, bytes]) -> bytes:
    """A package of the checked parts only, its directory and relations written anew."""
    names = list(sheets)
    book = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{at}" r:id="rId{at}"/>' for at, name in enumerate(names, start=1)
    )
    links = "".join(
        f'<Relationship Id="rId{at}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(names) + 1)
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _ROOT)
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{book}</sheets></workbook>'
        )
        for at, name in enumerate(names, start=1):
            archive.writestr(f"xl/worksheets/sheet{at}.xml", sheets[name])
        for extra in ("sharedStrings", "styles"):
            if package.has(f"xl/{extra}.xml"):
                data = package.read(f"xl/{extra}.xml")
                check_part(data, part=f"xl/{extra}.xml")
                archive.writestr(f"xl/{extra}.xml", data)
                links += f'<Relationship Id="{extra}" Type="{_OFFICE}/{extra}" Target="{extra}.xml"/>'
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_RELATIONS}">{links}</Relationships>')
    return packed.getvalue()


def _read_sheets(data: bytes, facts: dict[str, SheetFacts]) -> dict[str, RawSheet]:
    try:
        with python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            return {name: _read_sheet(book, name, one) for name, one in facts.items()}
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of the reader is no Exception
        refuse(f"cannot be read: {str(error)[:200]}", "save it anew in the spreadsheet program")


def _read_sheet(book: python_calamine.CalamineWorkbook, name: str, facts: SheetFacts) -> RawSheet:
    rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    for (row, column), flaw in facts.flaws.items():
        while len(rows) <= row:
            rows.append([""] * facts.columns)
        rows[row] += [""] * (column + 1 - len(rows[row]))
        rows[row][column] = flaw  # type: ignore[call-overload]
    width = max((len(row) for row in rows[:1]), default=0)
    return RawSheet(name, [row if len(row) >= width else [*row, *[""] * (width - len(row))] for row in rows])


def _check_version(guide: RawSheet | None) -> list[WorkbookError]:
    """A workbook of another layout says so in its guide; one without a guide is taken as of ours."""
    for row in guide.rows if guide else []:
        if len(row) > 1 and row[0] == "layout" and row[1] != LAYOUT_VERSION:
            hint = f"this release reads layout {LAYOUT_VERSION}; export the loaders again, or take its template"
            return [_complaint(GUIDE_SHEET, "the workbook is of another layout", hint)]
    return []
