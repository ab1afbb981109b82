"""Lines of a text log, plain or gzip, in bounded memory: what is read from disk for `etlmon templates`.

Rules. A line ends with LF; a CR before it is dropped. A byte-order mark is dropped. Bytes that are not UTF-8 become the
replacement character. Of a line longer than MAX_LINE_BYTES only the beginning is kept. A last line without LF counts.
An empty file has no lines. What is not text at all is refused.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl

from domain.errors import InputDataError

BLOCK_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024
#: Share of control characters and undecodable bytes at the beginning from which on a file is not a text log.
MAX_GARBAGE_SHARE = 0.2
_PROBE_BYTES = 64 * 1024


def read_lines(path: Path, *, on_progress: Callable[[int], object] = lambda _: None) -> Iterator[pl.Series]:
    """Blocks of lines as string series, in order; together they are all lines of the file.

    Args:
        path: plain or gzip file; which one is told by its first bytes.
        on_progress: called with the number of bytes of the file used so far.

    Raises:
        InputDataError: missing or unreadable file, damaged gzip, not a text log.

    """
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if is_gzip else raw
            for block in _read_whole_lines(stream, path):
                yield decode_lines(block)
                on_progress(raw.tell())
    except FileNotFoundError as error:
        raise InputDataError(f"There is no file {path}", suggestion="Check the name and the folder.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputDataError(
            f"{path} is a damaged gzip file: {error}", suggestion="Copy or compress it again."
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputDataError(f"{path} cannot be read: {reason}", suggestion="Name a readable text file.") from error


def _read_whole_lines(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """Blocks that end with a line; the text of an overlong line is dropped as it comes."""
    rest = b""
    is_first = True
    while block := stream.read(BLOCK_BYTES):
        if is_first:
            check_is_text(block[:_PROBE_BYTES], path)
            block = block.removeprefix(b"\xef\xbb\xbf")
            is_first = False
        cut = block.rfind(b"\n") + 1
        if cut:
            yield rest + block[:cut]
            rest = block[cut:][:MAX_LINE_BYTES]
        else:
            rest = (rest + block)[:MAX_LINE_BYTES]
    if rest:
        yield rest


def check_is_text(probe: bytes, path: Path) -> None:
    """InputDataError if the bytes are UTF-16 or mostly not text."""
    if probe.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputDataError(f"{path} is UTF-16", suggestion=f"Convert it: iconv -f UTF-16 -t UTF-8 {path} > log.txt")
    text = probe.decode("utf-8", errors="replace")
    garbage = sum(char == "\N{REPLACEMENT CHARACTER}" or (char < " " and char not in "\t\n\r\f\x1b") for char in text)
    if garbage > MAX_GARBAGE_SHARE * len(text):
        share = round(100 * garbage / len(text))
        raise InputDataError(
            f"{path} is not a text log: {share} % of its beginning is not text",
            suggestion="Hand in a text file in UTF-8, plain or gzip; unpack other archives first.",
        )


def decode_lines(block: bytes) -> pl.Series:
    """Lines of a block as strings, overlong ones cut."""
    text = block.decode("utf-8", errors="replace").removesuffix("\n")
    lines = pl.Series("line", [text]).str.split("\n").explode()
    return lines.str.strip_suffix("\r").str.slice(0, MAX_LINE_BYTES)
