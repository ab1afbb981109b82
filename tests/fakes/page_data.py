"""People and loaders for tests of the pages."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from domain.access.permissions import Caller, Role
from resources.control_plane import ControlPlane, open_control_plane
from tests.fakes.browser import PASSWORD
from tests.fakes.platform import Platform

PEOPLE = {"ada": Role.ADMIN, "olaf": Role.OPERATOR, "olga": Role.OPERATOR, "vera": Role.VIEWER}
CANARY = "canary-of-the-pages-7f3a"


def caller(name: str) -> Caller:
    """Somebody of PEOPLE, as the services know him."""
    return Caller(name, PEOPLE[name])


def make_people(platform: Platform) -> None:
    """Everybody of PEOPLE, with a password of their own."""
    with open_control_plane(platform.settings, platform.url) as control:
        for name, role in PEOPLE.items():
            control.users.create(name, role, actor="test", password=PASSWORD)
        with control.engine.begin() as connection:
            connection.execute(text("UPDATE users SET has_to_change_password = false"))


def orders(**changes: Any) -> dict[str, Any]:
    """A loader with a secret."""
    return {
        "code": "ORDERS-DB",
        "title": "Orders per minute",
        "owner": "orders-team",
        "source": "sql",
        "connection": {"url": "postgresql://db.internal:5432/orders", "username": "reader", "password": CANARY},
        "schedule": "*/5 * * * *",
        "step_s": 60,
        "sql": [{"metric_name": "orders_total", "title": "Orders", "sql": "SELECT count(*) AS value\nFROM orders"}],
        **changes,
    }


def make_active(control: ControlPlane, body: dict[str, Any]) -> None:
    """Written and submitted by olaf, approved by olga."""
    made = control.loaders.create_draft(body, caller=caller("olaf"))
    control.loaders.submit(made.code, made.version, caller=caller("olaf"))
    control.loaders.approve(made.code, made.version, caller=caller("olga"), content_hash=made.content_hash)
