"""On-call rotas that PagerDuty, Opsgenie or a calendar keep, read into overrides of ours for the coming 14 days (H6).

A system that does not answer changes nothing: the shifts read before stay, and after them the layers of the rules decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import Engine, text

from domain.errors import (
    ConfigurationError,
    EtlmonError,
    SourceAnswerError,
    SourceAuthenticationError,
    SourceRefusedError,
)
from domain.notification.external_rota import parse_rota, rota_request
from domain.notification.on_call import IMPORTED_BY, External, Shift
from domain.notification.rules import NotificationRules
from resources.json_logs import get_logger
from resources.notification.rota_marks import write_rota_mark
from resources.outgoing_http import Deadline, HttpRequest, call_with_retries, fetch_reply, open_session
from resources.postgres.engine import transaction
from resources.settings import Settings

_AHEAD = timedelta(days=14)
_MAX_ANSWER = 1 << 20
_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one schedule. `problem` empty: read; `strangers`: people there whom our rules do not name."""

    schedule: str
    shifts: int = 0
    strangers: tuple[str, ...] = ()
    problem: str = ""


def import_rotas(settings: Settings, engine: Engine, rules: NotificationRules, *, now: datetime) -> list[Imported]:
    """Read every external rota; one that fails does not stop the others. Doing it again changes nothing."""
    return [
        _import(settings, engine, name, schedule.external, now)
        for name, schedule in sorted(rules.schedules.items())
        if schedule.external is not None
    ]


def _import(settings: Settings, engine: Engine, name: str, external: External, now: datetime) -> Imported:
    end = now + _AHEAD
    try:
        answer = _ask(settings, external, now, end)
        shifts, strangers = parse_rota(external, answer, now, end)
    except EtlmonError as error:
        get_logger(__name__).warning("on-call rota not read", schedule=name, error=error)
        with transaction(engine) as connection:
            write_rota_mark(connection, name, now=now, problem=f"{error.error_type}: {error.reason}")
        return Imported(name, problem=f"{error.error_type}: {error.reason}")
    _replace(engine, name, external, shifts, now)
    return Imported(name, len(shifts), tuple(strangers))


def _ask(settings: Settings, external: External, start: datetime, end: datetime) -> object:
    connection = settings.connections.get(external.connection)
    if connection is None:
        raise ConfigurationError(
            f"there is no connection {external.connection!r}", suggestion=f"add it to {settings.connections_path}"
        )
    path, query, headers = rota_request(external, start, end)
    request = HttpRequest(connection.url.rstrip("/") + path if path else connection.url, fields=query, headers=headers)
    with open_session(connection) as session:

        def call(deadline: Deadline) -> bytes:
            reply = fetch_reply(session, request, deadline=deadline, max_bytes=_MAX_ANSWER)
            if reply.status in {401, 403}:
                raise SourceAuthenticationError(
                    f"{external.system.value} refuses our credentials (HTTP {reply.status})",
                    suggestion="renew the token",
                )
            if reply.status != 200:
                raise SourceRefusedError(
                    f"{external.system.value} answers HTTP {reply.status}", suggestion="does the schedule exist there?"
                )
            return reply.body

        body = call_with_retries(call, timeout_s=_TIMEOUT_S, breaker=f"{external.system.value} rota {connection.url}")
    if external.is_calendar:
        return body.decode("utf-8", "replace")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise SourceAnswerError(
            f"{external.system.value} does not answer with JSON",
            suggestion="is the connection's address that of the API?",
        ) from None


def _replace(engine: Engine, name: str, external: External, shifts: list[Shift], now: datetime) -> None:
    """The imported shifts from now on are these; what has ended stays as history."""
    author = f"{IMPORTED_BY}{external.system.value}"
    with transaction(engine) as connection:
        write_rota_mark(connection, name, now=now)
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"rota:{name}"})
        values = {"schedule": name, "author": author, "now": now}
        connection.execute(
            text(
                "DELETE FROM on_call_overrides WHERE schedule = :schedule AND created_by LIKE 'import:%' AND starts_at >= :now"
            ),
            values,
        )
        connection.execute(
            text(
                "UPDATE on_call_overrides SET ends_at = :now WHERE schedule = :schedule AND created_by LIKE 'import:%'"
                " AND ends_at > :now"
            ),
            values,
        )
        if shifts:
            connection.execute(
                text(
                    "INSERT INTO on_call_overrides (schedule, person, starts_at, ends_at, reason, created_by, created_at)"
                    " VALUES (:schedule, :person, :starts_at, :ends_at, :reason, :author, :now)"
                ),
                [
                    {
                        **values,
                        "person": one.person,
                        "starts_at": one.starts_at,
                        "ends_at": one.ends_at,
                        "reason": one.source,
                    }
                    for one in shifts
                ],
            )
