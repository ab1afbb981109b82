"""What the JSON of our routes has in common: camelCase names, unknown fields refused in requests, pages of lists."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """`snake_case` in Python, `camelCase` in JSON."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


#: Rows of one page.
Limit = Annotated[int, Query(ge=1, le=500, description="rows of this page")]
#: Rows before it.
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="rows before it")]


def answers(*statuses: int, **texts: str) -> dict[int | str, dict[str, Any]]:
    """Documentation of successful answers without a body: `answers(204)`."""
    return {status: {"description": texts.get(str(status), "done")} for status in statuses}
