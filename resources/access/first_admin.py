"""The first user: `admin` with a random password, made when there is nobody yet. The password is returned, never logged."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from domain.access.permissions import Role
from domain.errors import ConflictError
from resources.control_plane import ControlPlane
from resources.postgres.engine import transaction

NAME = "admin"


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """`password` once, when just made; `is_waiting` while nobody has ever logged in as admin."""

    password: str | None
    is_waiting: bool

    def __repr__(self) -> str:
        return f"FirstAdmin(is_waiting={self.is_waiting})"


def ensure_first_admin(control: ControlPlane) -> FirstAdmin:
    """Make `admin` when there are no users at all. Safe to repeat; two at once make one."""
    with transaction(control.engine) as connection:
        has_users = connection.execute(text("SELECT EXISTS (SELECT FROM users)")).scalar_one()
        is_waiting = connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM users WHERE username = :name AND has_to_change_password AND last_login_at IS NULL)"
            ),
            {"name": NAME},
        ).scalar_one()
    if has_users:
        return FirstAdmin(None, bool(is_waiting))
    try:
        return FirstAdmin(control.users.create(NAME, Role.ADMIN, actor="first start"), is_waiting=True)
    except ConflictError:
        return FirstAdmin(None, is_waiting=True)
