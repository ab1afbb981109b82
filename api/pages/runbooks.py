"""Runbooks as pages: what an alert means and what to do about it, from `rules/runbooks/NAME.md`, for somebody with a phone at night.

Of Markdown there is what our runbooks use: headings, paragraphs, lists, bold words and code. Everything is escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Literal

from fastapi import Path, Request, Response

from api.access import allow, control_plane
from api.pages.error_pages import page_router
from api.pages.rendering import render
from domain.errors import NotFoundError
from resources.rule_files import shipped_rules
from resources.settings import Settings

router = page_router()
_NAME = r"^[a-z0-9][a-z0-9-]{0,80}$"
_WRITTEN = re.compile(r"^rules/runbooks/([a-z0-9][a-z0-9-]{0,80})\.md$")
_SPANS = re.compile(r"\*\*(.+?)\*\*|`([^`]+)`")
_LONGEST = 100_000
Kind = Literal["heading", "item", "text"]
Span = tuple[Literal["", "strong", "code"], str]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading below the title, or an item of a list."""

    kind: Kind
    spans: list[Span]


@router.get("/runbooks/{name}")
@allow("incidents", "read")
def show_runbook(request: Request, name: Annotated[str, Path(pattern=_NAME)]) -> Response:
    """One runbook."""
    path = _folder(control_plane(request).settings) / f"{name}.md"
    if not path.is_file():
        raise NotFoundError(f"there is no runbook {name}", suggestion="it belongs under rules/runbooks")
    title, blocks = parse_runbook(path.read_text(encoding="utf-8", errors="replace")[:_LONGEST])
    crumbs = [("Overview", "/"), ("Incidents", "/incidents"), ("Runbook", "")]
    return render(request, "runbook.html", crumbs=crumbs, title=title or name, blocks=blocks, name=name)


def address_of_runbook(written: str) -> str:
    """Where a browser finds what a rule names as its runbook: a page of ours, an http(s) address, or nowhere (empty)."""
    found = _WRITTEN.match(written)
    if found is not None:
        return f"/runbooks/{found[1]}"
    return written if written.startswith(("https://", "http://")) else ""


def parse_runbook(text: str) -> tuple[str, list[Block]]:
    """Its title (empty without one) and its blocks."""
    title, blocks = "", []
    for part in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in part.splitlines() if line.strip()]
        if lines and lines[0].startswith("# ") and not title:
            title = lines.pop(0)[2:]
        if lines and lines[0].startswith("#"):
            blocks.append(Block("heading", _spans(lines.pop(0).lstrip("# "))))
        if lines and all(re.match(r"[-*] |\d+\. ", line) for line in lines):
            blocks += [Block("item", _spans(re.sub(r"^[-*] |^\d+\. ", "", line))) for line in lines]
        elif lines:
            blocks.append(Block("text", _spans(" ".join(lines))))
    return title, blocks


def _spans(line: str) -> list[Span]:
    spans: list[Span] = []
    end = 0
    for found in _SPANS.finditer(line):
        spans.append(("", line[end : found.start()]))
        spans.append(("strong", found[1]) if found[1] else ("code", found[2]))
        end = found.end()
    return [one for one in [*spans, ("", line[end:])] if one[1]]


def _folder(settings: Settings) -> FilePath:
    return FilePath(settings.rules_path or shipped_rules()) / "runbooks"
