"""What people do to incidents, from API, pages and command line: the desk's action and its audit entry in one transaction (E1, A9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, text

from domain.errors import InputDataError, StaleEditError
from domain.incidents.lifecycle import Action, Request
from domain.incidents.view import IncidentView, incident_code
from resources.access.audit_log import AuditLog
from resources.alerts.rows import hold_alerts
from resources.incidents.desk import Acted, IncidentDesk, NewIncident
from resources.incidents.rows import lock_facts
from resources.postgres.engine import transaction

if TYPE_CHECKING:
    from resources.alerts.desk import AlertDesk

#: An incident that somebody opens for something older is a report, not an incident.
_OLDEST_ONSET = timedelta(days=30)
#: The label of an incident that was opened without evidence of its onset: no time to detect follows from it.
UNKNOWN_ONSET = {"onset": "unknown"}


class IncidentService:
    """Holds nothing open.

    Args:
        people: names to whom an incident can be given, besides the users of the platform.
    """

    def __init__(
        self,
        engine: Engine,
        audit: AuditLog,
        *,
        incidents: IncidentDesk,
        alerts: AlertDesk,
        people: Callable[[], Collection[str]],
    ) -> None:
        self._engine = engine
        self._audit = audit
        self._incidents = incidents
        self._alerts = alerts
        self._people = people

    def act(self, incident_id: int, request: Request, *, revision: int | None = None) -> Acted:
        """Do it, in the name of `request.actor`. What changes nothing leaves no entry in the audit.

        Args:
            revision: the incident as whoever asks has seen it; None does it however it stands.

        Raises:
            NotFoundError: no such incident. StaleEditError: it has changed since. ConflictError: illegal now.
            InputDataError: a field is missing, senseless, or names nobody.
        """
        with transaction(self._engine) as connection:
            if request.action is Action.MERGE:
                hold_alerts(connection)  # before the incidents, as detection does
            if request.action is Action.ASSIGN and request.assignee is not None:
                self._require_known(connection, request.assignee)
            before = self._seen(connection, incident_id, revision)
            acted = self._incidents.act(connection, incident_id, request)
            if acted.is_change:
                given = {"reason": request.reason, "until": request.until, "into": request.into}
                self._record(
                    connection, request.actor, request.action.value, before=before, after=acted.view, given=given
                )
        return acted

    def open(
        self, new: NewIncident, *, actor: str, cause: str, now: datetime, onset_at: datetime | None = None
    ) -> IncidentView:
        """An incident that a person has found; it pages like any other.

        Args:
            new: its `onset_at` does not count here.
            onset_at: when the fault began; None where nobody knows.

        Raises:
            InputDataError: no title, or an onset that lies in the future or months ago.
        """
        if not new.title.strip():
            raise InputDataError("an incident needs a title", suggestion="say what is broken")
        if onset_at is not None and not now - _OLDEST_ONSET <= onset_at <= now:
            raise InputDataError(
                f"an onset at {onset_at:%Y-%m-%d %H:%M} UTC makes no sense",
                suggestion="an instant within the last 30 days",
            )
        labels = {**new.labels, **({"root": f"service:{new.service}"} if new.service else {})}
        labels |= {"opened_by": actor} | ({} if onset_at else UNKNOWN_ONSET)
        asked = replace(new, onset_at=onset_at or now, labels=labels)
        with transaction(self._engine) as connection:
            view = self._incidents.open(connection, asked, now=now, actor=actor, cause=cause)
            facts = {"category": new.category, "service": new.service}
            self._record(connection, actor, "open", after=view, given=facts)
        return view

    def split(
        self,
        incident_id: int,
        alert_ids: Sequence[int],
        *,
        actor: str,
        cause: str,
        now: datetime,
        revision: int | None = None,
    ) -> IncidentView:
        """Some alerts become an incident of their own, which correlation does not join to the old one again.

        Raises:
            NotFoundError: no such incident. InputDataError: not its alerts, or all of them. ConflictError: it is over.
            StaleEditError: it has changed since it was seen.
        """
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            before = self._seen(connection, incident_id, revision)
            view = self._alerts.split(connection, incident_id, alert_ids, actor=actor, cause=cause, now=now)
            facts = {"splitFrom": before.code, "alerts": list(alert_ids)}
            self._record(connection, actor, "split", after=view, given=facts)
        return view

    def _seen(self, connection: Connection, incident_id: int, revision: int | None) -> IncidentView:
        _, view = lock_facts(connection, incident_id)
        if revision is not None and revision != view.revision:
            raise StaleEditError(
                f"{incident_code(incident_id)} has changed since you read it", suggestion="read it again, then decide"
            )
        return view

    def _require_known(self, connection: Connection, name: str) -> None:
        is_user = connection.execute(
            text("SELECT EXISTS (SELECT 1 FROM users WHERE username = :name AND is_active)"), {"name": name}
        ).scalar_one()
        if not is_user and name not in (people := self._people()):
            raise InputDataError(
                f"there is nobody called {name[:60]!r}",
                suggestion=f"a user, or one of {', '.join(sorted(people)[:10]) or 'the people in rules/notification'}",
            )

    def _record(
        self,
        connection: Connection,
        actor: str,
        action: str,
        *,
        after: IncidentView,
        given: dict[str, Any],
        before: IncidentView | None = None,
    ) -> None:
        self._audit.record(
            connection,
            actor=actor,
            action=f"incident.{action}",
            resource="incidents",
            resource_id=after.code,
            before=_facts(before) if before else None,
            after={**given, **_facts(after)},
        )


def _facts(view: IncidentView) -> dict[str, Any]:
    return {"state": view.state.value, "severity": view.severity.value, "assignee": view.assignee}
