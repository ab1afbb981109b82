"""Texts of a cluster: which positions are still one text, and the template as people and files see it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from domain.log_patterns.tokens import PLACEHOLDER, VARIABLE

_TOUCHING = re.compile(r"<\*>(?:[-.:/@_]?<\*>)+")


def fold_spans(spans: list[str], other: Sequence[str]) -> None:
    """Make the positions variable whose text differs from another line of the cluster; a blank before them stays."""
    for index, text in enumerate(other):
        if spans[index] != text:
            blank = " " if spans[index].startswith(" ") or text.startswith(" ") else ""
            spans[index] = blank + VARIABLE


def render_typed(spans: Sequence[str]) -> str:
    """Template with typed placeholders: `<ip>`, `<num>` ..., and `<*>` for words that vary."""
    return "".join(spans).strip()


def render_template(typed_template: str) -> str:
    """Template with every variable as `<*>`; variables that touch, or are joined by one of `-.:/@_`, are one."""
    return _TOUCHING.sub(VARIABLE, PLACEHOLDER.sub(VARIABLE, typed_template))
