r"""Masking: values whose type shows in their form (numbers, addresses, paths, ids ...) become `<type>` placeholders.

One ordered list of masks for all systems, run over whole columns by the linear-time regex engine of polars: no line can
make it slow. Masking is idempotent: masked text comes out as it went in. Which of the remaining words are variables is
decided from the data, in `miner`.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

#: Longer lines are mined by their first characters; the rest is ignored.
MAX_LINE_CHARS = 8192
#: Masking settles after two or three rounds; this bounds it for hostile text.
_MAX_ROUNDS = 16
#: Binary garbage: control characters and undecodable bytes become this one character.
_GARBAGE = r"[\x00-\x08\x0e-\x1f\x7f\x{fffd}]+"
#: White space that is not already a single blank.
_BLANKS = r"\s{2,}|[^\S ]"
#: What may stand before a value without being part of it.
_BEFORE = r"(^|[\s=:;,(\[{<>|\"'/!?#])"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]+)?"
_NUMBER = r"[-+]?[0-9]+(?:\.[0-9]+)?"
_SEGMENT = r"[\w.\-+@%~$*#!]+"


class Mask(NamedTuple):
    """One type of value: the pattern that finds it and what takes its place."""

    pattern: str
    placeholder: str


#: Order matters: what is longer and more telling comes first.
MASKS: tuple[Mask, ...] = (
    Mask(_GARBAGE, "\N{REPLACEMENT CHARACTER}"),
    Mask(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s,;\"'<>\])}|]+", "<url>"),
    Mask(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", "<email>"),
    Mask(
        rf"\b(?:{_DAY},? )?{_MONTH} [0-9]{{1,2}},? (?:[0-9]{{4}} )?{_CLOCK}(?: [A-Z]{{3,4}})?(?: [0-9]{{4}})?\b",
        "<time>",
    ),
    Mask(r"\b[0-9]{1,2}/" + _MONTH + r"/[0-9]{4}(?::[0-9]{2}){3}(?: [+-][0-9]{4})?\b", "<time>"),
    Mask(
        r"\b[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}(?:[T :,-][0-9]{2}[:.][0-9]{2}(?:[:.][0-9]{2})?(?:[.,][0-9]+)?)?"
        r"(?:Z\b|[+-][0-9]{2}:?[0-9]{2}\b|\b)",
        "<time>",
    ),
    Mask(r"\b(?:[0-9A-Fa-f]{2}[:-]){5,}[0-9A-Fa-f]{2}\b", "<mac>"),
    Mask(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<uuid>"),
    Mask(r"(?:\b[\w-]+(?:\.[A-Za-z][\w-]*)*)?/?\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]+)?\b", "<ip>"),
    Mask(
        r"\b(?:[0-9a-fA-F]{1,4}:){3,7}(?::?[0-9a-fA-F]{1,4})+\b|\b[0-9a-fA-F]{1,4}::(?:[0-9a-fA-F]{1,4}:?)+\b", "<ip>"
    ),
    Mask(r"\b[0-9]{1,3}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]+)?\b", "<time>"),
    Mask(r"\b(?:[\w-]+\.)+[A-Za-z][\w-]*:[0-9]{2,5}\b|\b[A-Za-z][\w-]*[0-9][\w-]*:[0-9]{2,5}\b", "<host>"),
    Mask(_BEFORE + rf"(?:[A-Za-z]:|\.{{1,2}}|~)?(?:[/\\]+{_SEGMENT})+[/\\]*", "${1}<path>"),
    Mask(_BEFORE + rf"[\w.\-]+(?:/+{_SEGMENT}){{2,}}/*", "${1}<path>"),
    Mask(r"\b0[xX][0-9a-fA-F]+\b|\b(?:[0-9]+[a-f]|[a-f]+[0-9])[0-9a-f]{4,}\b", "<hex>"),
    Mask(r"\b[A-Za-z0-9+/_]{64,}={0,2}", "<blob>"),
    Mask(_BEFORE + r"[-+]?(?:[0-9]+(?:\.[0-9]+)?(?:ms|us|µs|ns|secs?|mins?|hrs?|[smhd]))+\b", "${1}<duration>"),
    Mask(_BEFORE + _NUMBER + r"(?:[kKMGT]i?[bB]?|B|b)\b", "${1}<size>"),
    Mask(_BEFORE + _NUMBER + "%", "${1}<percent>"),
    Mask(_BEFORE + _NUMBER + r"[eE][-+]?[0-9]+\b", "${1}<num>"),
    Mask(r"\bv[0-9]+(?:\.[0-9]+)+\b", "<version>"),
    Mask(r"\b[A-Za-z_]\w*?_-?[0-9]+(?:_\w*)?\b|\b[A-Za-z_]\w*[0-9]{3,}\w*\b|\b[0-9]+[A-Za-z_]\w*\b", "<id>"),
    Mask(_BEFORE + r"[-+]?[0-9]+(?:[.,][0-9]+)*\b", "${1}<num>"),
    Mask(r"\b[0-9]+(?:[.,][0-9]+)*\b", "<num>"),
    Mask(r"(^|[\s=:,(\[{])(?:[tT]rue|[fF]alse|TRUE|FALSE)\b", "${1}<bool>"),
    Mask(r"([^=]=\s?)(?:null|NULL|None|nil)([\s,;)\]}]|$)", "${1}<null>${2}"),
    Mask(r"<[a-z]+>(?:[-.:/@_]+<[a-z]+>)+", "<id>"),
)


def _masked_once(text: pl.Expr) -> pl.Expr:
    for mask in MASKS:
        text = text.str.replace_all(mask.pattern, mask.placeholder)
    return text


def compute_masked(messages: pl.Series) -> pl.Series:
    """Masked text of each message, in order and of the same length; a null counts as the empty message.

    White space is narrowed to single blanks. Masks are applied again to what they left, until nothing changes; that
    second look sees each distinct masked text only once.
    """
    text = pl.col("text").fill_null("").str.slice(0, MAX_LINE_CHARS).str.replace_all(_BLANKS, " ").str.strip_chars()
    first = messages.rename("text").to_frame().select(_masked_once(text)).to_series()
    distinct = first.unique(maintain_order=True)
    settled = _settle(distinct)
    if settled.equals(distinct):
        return first
    mapping = pl.DataFrame({"text": distinct, "settled": settled})
    return first.to_frame().join(mapping, on="text", how="left", maintain_order="left").get_column("settled")


def _settle(texts: pl.Series) -> pl.Series:
    for _ in range(_MAX_ROUNDS):
        again = texts.to_frame().select(_masked_once(pl.col("text"))).to_series()
        if again.equals(texts):
            break
        texts = again
    return texts.str.slice(0, MAX_LINE_CHARS).str.strip_chars()
