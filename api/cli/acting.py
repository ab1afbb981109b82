"""In whose name a command acts, and opening the control plane for it. The one place for both.

`--user NAME` asks for the password (scripts: ETLMON_PASSWORD) and is checked like the API does. Without it the command acts as
ADMIN under the name `cli:<os user>`: who can read HOME/secrets owns the platform anyway.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.access.permissions import Caller, Role, check_permission
from domain.errors import NotFoundError
from resources.control_plane import ControlPlane, open_control_plane
from resources.json_logs import correlated, new_correlation_id
from resources.platform import open_database
from resources.settings import load_settings

PASSWORD_VARIABLE = "ETLMON_PASSWORD"  # noqa: S105 - the name of a variable


@contextmanager
def open_control(home: Path | None) -> Iterator[ControlPlane]:
    """The services of a platform that was started before; one correlation id covers the command.

    Raises:
        NotFoundError: nothing was ever started there; nothing is made.
    """
    settings = load_settings(home=home)
    if settings.database_url is None and not (settings.home / "instance_id").exists():
        raise NotFoundError(
            f"{settings.home} is no home of a platform",
            suggestion="point --home or ETLMON_HOME to the right folder, or start one there: `etlmon up`",
        )
    with (
        correlated(new_correlation_id()),
        open_database(settings) as url,
        open_control_plane(settings, url) as control,
    ):
        yield control


def acting(control: ControlPlane, user: str | None) -> Caller:
    """Who acts.

    Raises:
        NotAuthenticatedError: the password is wrong (it counts like any failed login).
    """
    if user is None:
        return Caller(f"cli:{getpass.getuser()}", Role.ADMIN)
    password = os.environ.get(PASSWORD_VARIABLE) or getpass.getpass(f"password of {user}: ")
    return control.login.verify_person(
        user, password, ip=f"cli:{socket.gethostname()}", user_agent="etlmon command line"
    )


def permitted(control: ControlPlane, user: str | None, resource: str, action: str) -> Caller:
    """`acting`, and the permission table lets him.

    Raises:
        NotAuthenticatedError, NotPermittedError.
    """
    caller = acting(control, user)
    check_permission(caller, resource, action)
    return caller
