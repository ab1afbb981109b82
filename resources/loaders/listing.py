"""The list of loaders: one query over the narrow table `loaders`, whose columns the database keeps itself (migration 0003)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from domain.access.field_protection import Effect, protect
from domain.errors import InputDataError
from domain.vocabulary import VersionState

_COLUMNS = (
    "code, title, owner, source, schedule, state, shown_version, active_version, draft_version, pending_versions,"
    " newest_version, versions, created_at, updated_at"
)
_NAMES = _COLUMNS.split(", ")
SORTS = ("code", "title", "owner", "source", "state", "updated_at", "newest_version")
_IN_STATE = {
    VersionState.ACTIVE: "active_version IS NOT NULL",
    VersionState.DRAFT: "draft_version IS NOT NULL",
    VersionState.PENDING: "pending_versions <> '{}'",
    VersionState.ARCHIVED: "state = 'ARCHIVED'",
}


@dataclass(frozen=True, slots=True)
class LoaderPage:
    """Summaries as plain rows (names as in `loaders`), and how many loaders match in all."""

    items: list[dict[str, Any]]
    total: int


def list_loaders(
    connection: Connection,
    *,
    search: str = "",
    state: VersionState | None = None,
    source: str = "",
    owner: str = "",
    has_pending: bool | None = None,
    sort: str = "code",
    limit: int = 100,
    offset: int = 0,
) -> LoaderPage:
    """One page.

    Args:
        search: part of code or title, upper and lower case alike.
        state: loaders that have a version in it; ARCHIVED means that they have no other.
        sort: one of `SORTS`, with `-` in front for descending; equal ones by code.

    Raises:
        InputDataError: an unknown sort.
    """
    conditions = ["newest_version > 0"]
    if search:
        conditions.append(
            "(position(lower(:search) in lower(code)) > 0 OR position(lower(:search) in lower(title)) > 0)"
        )
    conditions += [f"{name} = :{name}" for name, value in (("source", source), ("owner", owner)) if value]
    if state is not None:
        conditions.append(_IN_STATE[state])
    if has_pending is not None:
        conditions.append(f"(pending_versions <> '{{}}') = {has_pending}")
    where = " AND ".join(conditions)
    query = text(
        f"WITH page AS (SELECT {_COLUMNS} FROM loaders WHERE {where} ORDER BY {_order(sort)} LIMIT :limit OFFSET :offset)"
        f" SELECT counted.total, page.* FROM (SELECT count(*) AS total FROM loaders WHERE {where}) AS counted"
        f" LEFT JOIN page ON true ORDER BY {_order(sort)}"
    )
    values = {"search": search, "source": source, "owner": owner, "limit": limit, "offset": offset}
    rows = connection.execute(query, values).all()
    items = [dict(zip(_NAMES, row[1:], strict=True)) for row in rows if row[1] is not None]
    return LoaderPage(items, int(rows[0][0]))


def protect_summaries(items: list[dict[str, Any]], effects: Mapping[str, Effect]) -> list[dict[str, Any]]:
    """Summaries as a role may see them. Most policies are about connections, of which a summary has nothing: no walk then."""
    about_them = {field: effect for field, effect in effects.items() if field.partition(".")[0] in {*_NAMES, "*"}}
    shown: list[dict[str, Any]] = protect(items, about_them) if about_them else items
    return shown


def read_summary(connection: Connection, code: str) -> dict[str, Any] | None:
    """The summary of one loader; None when it does not exist."""
    query = text(f"SELECT {_COLUMNS} FROM loaders WHERE code = :code AND newest_version > 0")
    row = connection.execute(query, {"code": code}).mappings().one_or_none()
    return dict(row) if row else None


def _order(sort: str) -> str:
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise InputDataError(
            f"sort: {sort!r} is unknown", suggestion=f"sort by one of {', '.join(SORTS)}, `-` reverses"
        )
    direction = "DESC" if sort.startswith("-") else "ASC"
    return f"code {direction}" if name == "code" else f"{name} {direction}, code"
