"""From one masked line to its structure: tokens, and the key in which everything that can be a value is a wildcard.

Lines with the same key belong together without further question. Spans keep, for each position of the key, the text
that stood there with its leading blank, so that a position with one text ever seen is shown as that text.
Only distinct masked lines come here; all rules are about form, none about a system.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

VARIABLE = "<*>"
PLACEHOLDER = re.compile(r"<(?:[a-z]+|\*)>")
DELIMITERS = frozenset(",;:=|\"'[](){}<>")
#: A line is compared by its first tokens; what follows counts as one variable.
MAX_TOKENS = 256

_TOKEN = re.compile(r"""\s?(?:(?<==)"[^"]{0,200}"|(?:<(?:[a-z]+|\*)>|[^\s,;:=|"'\[\](){}<>])+|[,;:=|"'\[\](){}<>])""")
_OPENING, _CLOSING = "([{", ")]}"
#: Forms of a value: a dotted name of three parts, a name with / @ or $ inside, a word or code with digits, a quoted text.
_VALUE = re.compile(
    r"""[\w-]+(?:\.[\w$-]+){2,}$|\w[\w.-]*[/@$].*\w|[A-Za-z_-]*[0-9]\w*(?:-\w+)*$|".*"$""",
)
_CODE = re.compile(r"[A-Za-z_]+[0-9]\w*(?:-\w+)+$")
_NAME_WITH_DOTS = re.compile(r"[^.]*\.[^.]")
_WORD = re.compile(r"[A-Za-z][A-Za-z'_-]*[.!?]*$")
#: Units that belong to the number before them.
_UNITS = frozenset(
    [
        "bytes",
        "byte",
        "kb",
        "mb",
        "gb",
        "tb",
        "B",
        "kB",
        "KB",
        "MB",
        "GB",
        "TB",
        "KiB",
        "MiB",
        "GiB",
        "TiB",
        "ns",
        "us",
        "µs",
        "ms",
        "msec",
        "millis",
        "s",
        "sec",
        "secs",
        "second",
        "seconds",
        "millisecond",
        "milliseconds",
        "microsecond",
        "microseconds",
        "nanoseconds",
        "min",
        "mins",
        "minute",
        "minutes",
        "hour",
        "hours",
        "day",
        "days",
        "percent",
        "%",
    ]
)


class Line(NamedTuple):
    """A masked line taken apart: `key` and `spans` have the same length."""

    key: tuple[str, ...]
    spans: tuple[str, ...]


def is_word(text: str) -> bool:
    """Whether the token is a plain word, the only kind of text of which statistics decide if it is a variable."""
    return _WORD.match(text) is not None


@lru_cache(maxsize=65536)
def _classify(text: str) -> str:
    """`v` a value by its form, `p` it holds a placeholder, `d` a delimiter, `w` anything else."""
    if text in DELIMITERS or not text:
        return "d"
    if ".." in text:
        return "w"
    if "<" in text and PLACEHOLDER.search(text):
        return "p"
    return "v" if _VALUE.match(text) else "w"


def parse_tokens(masked_line: str) -> list[str]:
    """Tokens with their leading blank; an empty one stands where a value is missing (`user= uid=0`, `from host ()`)."""
    tokens: list[str] = []
    for token in _TOKEN.findall(masked_line):
        if tokens and _is_value_missing(tokens[-1], token):
            tokens.append("")
        tokens.append(token)
        if len(tokens) >= MAX_TOKENS:
            return [*tokens, " " + VARIABLE]
    return [*tokens, ""] if tokens and tokens[-1].strip() == "=" else tokens


def _is_value_missing(last: str, token: str) -> bool:
    if last in ("=", " ="):
        return token[0] in " ,;)]}"
    return len(last) == 2 and last[1] in _OPENING and token in _CLOSING


def parse_line(masked_line: str) -> Line:
    """Key and spans of one masked line. The empty line has an empty key."""
    tokens = parse_tokens(masked_line)
    texts = [token.lstrip() for token in tokens]
    kinds = [_kind(texts, tokens, index) for index in range(len(texts))]
    if not any(kind == "w" and any(map(str.isalpha, text)) for kind, text in zip(kinds, texts, strict=True)):
        kinds = [_literal_kind(text, kind) for text, kind in zip(texts, kinds, strict=True)]
    return _collapse(tokens, texts, kinds)


def _literal_kind(text: str, kind: str) -> str:
    """Where no word would be left, only what is nothing but a placeholder stays a value."""
    if kind == "d":
        return kind
    return "p" if PLACEHOLDER.fullmatch(text) else "w"


def _kind(texts: list[str], tokens: list[str], index: int) -> str:
    """Kind of a token in its place: what follows `=` is a value, what is followed by `:`, `=` or `(` is not."""
    text = texts[index]
    kind = _classify(text)
    if kind in "dp" and text:
        return kind
    before = texts[index - 1] if index else ""
    after = tokens[index + 1] if index + 1 < len(tokens) else ""
    if before == "=" and not (index > 1 and texts[index - 2] == "="):
        return "v"
    if before in ("'", '"') and after == before:
        return "v"
    if kind == "v" and after in (":", "=", "("):
        return "v" if _is_code_pair(texts, tokens, index) else "w"
    return kind


def _is_code_pair(texts: list[str], tokens: list[str], index: int) -> bool:
    """`R7-M1:J03`: two codes joined by a colon are a value, not a label with its value."""
    if tokens[index + 1] != ":" or index + 2 >= len(tokens) or tokens[index + 2].startswith(" "):
        return False
    return _CODE.match(texts[index]) is not None and _CODE.match(texts[index + 2]) is not None


def _collapse(tokens: list[str], texts: list[str], kinds: list[str]) -> Line:
    """One position for a run of values, for a number with its unit, and for a list of values."""
    key: list[str] = []
    spans: list[str] = []
    start, count = 0, len(tokens)
    while start < count:
        end = start + 1
        if kinds[start] in "vp":
            end = _run_end(texts, kinds, start + 1)
            key.append(VARIABLE)
        elif texts[start] == "<" and end < count and kinds[end] == "p" and not tokens[end].startswith(" "):
            end = _run_end(texts, kinds, end + 1)
            key.append(VARIABLE)
        else:
            key.append(PLACEHOLDER.sub(VARIABLE, texts[start]))
        spans.append(_span(tokens, texts, kinds, start, end))
        start = end
    return Line(tuple(key), tuple(spans))


def _run_end(texts: list[str], kinds: list[str], end: int) -> int:
    count = len(texts)
    while end < count:
        if kinds[end] in "vp" or texts[end] in _UNITS:
            end += 1
        elif texts[end] in (",", ";") and end + 1 < count and kinds[end + 1] in "vp":
            end += 2
        elif _is_bracketed_quantity(texts, kinds, end):
            end += 4
        else:
            break
    return end


def _is_bracketed_quantity(texts: list[str], kinds: list[str], at: int) -> bool:
    """`(3.94 KB)` after a number: the same quantity, rounded."""
    return (
        at + 3 < len(texts)
        and texts[at] == "("
        and kinds[at + 1] in "vp"
        and texts[at + 2] in _UNITS
        and texts[at + 3] == ")"
    )


def _span(tokens: list[str], texts: list[str], kinds: list[str], start: int, end: int) -> str:
    """Text of a position; a dotted name or address given after `=` is a value even if only one was ever seen."""
    text = "".join(tokens[start:end])
    is_named_value = end == start + 1 and kinds[start] == "v" and start > 0 and texts[start - 1] == "="
    if is_named_value and _classify(texts[start]) == "v" and _NAME_WITH_DOTS.match(texts[start]):
        return text[: len(text) - len(texts[start])] + VARIABLE
    return text
