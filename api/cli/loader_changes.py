"""`etlmon loader create|edit|submit|withdraw|discard|approve|reject|rollback`: changes of versions, under the same rules as the API."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.loader_options import AsUser, Code, Home, Revision, VersionOption, choose_version
from domain.vocabulary import VersionState

if TYPE_CHECKING:
    from resources.loaders.records import VersionRecord

_File = Annotated[Path, typer.Argument(metavar="FILE", help="YAML as `show` writes it; - reads standard input")]


def create(file: _File, *, user: AsUser = None, home: Home = None) -> None:
    """A new loader, or a new DRAFT of one that exists, from YAML.

    Example: etlmon loader create orders.yaml
    """
    from api.cli.acting import open_control, permitted

    body = _read(file)
    with open_control(home) as control:
        caller = permitted(control, user, "loaders", "edit")
        _tell(control.loaders.create_draft(body, caller=caller))


def edit(
    code: Code,
    file: _File,
    *,
    version: VersionOption = None,
    revision: Revision = None,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """Replace the content of the DRAFT; without a DRAFT one is made from the ACTIVE version.

    Example: etlmon loader edit ORDERS-DB orders.yaml
    """
    from api.cli.acting import open_control, permitted
    from domain.errors import InputDataError

    body = _read(file)
    if body.get("code", code) != code:
        raise InputDataError(
            f"field code: the file is about {body['code']}, not {code}", suggestion="correct one of the two"
        )
    with open_control(home) as control:
        caller = permitted(control, user, "loaders", "edit")
        drafts = [one.version for one in control.loaders.list_facts(code) if one.state is VersionState.DRAFT]
        if version is None and not drafts:
            choose_version(control, code, None, VersionState.ACTIVE, is_newest_good=True)
            _tell(control.loaders.create_draft({**body, "code": code}, caller=caller))
            return
        chosen = version or drafts[0]
        read = revision or control.loaders.get(code, chosen).revision
        _tell(control.loaders.edit(code, chosen, body, caller=caller, revision=read))


def submit(
    code: Code, *, version: VersionOption = None, revision: Revision = None, user: AsUser = None, home: Home = None
) -> None:
    """Hand the DRAFT in for approval.

    Example: etlmon loader submit ORDERS-DB
    """
    _decide("submit", code, version, VersionState.DRAFT, revision=revision, user=user, home=home)


def withdraw(
    code: Code, *, version: VersionOption = None, revision: Revision = None, user: AsUser = None, home: Home = None
) -> None:
    """Take back what you submitted.

    Example: etlmon loader withdraw ORDERS-DB
    """
    _decide("withdraw", code, version, VersionState.PENDING, revision=revision, user=user, home=home)


def discard(
    code: Code, *, version: VersionOption = None, revision: Revision = None, user: AsUser = None, home: Home = None
) -> None:
    """Give the DRAFT up.

    Example: etlmon loader discard ORDERS-DB
    """
    _decide("discard", code, version, VersionState.DRAFT, revision=revision, user=user, home=home)


def approve(
    code: Code,
    *,
    content_hash: Annotated[str, typer.Option(help="what you looked at (see `show`); left out: as it is now")] = "",
    version: VersionOption = None,
    revision: Revision = None,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """Let a PENDING version run. Never by who wrote or submitted it.

    Example: etlmon loader approve ORDERS-DB --user erika
    """
    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        caller = permitted(control, user, "loaders", "approve")
        chosen = choose_version(control, code, version, VersionState.PENDING)
        seen = content_hash or control.loaders.get(code, chosen).content_hash
        _tell(control.loaders.approve(code, chosen, caller=caller, content_hash=seen, revision=revision))


def reject(
    code: Code,
    *,
    reason: Annotated[str, typer.Option(help="what has to change")],
    version: VersionOption = None,
    revision: Revision = None,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """Send a PENDING version away.

    Example: etlmon loader reject ORDERS-DB --reason "no label for the region"
    """
    _decide("reject", code, version, VersionState.PENDING, revision=revision, user=user, home=home, reason=reason)


def rollback(
    code: Code,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="a version that was ACTIVE once")],
    *,
    reason: Annotated[str, typer.Option(help="why, for the audit")] = "",
    user: AsUser = None,
    home: Home = None,
) -> None:
    """Let an earlier version run again.

    Example: etlmon loader rollback ORDERS-DB 3 --reason "version 4 is slow"
    """
    _decide("rollback", code, version, VersionState.ARCHIVED, revision=None, user=user, home=home, reason=reason)


def register_changes(app: typer.Typer) -> None:
    """Give the app these commands; their docstrings are their help."""
    commands: list[Callable[..., None]] = [create, edit, submit, withdraw, discard, approve, reject, rollback]
    for command in commands:
        app.command()(command)


def _decide(
    action: str,
    code: str,
    version: int | None,
    state: VersionState,
    *,
    revision: int | None,
    user: str | None,
    home: Path | None,
    **more: Any,
) -> None:
    from api.cli.acting import open_control, permitted
    from domain.loaders.lifecycle import PERMISSION, Action

    with open_control(home) as control:
        caller = permitted(control, user, "loaders", PERMISSION[Action(action)])
        chosen = choose_version(control, code, version, state)
        decide = getattr(control.loaders, action)
        _tell(decide(code, chosen, caller=caller, revision=revision, **more))


def _read(file: Path) -> dict[str, Any]:
    from resources.rule_files import parse_mapping, read_rule_text

    text = sys.stdin.read() if str(file) == "-" else read_rule_text(file)
    return parse_mapping(text, Path("standard input") if str(file) == "-" else file)[1]


def _tell(record: VersionRecord) -> None:
    print(f"{record.code} version {record.version} is {record.state.value} (revision {record.revision})")
