"""Files that are no workbook of loaders, and those made to hurt: each refused with its reason, before anything costly happens."""

from __future__ import annotations

import io
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
import xlsxwriter

from domain.errors import InputDataError
from resources.workbook.package import (
    MAX_FILE_BYTES,
    WorkbookRefusedError,
    WorkbookTooLargeError,
    open_package,
    read_workbook_file,
)
from resources.workbook.reading import read_workbook
from tests.fakes.workbooks import prometheus_loader, repacked, workbook_bytes

pytestmark = pytest.mark.requirement("A8")

OLE = bytes.fromhex("d0cf11e0a1b11ae1")
BOOK = workbook_bytes(prometheus_loader())
SHEET = "xl/worksheets/sheet1.xml"


def _zip(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


def _flagged_encrypted() -> bytes:
    """Bit 0 of the flags of every entry of the directory."""
    data = bytearray(BOOK)
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


FOREIGN = {
    "empty": (b"", "is empty"),
    "csv": (b"code,title\nA,b\n", r"\.csv"),
    "semicolons": (b"code;title\r\nA;b\r\n", r"\.csv"),
    "html": (b"<html><table></table>", "web page"),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0", "not a workbook"),
    "xls": (OLE + b"\0" * 500 + "Workbook".encode("utf-16-le"), r"old format \(\.xls\)"),
    "password": (OLE + b"\0" * 500 + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
    "encrypted zip": (_flagged_encrypted(), "protected by a password"),
    "other zip": (_zip(readme=b"x"), "an archive, but no workbook"),
    "ods": (_zip(mimetype=b"application/vnd.oasis.opendocument.spreadsheet", **{"content.xml": b"<a/>"}), r"\.ods"),
    "docx": (_zip(**{"word/document.xml": b"<a/>"}), "another program"),
    "xlsb": (_zip(**{"xl/workbook.bin": b"x"}), r"\.xlsb"),
    "xlsm": (repacked(BOOK, {"xl/vbaProject.bin": b"x"}), r"macros \(\.xlsm\)"),
    "xlsm by type": (
        repacked(BOOK, {"[Content_Types].xml": lambda one: one.replace(b"sheet.main", b"sheet.macroEnabled.main")}),
        r"for macros \(\.xlsm\)",
    ),
    "macro sheet": (repacked(BOOK, {"xl/macrosheets/sheet1.xml": b"<a/>"}), "macro or dialog sheets"),
    "external link": (repacked(BOOK, {"xl/externalLinks/externalLink1.xml": b"<a/>"}), "links to other workbooks"),
    "data connection": (repacked(BOOK, {"xl/connections.xml": b"<a/>"}), "data connections"),
    "embedded object": (repacked(BOOK, {"xl/embeddings/oleObject1.bin": b"x"}), "embedded objects"),
    "cut off": (BOOK[:-40], "cut off|damaged"),
    "cut in the middle": (BOOK[: len(BOOK) // 2], "cut off|damaged"),
    "directory elsewhere": (BOOK[:5_000].replace(b"<", b"?") + BOOK[-22:], "damaged"),
    "no relations": (repacked(BOOK, {"xl/_rels/workbook.xml.rels": None}), "lacks its part"),
    "no sheet part": (repacked(BOOK, {SHEET: None}), "lacks its part"),
    "sheet is no XML": (repacked(BOOK, {SHEET: b"\xff\xfe\0\0 nonsense"}), "damaged in the sheet Loaders"),
    "sheet cut off": (repacked(BOOK, {SHEET: lambda one: one[: len(one) // 2]}), "damaged in the sheet Loaders"),
    "doctype": (
        repacked(BOOK, {SHEET: lambda one: one.replace(b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet', 1)}),
        "document type definition",
    ),
    "doctype in the strings": (
        repacked(BOOK, {"xl/styles.xml": lambda one: one.replace(b"<styleSheet", b"<!DOCTYPE x><styleSheet", 1)}),
        "document type definition",
    ),
    "doctype in the book": (
        repacked(BOOK, {"xl/workbook.xml": lambda one: one.replace(b"<workbook", b"<!DOCTYPE x><workbook", 1)}),
        "document type definition",
    ),
    "cell far away": (
        repacked(BOOK, {SHEET: lambda one: one.replace(b'r="A2"', b'r="XFD1048576"')}),
        "far from all others",
    ),
    "cell without a place": (
        repacked(BOOK, {SHEET: lambda one: one.replace(b'r="A2"', b'r="??"')}),
        "a cell named '\\?\\?'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_each_is_refused_by_what_it_is(name: str) -> None:
    data, reason = FOREIGN[name]
    with pytest.raises(WorkbookRefusedError, match=reason) as caught:
        read_workbook(data)
    assert caught.value.suggestion


def _pack(name: str, data: bytes, *, times: int) -> bytes:
    """A part of `times` copies of the data, packed without ever being whole in memory."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        with zipfile.ZipFile(io.BytesIO(BOOK)) as source:
            for one in source.namelist():
                if one != name:
                    archive.writestr(one, source.read(one))
        with archive.open(name, "w", force_zip64=True) as part:
            for _ in range(times):
                part.write(data)
    return out.getvalue()


def test_a_zip_bomb_is_refused_by_its_directory() -> None:
    bomb = _pack(SHEET, b"\0" * 2**20, times=150)
    assert len(bomb) < 2**19
    with pytest.raises(WorkbookRefusedError, match="more than 200 times its size"):
        open_package(bomb)
    with pytest.raises(WorkbookTooLargeError, match="unpacks to more than 192 MB"):
        open_package(_pack(SHEET, b"\0" * 2**20, times=200))


def test_a_zip_bomb_whose_directory_lies_unpacks_no_further_than_the_limit() -> None:
    """The directory says 1 kB: no more than that is ever unpacked, and the checksum does not fit then."""
    bomb = bytearray(_pack(SHEET, b"\0" * 2**20, times=64))
    at = bomb.rfind(b"PK\x01\x02")
    bomb[at + 24 : at + 28] = (1_000).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(WorkbookRefusedError, match="damaged"):
        read_workbook(bytes(bomb))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 2**20
    bomb[at + 16 : at + 20] = zlib.crc32(b"\0" * 1_000).to_bytes(4, "little")  # the checksum lies along
    with pytest.raises(WorkbookRefusedError, match="damaged"):
        read_workbook(bytes(bomb))


def test_thousands_of_parts_are_refused_before_the_directory_is_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for k in range(1_500):
            archive.writestr(f"xl/{k}", b"")
    with pytest.raises(WorkbookRefusedError, match="more than 1,000 parts"):
        open_package(out.getvalue())


def test_two_parts_of_one_name_are_refused() -> None:
    out = io.BytesIO(BOOK)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(out, "a") as archive:
        archive.writestr(SHEET, b"<worksheet/>")
    with pytest.raises(WorkbookRefusedError, match="two parts of one name"):
        open_package(out.getvalue())


def test_a_file_of_100_mb_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.xlsx"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    tracemalloc.start()
    with pytest.raises(WorkbookTooLargeError, match="has 100 MB, the limit is 20 MB"):
        read_workbook_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
    with pytest.raises(WorkbookTooLargeError):
        open_package(bytes(MAX_FILE_BYTES + 1))


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="No such file"):
        read_workbook_file(tmp_path / "none.xlsx")


def test_an_entity_bomb_costs_nothing() -> None:
    entities = b"".join(b'<!ENTITY a%d "%s">' % (k, b"&a%d;" % (k - 1) * 20) for k in range(1, 12))
    bomb = b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a0 "lol">' + entities + b"]><worksheet>&a11;</worksheet>"
    begin = time.monotonic()
    with pytest.raises(WorkbookRefusedError, match="document type definition"):
        read_workbook(repacked(BOOK, {SHEET: bomb}))
    assert time.monotonic() - begin < 1


def test_more_elements_than_any_sheet_has_are_refused() -> None:
    """Formatted rows down to the end of the sheet, in all columns: Excel writes each of these cells."""
    head, tail = b"<worksheet><sheetData>", b"</sheetData></worksheet>"
    row = b"<row>" + b"<c/>" * 40 + b"</row>"
    data = repacked(BOOK, {SHEET: head + row * 200_000 + tail})
    with pytest.raises(WorkbookRefusedError, match=r"more than 4,000,000 cells|more than 200 times"):
        read_workbook(data)


def test_a_million_formatted_empty_rows_do_not_count() -> None:
    rows = b"".join(b'<row r="%d" s="1" customFormat="1"/>' % k for k in range(3, 1_048_577))
    data = repacked(BOOK, {SHEET: lambda one: one.replace(b"</sheetData>", rows + b"</sheetData>")})
    content = read_workbook(data)
    assert len(content.loaders.rows) == 2
    assert not content.errors


@pytest.mark.parametrize("dimension", [b"A1:XFD1048576", b"A1", b"Z9:A1"])
def test_what_a_sheet_says_about_its_size_does_not_count(dimension: bytes) -> None:
    def lie(sheet: bytes) -> bytes:
        begin = sheet.index(b'<dimension ref="') + len(b'<dimension ref="')
        return sheet[:begin] + dimension + sheet[sheet.index(b'"', begin) :]

    assert len(read_workbook(repacked(BOOK, {SHEET: lie})).loaders.rows) == 2


@pytest.mark.parametrize("dimension", [b"nonsense", b"A1:"])
def test_a_size_that_is_none_is_damage(dimension: bytes) -> None:
    data = repacked(BOOK, {SHEET: lambda one: one.replace(b'ref="A1:', b'ref="' + dimension + b'" x="', 1)})
    with pytest.raises(WorkbookRefusedError, match="cannot be read"):
        read_workbook(data)


def test_a_workbook_of_something_else_names_its_sheets(tmp_path: Path) -> None:
    path = tmp_path / "budget.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        book.add_worksheet("Budget")
        book.add_worksheet("2027")
    with pytest.raises(WorkbookRefusedError, match="has no sheet Loaders, only: Budget, 2027") as caught:
        read_workbook(path.read_bytes())
    assert "template" in caught.value.suggestion
