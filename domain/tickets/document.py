"""Atlassian Document Format, version 1: building what we write, and the plain text of what others wrote.

Format: https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/ . A text of Jira holds 32,767 characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from domain.notification.texts import clean

Node = dict[str, Any]
_BLOCKS = frozenset(
    {"paragraph", "heading", "listItem", "codeBlock", "blockquote", "tableRow", "panel", "rule", "hardBreak"}
)
_DEEPEST = 40
LONGEST = 30_000


def document(blocks: Iterable[Node]) -> Node:
    """A whole document."""
    return {"type": "doc", "version": 1, "content": list(blocks)}


def words(value: object, *, is_strong: bool = False, link: str = "", limit: int = 2_000) -> Node:
    """One run of text without control characters; a blank at either end stays. An empty text, not allowed, becomes a dash."""
    marks: list[Node] = [{"type": "strong"}] if is_strong else []
    if link:
        marks.append({"type": "link", "attrs": {"href": link}})
    given, cleaned = str(value or ""), clean(value, limit=limit) or "-"
    text = f"{' ' if given.startswith(' ') else ''}{cleaned}{' ' if given.endswith(' ') else ''}"
    return {"type": "text", "text": text, **({"marks": marks} if marks else {})}


def paragraph(*runs: Node) -> Node:
    """A paragraph."""
    return {"type": "paragraph", "content": list(runs)}


def heading(text: str) -> Node:
    """A heading of the third level."""
    return {"type": "heading", "attrs": {"level": 3}, "content": [words(text)]}


def bullets(items: Sequence[Sequence[Node]]) -> Node:
    """A list; each item is one paragraph."""
    return {"type": "bulletList", "content": [{"type": "listItem", "content": [paragraph(*one)]} for one in items]}


def panel(text: str) -> Node:
    """A box that stands out."""
    return {"type": "panel", "attrs": {"panelType": "info"}, "content": [paragraph(words(text))]}


def plain_text(node: object, *, limit: int = 4_000) -> str:
    """The text of a document, a line per block; of a plain string that string. What is nested too deeply is left out."""
    if isinstance(node, str):
        return _tidy(node, limit)
    pieces: list[str] = []
    _collect(node, pieces, 0)
    return _tidy("".join(pieces), limit)


def _collect(node: object, pieces: list[str], depth: int) -> None:
    if not isinstance(node, dict) or depth > _DEEPEST:
        return
    given = node.get("attrs")
    attributes = given if isinstance(given, dict) else {}
    kind = node.get("type")
    if kind == "text":
        pieces.append(str(node.get("text", "")))
    elif kind in {"mention", "emoji", "status", "inlineCard"}:
        pieces.append(str(attributes.get("text") or attributes.get("shortName") or attributes.get("url") or ""))
    content = node.get("content")
    for child in content if isinstance(content, list) else []:
        _collect(child, pieces, depth + 1)
    if kind in _BLOCKS:
        pieces.append("\n")


def _tidy(text: str, limit: int) -> str:
    lines = [clean(line, limit=limit) for line in text.replace("\r", "\n").split("\n")]
    return "\n".join(line for line in lines if line)[:limit]
