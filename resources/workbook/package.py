"""A file handed in as a workbook: checked from the outside before anything parses it, then unpacked within limits (A8).

Only the parts that hold cells come out of here, and only after every byte was counted: what is read later is what was checked.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from domain.errors import InputDataError

MAX_FILE_BYTES = 20 * 2**20
_MAX_UNPACKED_BYTES = 192 * 2**20
_PIECE = 2**20
_MAX_ENTRIES = 1_000
_MAX_DIRECTORY_BYTES = 2**20
_MAX_RATIO, _RATIO_COUNTS_FROM = 200, 8 * 2**20

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_END = b"PK\x05\x06"
_SAVE_AS = "open it in a spreadsheet program and save it as Excel workbook (.xlsx)"

#: Part of a package → what it means. The first that matches counts.
_FOREIGN: tuple[tuple[str, str, str], ...] = (
    (r".*vbaProject.*\.bin", "contains macros (.xlsm)", "save it as Excel workbook without macros (.xlsx)"),
    (r"xl/(macrosheets|dialogsheets)/.*", "contains macro or dialog sheets", "save it without them (.xlsx)"),
    (r"xl/workbook\.bin", "is a binary workbook (.xlsb)", _SAVE_AS),
    (r"content\.xml", "is an OpenDocument file (.ods)", _SAVE_AS),
    (r"(word|ppt)/.*", "is a document of another program, not a workbook", "hand in the workbook"),
    (r"xl/externalLinks/.*", "has links to other workbooks", "break the links (Data → Edit Links), then save it"),
    (r"xl/(connections\.xml|queryTables/.*)", "has data connections", "remove them (Data → Queries), then save it"),
    (r"xl/(activeX|embeddings|ctrlProps)/.*", "has embedded objects or controls", "remove them, then save it"),
    (r"EncryptedPackage", "is protected by a password", "remove the password, then save it"),
)


class WorkbookRefusedError(InputDataError):
    """The file is no workbook that is read here."""

    error_type = "WORKBOOK_REFUSED"


class WorkbookTooLargeError(WorkbookRefusedError):
    """More bytes than the limit, packed or unpacked."""

    error_type = "WORKBOOK_TOO_LARGE"


def refuse(reason: str, suggestion: str) -> NoReturn:
    """End with the reason."""
    raise WorkbookRefusedError(f"the file {reason}", suggestion=suggestion)


@dataclass
class Package:
    """The entries of a workbook whose directory is within the limits."""

    archive: zipfile.ZipFile
    unpacked: int = 0

    def has(self, name: str) -> bool:
        """Whether there is a part of that name."""
        return name in self.archive.NameToInfo

    def read(self, name: str) -> bytes:
        """The bytes of one part; all parts together stay under the limit whatever the directory claims.

        Raises:
            WorkbookRefusedError: missing, damaged or too large.
        """
        data = bytearray()
        try:
            with self.archive.open(name) as part:
                while piece := part.read(_PIECE):  # a read of more would unpack more than the directory claims
                    data += piece
                    self.unpacked += len(piece)
                    if self.unpacked > _MAX_UNPACKED_BYTES:
                        raise _too_large_unpacked()
        except KeyError:
            refuse(f"lacks its part {name}", _SAVE_AS)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
            refuse(f"is damaged in its part {name}", "send it again, or save it anew in the spreadsheet program")
        return bytes(data)


def read_workbook_file(path: Path) -> bytes:
    """The bytes of a file, not read at all when there are too many.

    Raises:
        WorkbookTooLargeError, WorkbookRefusedError: too large, or not readable.
    """
    try:
        check_size(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise WorkbookRefusedError(f"{path}: {error.strerror}", suggestion="check path and permissions") from None


def check_size(size: int) -> None:
    """Refuse what is too large before it is read.

    Raises:
        WorkbookTooLargeError: over the limit.
    """
    if size > MAX_FILE_BYTES:
        raise WorkbookTooLargeError(
            f"the file has {size / 2**20:,.0f} MB, the limit is {MAX_FILE_BYTES // 2**20} MB",
            suggestion="split the loaders over several workbooks, and remove pictures and formats of empty rows",
        )


def open_package(data: bytes) -> Package:
    """Look at the file from the outside: size, kind, directory. Nothing is unpacked yet.

    Raises:
        WorkbookRefusedError: with the kind of file that it is instead, or what is wrong with it.
    """
    check_size(len(data))
    _check_signature(data)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        refuse("is damaged: its directory cannot be read", "send it again; it may have been cut off on its way")
    _check_kind([info.filename for info in archive.infolist()])
    _check_directory(archive.infolist())
    return Package(archive)


def _check_signature(data: bytes) -> None:
    if not data:
        refuse("is empty", "hand in a workbook (.xlsx)")
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            refuse("is protected by a password", "remove the password (File → Info → Protect), then save it")
        refuse("is a workbook of the old format (.xls)", _SAVE_AS)
    if not data.startswith(b"PK"):
        head = data[:2_000].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
        if head.startswith((b"<html", b"<!doctype html", b"<table")):
            refuse("is a web page, not a workbook", _SAVE_AS)
        is_text = b"\0" not in head and re.search(rb"[,;\t].*\n", head) is not None
        refuse("is a text with separators (.csv)" if is_text else "is not a workbook (.xlsx)", _SAVE_AS)
    end = data.rfind(_END)
    if end < 0 or len(data) < end + 22:
        refuse("is cut off: the end of its directory is missing", "send it again")
    entries = int.from_bytes(data[end + 10 : end + 12], "little")
    directory = int.from_bytes(data[end + 12 : end + 16], "little")
    if entries > _MAX_ENTRIES or directory > _MAX_DIRECTORY_BYTES:
        refuse(f"has more than {_MAX_ENTRIES:,} parts; a workbook has a few dozen", _SAVE_AS)


def _check_kind(names: list[str]) -> None:
    for pattern, reason, suggestion in _FOREIGN:
        if any(re.fullmatch(pattern, name, re.IGNORECASE) for name in names):
            refuse(reason, suggestion)
    if "xl/workbook.xml" not in names:
        refuse("is an archive, but no workbook (.xlsx)", "hand in the workbook itself, not packed")
    if len(set(names)) < len(names):
        refuse("has two parts of one name", _SAVE_AS)


def _check_directory(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MAX_ENTRIES:
        refuse(f"has more than {_MAX_ENTRIES:,} parts; a workbook has a few dozen", _SAVE_AS)
    if any(entry.flag_bits & 1 for entry in entries):
        refuse("is protected by a password", "remove the password, then save it")
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        refuse("is packed by a method that workbooks do not use", _SAVE_AS)
    if sum(entry.file_size for entry in entries) > _MAX_UNPACKED_BYTES:
        raise _too_large_unpacked()
    for entry in entries:
        if entry.file_size > max(_RATIO_COUNTS_FROM, _MAX_RATIO * entry.compress_size):
            refuse(f"unpacks to more than {_MAX_RATIO} times its size in {entry.filename[:80]}", _SAVE_AS)


def _too_large_unpacked() -> WorkbookTooLargeError:
    return WorkbookTooLargeError(
        f"the file unpacks to more than {_MAX_UNPACKED_BYTES // 2**20} MB",
        suggestion="split the loaders over several workbooks, and remove formats of empty rows",
    )
