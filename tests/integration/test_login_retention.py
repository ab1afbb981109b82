"""Old login attempts and sessions go, young ones stay (A3)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.access.permissions import Role
from resources.access.login_audit import Visitor
from resources.clock import utc_now
from resources.control_plane import open_control_plane
from resources.postgres.engine import transaction
from tests.fakes.platform import Platform


@pytest.mark.requirement("A3")
def test_attempts_and_sessions_before_the_instant_go_and_later_ones_stay(platform: Platform) -> None:
    now = utc_now()
    with open_control_plane(platform.settings, platform.url) as control:
        password = control.users.create("erika", Role.VIEWER, actor="test")
        control.login.with_password("erika", password, ip="192.0.2.1", user_agent="test")
        with transaction(control.engine) as connection:
            old = {"at": now - timedelta(days=500)}
            visitor = Visitor.of("192.0.2.9", "test")
            control.login_audit.record(
                connection, visitor, username="erika", method="password", outcome="wrong", at=old["at"]
            )
            connection.execute(
                text(
                    "INSERT INTO sessions (session_id, username, refresh_hash, created_at, expires_at, ip, user_agent)"
                    " VALUES ('old', 'erika', '\\x00', :at, :at, '192.0.2.9', 'test')"
                ),
                old,
            )
        assert control.login_audit.purge(until=now - timedelta(days=400)) == 2
        attempts, total = control.login_audit.list_attempts(limit=10, offset=0)
        assert [(one["ip"], one["outcome"]) for one in attempts] == [("192.0.2.1", "success")]
        assert total == 1
        with transaction(control.engine) as connection:
            assert connection.execute(text("SELECT count(*) FROM sessions")).scalar_one() == 1
