"""Queries and definitions in colour: PromQL, SQL, JSON, YAML. Tokens become spans; everything is escaped first. Pure."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_WORDS = {
    "promql": r"\b(?:sum|avg|min|max|count|topk|bottomk|quantile|stddev|by|without|on"
    r"|ignoring|group_left|group_right|and|or|unless|offset|bool"
    r"|rate|irate|increase|histogram_quantile|clamp_min|clamp_max|label_replace|absent|delta|deriv|predict_linear"
    r"|(?:sum|avg|min|max|count|quantile|stddev|last)_over_time)\b",
    "sql": r"(?i:\b(?:select|from|where|group|order|by|having|join|left|right|inner|outer|full"
    r"|cross|on|as|and|or|not|null|is|in|like|between|case"
    r"|when|then|else|end|distinct|limit|offset|union|all|with|interval|cast|over|partition|filter|true|false|asc|desc)\b)",
    "json": r"\b(?:true|false|null)\b",
    "yaml": r"\b(?:true|false|null)\b",
}
_NAMES = {
    "json": r'"(?:[^"\\\n]|\\.)*"(?=\s*:)',
    "yaml": r"(?m:^[ \t]*(?:- +)?[\w.*-]+(?=:(?:\s|$)))",
    "sql": r":[a-z_]+\b",
    "promql": r"\b[a-zA-Z_]\w*(?=\s*(?:=~|!~|!=|=)\s*\")",
}
_COMMENTS = {"sql": r"--[^\n]*", "promql": r"#[^\n]*", "yaml": r"(?m:(?:^|(?<=\s))#[^\n]*)"}
#: The closing quote may be missing: a search that fails would begin anew at every quote.
_TEXT = r"\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.|'')*'?"
_NUMBER = r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:ms|[smhdwy])?\b"
_LONGEST = 60_000


def _pattern(language: str) -> re.Pattern[str]:
    kinds = {
        "quiet": _COMMENTS.get(language),
        "name": _NAMES[language],
        "text": _TEXT,
        "word": _WORDS[language],
        "number": _NUMBER,
    }
    return re.compile("|".join(f"(?P<{kind}>{one})" for kind, one in kinds.items() if one))


_PATTERNS = {language: _pattern(language) for language in _WORDS}


def colour_code(code: str, language: str) -> Markup:
    """The code as HTML. An unknown language, or a text too long to be worth it, stays plain."""
    pattern = _PATTERNS.get(language)
    if pattern is None or len(code) > _LONGEST:
        return escape(code)
    pieces: list[Markup] = []
    at = 0
    for found in pattern.finditer(code):
        pieces.append(escape(code[at : found.start()]))
        pieces.append(Markup('<span class="c-{}">{}</span>').format(found.lastgroup, found.group()))
        at = found.end()
    return Markup("").join([*pieces, escape(code[at:])])
