"""`etlmon user`: users, their roles and sessions, and API tokens, from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.access.permissions import Role

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Users, roles, sessions and API tokens.\n\nExample: etlmon user add erika --role OPERATOR",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
AsUser = Annotated[str | None, typer.Option("--user", help="act as this user (asks for the password)")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
NamedRole = Annotated[Role, typer.Option("--role", case_sensitive=False, help="what the user may do")]


@app.command("list", help="All users with role and state.\n\nExample: etlmon user list --json")
def list_users(as_json: AsJson = False, user: AsUser = None, home: Home = None) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        permitted(control, user, "users", "read")
        found, total = control.users.list_users(limit=100_000, offset=0)
    rows = [
        {
            "username": one.username,
            "role": one.role.value,
            "state": "active" if one.is_active else "disabled",
            "locked until": one.locked_until,
            "last login": one.last_login_at,
            "has to change password": one.has_to_change_password,
        }
        for one in found
    ]
    _show(rows, as_json=as_json, nothing=f"{total} users")


@app.command(help="Add a user; a password is made and shown once.\n\nExample: etlmon user add erika --role OPERATOR")
def add(
    name: Name,
    role: NamedRole = Role.VIEWER,
    *,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the password from standard input")
    ] = False,
    oidc_subject: Annotated[
        str | None, typer.Option(help='no password: logs in by the identity provider ("issuer|sub")')
    ] = None,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted

    given = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with open_control(home) as control:
        caller = permitted(control, user, "users", "edit")
        if oidc_subject:
            control.users.create_for_provider(name, role, actor=caller.username, oidc_subject=oidc_subject)
            print(f"{name.lower()} is {role.value} and logs in by the identity provider")
            return
        password = control.users.create(name, role, actor=caller.username, password=given)
    _tell_password(name.lower(), None if password_stdin else password)


@app.command(
    "set-role", help="Give a user another role; his sessions end.\n\nExample: etlmon user set-role erika --role ADMIN"
)
def set_role(name: Name, role: NamedRole, user: AsUser = None, home: Home = None) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        caller = permitted(control, user, "users", "edit")
        control.users.change(name.lower(), actor=caller.username, role=role)
    print(f"{name.lower()} is {role.value}")


@app.command(help="Keep a user out; his sessions end at once.\n\nExample: etlmon user disable erika")
def disable(name: Name, user: AsUser = None, home: Home = None) -> None:
    """See the decorator."""
    _set_active(name.lower(), user, home, is_active=False)


@app.command(help="Let a disabled user in again.\n\nExample: etlmon user enable erika")
def enable(name: Name, user: AsUser = None, home: Home = None) -> None:
    """See the decorator."""
    _set_active(name.lower(), user, home, is_active=True)


def _set_active(name: str, user: str | None, home: Path | None, *, is_active: bool) -> None:
    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        caller = permitted(control, user, "users", "edit")
        control.users.change(name, actor=caller.username, is_active=is_active)
    print(f"{name} is {'active' if is_active else 'disabled'}")


@app.command(
    "reset-password",
    help="Make another password, shown once; sessions end, a lock is released.\n\nExample: etlmon user reset-password admin",
)
def reset_password(
    name: Name,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the password from standard input")
    ] = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted

    given = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with open_control(home) as control:
        caller = permitted(control, user, "users", "edit")
        password = control.users.reset_password(name.lower(), actor=caller.username, password=given)
    _tell_password(name.lower(), None if password_stdin else password)


@app.command(help="Release a lock-out after failed logins.\n\nExample: etlmon user unlock erika")
def unlock(name: Name, user: AsUser = None, home: Home = None) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        caller = permitted(control, user, "users", "edit")
        control.users.unlock(name.lower(), actor=caller.username)
    print(f"{name.lower()} may try again")


@app.command(
    help="Where a user is logged in; --end logs him out everywhere.\n\nExample: etlmon user sessions erika --end"
)
def sessions(
    name: Name,
    end: Annotated[bool, typer.Option("--end", help="end them all")] = False,
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        caller = permitted(control, user, "users", "edit" if end else "read")
        control.users.read(name.lower())
        if end:
            print(f"{control.users.end_sessions(name.lower(), actor=caller.username)} sessions ended")
            return
        rows = control.sessions.list_open(name.lower())
    _show(rows, as_json=as_json, nothing="no session")


@app.command(
    help="API tokens of machines: list them; --revoke ID ends one.\n\nExample: etlmon user tokens --revoke 0123456789abcdef"
)
def tokens(
    revoke: Annotated[str | None, typer.Option(metavar="ID", help="end this token")] = None,
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        caller = permitted(control, user, "api-tokens", "edit" if revoke else "read")
        if revoke:
            control.api_tokens.revoke(revoke, actor=caller.username)
            print(f"{revoke} is revoked")
            return
        rows, _ = control.api_tokens.list_tokens(limit=100_000, offset=0)
    _show(rows, as_json=as_json, nothing="no token")


@app.command(
    "add-token",
    help="Make an API token, shown once.\n\nExample: etlmon user add-token ci --role OPERATOR --scope signals:push --days 90",
)
def add_token(
    name: Name,
    scope: Annotated[list[str], typer.Option(help="resource:action; may be repeated")],
    role: NamedRole = Role.VIEWER,
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="until it ends")] = 90,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted
    from resources.clock import utc_now

    with open_control(home) as control:
        caller = permitted(control, user, "api-tokens", "edit")
        expires_at = utc_now() + timedelta(days=days)
        issued = control.api_tokens.issue(actor=caller, name=name, role=role, scopes=scope, expires_at=expires_at)
    print(issued.token)
    print(f"shown only now; it ends {expires_at:%Y-%m-%d %H:%M} UTC", file=sys.stderr)


def _tell_password(name: str, password: str | None) -> None:
    if password is not None:
        print(f"password of {name}: {password}")
    print("it has to be changed at the first login", file=sys.stderr)


def _show(rows: Sequence[dict[str, Any]], *, as_json: bool, nothing: str) -> None:
    if as_json:
        print(json.dumps(list(rows), default=str))
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print(nothing)
        return
    table = Table(box=None, header_style="bold")
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value)
