"""What the JSON of our routes has in common: camelCase names, unknown fields refused in requests, pages of lists."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from domain.errors import StaleEditError

_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


class WireModel(BaseModel):
    """`snake_case` in Python, `camelCase` in JSON."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


def _written_as_text(given: object) -> object:
    """Pydantic would read "1.5" as seconds since 1970; the contract says RFC 3339."""
    if isinstance(given, str) and not _DATE_AND_TIME.match(given):
        raise ValueError("write it as in RFC 3339, for example 2026-11-01T00:00:00Z")
    return given


#: An instant with its zone.
Instant = Annotated[AwareDatetime, BeforeValidator(_written_as_text)]
#: Rows of one page.
Limit = Annotated[int, Query(ge=1, le=500, description="rows of this page")]
#: Rows before it.
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="rows before it")]


def answers(*statuses: int, **texts: str) -> dict[int | str, dict[str, Any]]:
    """Documentation of successful answers without a body: `answers(204)`."""
    return {status: {"description": texts.get(str(status), "done")} for status in statuses}


def find_revision(if_match: str | None, name: str) -> int | None:
    """The revision that If-Match names: 7 of `"NAME.7"`; None without the header.

    Raises:
        StaleEditError: it names something else.
    """
    if if_match is None:
        return None
    found = re.search(rf'"{re.escape(name)}\.(\d{{1,9}})"', if_match)
    if found is None:
        raise StaleEditError(f"If-Match does not name {name}", suggestion="send the ETag as you read it")
    return int(found[1])
