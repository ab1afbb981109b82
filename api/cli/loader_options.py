"""Options that the `etlmon loader` commands share, and which version is meant when none is named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import ConflictError, NotFoundError
from domain.vocabulary import VersionState

if TYPE_CHECKING:
    from resources.control_plane import ControlPlane

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
AsUser = Annotated[str | None, typer.Option("--user", help="act as this user (asks for the password)")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable")]
Code = Annotated[str, typer.Argument(metavar="CODE", help="code of the loader")]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=1, help="its number; left out: the one that it can only be")
]
Revision = Annotated[
    int | None, typer.Option(min=1, help="refuse when it was changed since this revision (see `show`)")
]


def choose_version(
    control: ControlPlane, code: str, version: int | None, state: VersionState, *, is_newest_good: bool = False
) -> int:
    """The version named, or the only one in that state, or the newest where that is good enough.

    Raises:
        NotFoundError: no such loader, or no version in that state. ConflictError: several.
    """
    if version is not None:
        return version
    known = control.loaders.list_facts(code)
    if not known:
        raise NotFoundError(f"no loader {code}", suggestion="`etlmon loader list` shows them")
    found = [one.version for one in known if one.state is state]
    if not found and is_newest_good:
        return known[-1].version
    if not found:
        raise NotFoundError(
            f"{code} has no {state.value} version", suggestion=f"`etlmon loader versions {code}` shows what it has"
        )
    if len(found) > 1:
        raise ConflictError(
            f"{code} has several {state.value} versions: {', '.join(map(str, found))}",
            suggestion="name one with --version",
        )
    return found[0]
