"""Silences, maintenance windows and the allow-list: set, listed and ended by people, each change in the audit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from domain.detection.matchers import Matcher, matching, parse_matchers, require_narrow
from domain.detection.silencing import LONGEST_SILENCE, MaintenanceWindow, check_recurrence
from domain.errors import ConflictError, InputDataError, NotFoundError
from resources.access.audit_log import AuditLog
from resources.alerts.rows import AlertRow, hold_alerts, read_alerts
from resources.alerts.suppressions import as_window
from resources.incidents.desk import IncidentDesk
from resources.postgres.engine import transaction

_PREVIEWED = timedelta(days=1)
_MOST = 20_000
_PLANNED = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Preview:
    """What matchers mean: alerts that fire now, alerts that fired within the last day, and those per rule."""

    firing: list[AlertRow]
    last_day: int
    by_rule: dict[str, int]
    is_complete: bool = True


class Silences:
    """The services behind API and command line. `incidents` notes on timelines what is silenced."""

    def __init__(self, engine: Engine, audit: AuditLog, incidents: IncidentDesk) -> None:
        self._engine = engine
        self._audit = audit
        self._incidents = incidents

    def preview(self, raw: Sequence[dict[str, str]], *, now: datetime) -> Preview:
        """What a silence with these matchers would mute.

        Raises:
            InputDataError: a matcher is wrong.
        """
        with transaction(self._engine) as connection:
            return _preview(connection, parse_matchers(raw), now=now)

    def add(
        self,
        raw: Sequence[dict[str, str]],
        *,
        starts_at: datetime | None,
        ends_at: datetime,
        reason: str,
        actor: str,
        now: datetime,
    ) -> tuple[int, Preview]:
        """The number of the new silence and what it mutes now.

        Raises:
            InputDataError: matchers that are wrong or match everything, no reason, an end that makes no sense.
        """
        matchers, begin = _checked(raw, reason, what="this silence"), max(starts_at or now, now)
        if not begin < ends_at <= now + LONGEST_SILENCE:
            raise InputDataError(
                f"a silence until {ends_at:%Y-%m-%d %H:%M} UTC makes no sense",
                suggestion="an end within a year, after its beginning",
            )
        begin, ends_at = begin.astimezone(UTC), ends_at.astimezone(UTC)
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            row = {
                "matchers": _as_json(matchers),
                "from": begin,
                "to": ends_at,
                "reason": reason,
                "by": actor,
                "now": now,
            }
            silence_id = connection.execute(
                text(
                    "INSERT INTO silences (matchers, starts_at, ends_at, reason, created_by, created_at)"
                    " VALUES (:matchers, :from, :to, :reason, :by, :now) RETURNING silence_id"
                ),
                row,
            ).scalar_one()
            found = _preview(connection, matchers, now=now)
            words = f"silence {silence_id} until {ends_at:%Y-%m-%d %H:%M} UTC: {reason}"
            self._note(connection, found.firing, words=words, actor=actor, now=now)
            self._record(connection, actor, "silence.add", str(silence_id), after=row)
        return int(silence_id), found

    def end(self, silence_id: int, *, actor: str, now: datetime) -> None:
        """What it held back and fires still is told with the next look of the alert desk.

        Raises:
            NotFoundError: no such silence. ConflictError: it is over.
        """
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            row = connection.execute(
                text("SELECT * FROM silences WHERE silence_id = :id FOR UPDATE"), {"id": silence_id}
            ).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no silence {silence_id}", suggestion="`etlmon silence list` shows all")
            if row.ended_by is not None or row.ends_at <= now:
                raise ConflictError(f"silence {silence_id} is over already", suggestion="nothing is left to do")
            connection.execute(
                text(
                    "UPDATE silences SET ended_by = :by, ends_at = greatest(:now, starts_at + interval '1 microsecond')"
                    " WHERE silence_id = :id"
                ),
                {"by": actor, "now": now, "id": silence_id},
            )
            self._record(connection, actor, "silence.end", str(silence_id), before={"ends_at": row.ends_at})

    def list_silences(self, *, now: datetime, is_over_too: bool = False) -> list[dict[str, Any]]:
        """Newest first, with what each holds back now."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT s.*, (s.ended_by IS NULL AND s.starts_at <= :now AND s.ends_at > :now) AS is_in_force,"
                    " (SELECT count(*) FROM alerts AS a WHERE a.status = 'FIRING' AND a.suppressed_by = 'silence:' || s.silence_id)"
                    " AS holds_back FROM silences AS s WHERE :all OR (s.ended_by IS NULL AND s.ends_at > :now)"
                    " ORDER BY s.silence_id DESC LIMIT 1000"
                ),
                {"now": now, "all": is_over_too},
            )
            return [dict(row) for row in rows.mappings()]

    def add_window(
        self,
        raw: Sequence[dict[str, str]],
        *,
        title: str,
        reason: str,
        actor: str,
        now: datetime,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        cron: str | None = None,
        duration_s: int | None = None,
        time_zone: str = "UTC",
    ) -> int:
        """One-off (`starts_at`, `ends_at`) or recurring (`cron`, `duration_s`, `time_zone`).

        Raises:
            InputDataError: neither or both, or senseless.
        """
        matchers = _checked(raw, reason, what="this window")
        if cron is not None and starts_at is None and ends_at is None:
            check_recurrence(cron, duration_s or 0, time_zone)
        elif cron is not None or starts_at is None or ends_at is None or not starts_at < ends_at or ends_at <= now:
            raise InputDataError(
                "a window has either a beginning and a later end, or a cron line and a length",
                suggestion="startsAt and endsAt, or cron, durationS and timeZone",
            )
        elif ends_at - starts_at > timedelta(days=31) or ends_at > now + _PLANNED:
            raise InputDataError(
                "a window is at most 31 days long and at most two years away",
                suggestion="make it shorter, or recurring",
            )
        row = {
            "title": title, "matchers": _as_json(matchers), "cron": cron,
            "from": starts_at.astimezone(UTC) if starts_at else None, "to": ends_at.astimezone(UTC) if ends_at else None,
            "duration": duration_s if cron else None, "zone": time_zone, "reason": reason, "by": actor, "now": now,
        }  # fmt: skip
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            window_id = connection.execute(
                text(
                    "INSERT INTO maintenance_windows (title, matchers, starts_at, ends_at, cron, duration_s, time_zone, reason,"
                    " created_by, created_at) VALUES (:title, :matchers, :from, :to, :cron, :duration, :zone, :reason, :by, :now)"
                    " RETURNING window_id"
                ),
                row,
            ).scalar_one()
            self._record(connection, actor, "maintenance.add", str(window_id), after=row)
        return int(window_id)

    def end_window(self, window_id: int, *, actor: str) -> None:
        """Raises:
        NotFoundError: there is none, or it was ended.
        """
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            ended = connection.execute(
                text("UPDATE maintenance_windows SET ended_by = :by WHERE window_id = :id AND ended_by IS NULL"),
                {"by": actor, "id": window_id},
            ).rowcount
            if not ended:
                raise NotFoundError(f"there is no maintenance window {window_id}", suggestion="list them first")
            self._record(connection, actor, "maintenance.end", str(window_id))

    def list_windows(self, *, now: datetime) -> list[tuple[MaintenanceWindow, datetime | None]]:
        """Those that were not ended and can open again; with the end of the present opening."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT * FROM maintenance_windows WHERE ended_by IS NULL AND (cron IS NOT NULL OR ends_at > :now)"
                    " ORDER BY window_id DESC LIMIT 1000"
                ),
                {"now": now},
            ).all()
        return [(window, window.ends_after(now)) for window in map(as_window, rows)]

    def allow(self, rule_id: str, raw: Sequence[dict[str, str]], *, reason: str, actor: str, now: datetime) -> None:
        """Put a noisy metric on the allow-list: recorded, never told.

        Raises:
            InputDataError: no reason, or everything of every rule.
        """
        matchers = _checked(raw, reason, what="this entry") if rule_id == "*" else _checked(raw, reason, what="")
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            row = {"rule": rule_id, "matchers": _as_json(matchers), "reason": reason, "by": actor, "now": now}
            connection.execute(
                text(
                    "INSERT INTO noisy_metrics (rule_id, matchers, reason, created_by, created_at)"
                    " VALUES (:rule, :matchers, :reason, :by, :now) ON CONFLICT (rule_id, matchers) DO UPDATE"
                    " SET reason = excluded.reason, created_by = excluded.created_by"
                ),
                row,
            )
            self._record(connection, actor, "allow-list.add", rule_id, after=row)

    def disallow(self, rule_id: str, raw: Sequence[dict[str, str]], *, actor: str) -> None:
        """Raises:
        NotFoundError: it is not on the list.
        """
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            values = {"rule": rule_id, "matchers": json.dumps(list(raw))}
            gone = connection.execute(
                text("DELETE FROM noisy_metrics WHERE rule_id = :rule AND matchers = CAST(:matchers AS jsonb)"), values
            ).rowcount
            if not gone:
                raise NotFoundError(f"nothing like that of {rule_id} is on the allow-list", suggestion="list it first")
            self._record(connection, actor, "allow-list.remove", rule_id, before=values)

    def list_allowed(self) -> list[dict[str, Any]]:
        """The allow-list."""
        with transaction(self._engine) as connection:
            return [
                dict(row)
                for row in connection.execute(
                    text("SELECT * FROM noisy_metrics ORDER BY rule_id, created_at")
                ).mappings()
            ]

    def _note(
        self, connection: Connection, alerts: Sequence[AlertRow], *, words: str, actor: str, now: datetime
    ) -> None:
        """On the timeline of every incident whose alerts are meant."""
        for incident_id in sorted({row.incident_id for row in alerts if row.incident_id is not None}):
            titles = [row.title for row in alerts if row.incident_id == incident_id]
            detail = {"reason": words, "titles": titles[:20]}
            self._incidents.note(
                connection, incident_id, kind="silenced", actor=actor, cause="silence", now=now, detail=detail
            )

    def _record(
        self,
        connection: Connection,
        actor: str,
        action: str,
        resource_id: str,
        *,
        before: Any = None,
        after: Any = None,
    ) -> None:
        plain = [
            {k: v.isoformat() if isinstance(v, datetime) else v for k, v in (one or {}).items()}
            for one in (before, after)
        ]
        self._audit.record(
            connection, actor=actor, action=action, resource="silences", resource_id=resource_id,
            before=plain[0] or None, after=plain[1] or None,
        )  # fmt: skip


def _checked(raw: Sequence[dict[str, str]], reason: str, *, what: str) -> list[Matcher]:
    matchers = parse_matchers(raw)
    if what:
        require_narrow(matchers, what=what)
    if not reason.strip():
        raise InputDataError("a reason is missing", suggestion="say why, so that others know when it can go")
    return matchers


def _as_json(matchers: Sequence[Matcher]) -> str:
    return json.dumps([one.model_dump() for one in matchers])


def _preview(connection: Connection, matchers: Sequence[Matcher], *, now: datetime) -> Preview:
    rows = read_alerts(
        connection,
        "a.alert_id IN (SELECT b.alert_id FROM alerts AS b WHERE b.status = 'FIRING' OR b.last_seen_at >= :since"
        " ORDER BY b.alert_id DESC LIMIT :most)",
        {"since": now - _PREVIEWED, "most": _MOST},
    )
    found = [rows[index] for index in matching(matchers, [row.words for row in rows]).nonzero()[0].tolist()]
    by_rule: dict[str, int] = {}
    for row in found:
        by_rule[row.rule_id] = by_rule.get(row.rule_id, 0) + 1
    return Preview([row for row in found if row.is_firing], len(found), by_rule, is_complete=len(rows) < _MOST)
