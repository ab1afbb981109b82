"""Why somebody was or was not paged: the rows of decisions, silences, incident, escalation and outbox as sentences (D7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.errors import InputDataError, NotFoundError
from domain.incidents.view import find_number, incident_code
from resources.alerts.rows import AlertRow, read_alerts

_STATES = {
    "PENDING": "waits to be sent to",
    "SENT": "was sent to",
    "DELIVERED": "reached",
    "DEAD": "could not be delivered to",
    "CANCELLED": "was no longer needed for",
    "SUMMARISED": "went into the summary of a storm for",
}
_MOST = 50


def parse_subject(written: str) -> tuple[str, int]:
    """("incident", 12) of INC-12, ("alert", 12) of 12.

    Raises:
        InputDataError: neither.
    """
    number = find_number(written)
    if number is None:
        raise InputDataError(
            f"{written[:60]!r} names no alert and no incident", suggestion="an alert's number, or INC-12345"
        )
    return ("incident" if written.strip()[:1].upper() == "I" else "alert"), number


def explain(connection: Connection, written: str) -> list[str]:
    """Sentences in the order of time, the answer last.

    Raises:
        NotFoundError: there is none of that number. InputDataError: it is no number of either.
    """
    kind, number = parse_subject(written)
    if kind == "alert":
        return explain_alert(connection, number)
    return list(_of_incident(connection, number))


def explain_alert(connection: Connection, alert_id: int) -> list[str]:
    """The story of one alert.

    Raises:
        NotFoundError: there is none.
    """
    rows = read_alerts(connection, "a.alert_id = :id", {"id": alert_id})
    if not rows:
        raise NotFoundError(f"there is no alert {alert_id}", suggestion="`etlmon alert list` shows the newest")
    return list(_of_alert(connection, rows[0]))


def _at(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else "some time"


def _of_alert(connection: Connection, row: AlertRow) -> Iterator[str]:
    again = f", seen {row.occurrences} times" if row.occurrences > 1 else ""
    fires = "still fires" if row.is_firing else f"ended at {_at(row.resolved_at)}"
    yield (
        f"Alert {row.alert_id} “{row.title}” ({row.severity.value}, rule {row.rule_id}): first bad sample at {_at(row.onset_at)},"
        f" fired at {_at(row.fired_at)}, {fires}{again}."
    )
    decisions = connection.execute(
        text("SELECT at, kind, reason FROM alert_decisions WHERE alert_id = :id ORDER BY decision_id"),
        {"id": row.alert_id},
    )
    for one in decisions:
        yield f"{_at(one.at)}: {one.kind.replace('-', ' ')} – {one.reason}."
    if row.is_flapping:
        yield "It flaps now: its changes are recorded and told to nobody until it is quiet."
    if row.incident_id is None:
        reason = f"it is held back by {row.suppressed_by}" if row.suppressed_by else "no incident was opened for it"
        yield f"Nobody was paged: {reason}."
        return
    if row.suppressed_by:
        yield f"It is seen at {incident_code(row.incident_id)} and told nobody itself: held back by {row.suppressed_by}."
    yield from _of_incident(connection, row.incident_id)


def _of_incident(connection: Connection, incident_id: int) -> Iterator[str]:
    values = {"id": incident_id}
    row = connection.execute(text("SELECT * FROM incidents WHERE incident_id = :id"), values).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no {incident_code(incident_id)}", suggestion="`etlmon incident list` shows all")
    code = incident_code(incident_id)
    drill = ", a drill" if row.is_drill else ""
    yield f"{code} “{row.title}” ({row.severity}{drill}) was opened at {_at(row.opened_at)} and is {row.state}."
    if row.merged_into is not None:
        yield f"It was merged into {incident_code(row.merged_into)}; that incident tells from then on."
    if row.acknowledged_by:
        yield f"{row.acknowledged_by} acknowledged it at {_at(row.acknowledged_at)}; escalation ended there."
    if row.snoozed_until:
        yield f"It is snoozed until {_at(row.snoozed_until)}."
    yield from _of_escalation(connection, values)
    messages = list(_of_messages(connection, values))
    yield from messages
    if not messages:
        yield f"Nobody was paged for {code}: no message was planned (severity {row.severity})."


def _of_escalation(connection: Connection, values: dict[str, Any]) -> Iterator[str]:
    row = connection.execute(text("SELECT * FROM escalations WHERE incident_id = :id"), values).one_or_none()
    if row is None:
        yield "No escalation runs for it."
    elif row.due_at is not None:
        yield f"Escalation by policy {row.policy}: step {row.step + 1} is due at {_at(row.due_at)} (round {row.round + 1})."
    else:
        yield f"Escalation by policy {row.policy} has stopped: {row.stopped_reason or 'nothing is left to do'}."


def _of_messages(connection: Connection, values: dict[str, Any]) -> Iterator[str]:
    rows = connection.execute(
        text(
            "SELECT channel, recipient, kind, state, attempts, sent_at, created_at, due_at, last_error, fallback_of FROM outbox"
            " WHERE incident_id = :id ORDER BY message_id LIMIT :most"
        ),
        {**values, "most": _MOST},
    )
    for one in rows:
        when = f"at {_at(one.sent_at)}" if one.sent_at else f"planned at {_at(one.created_at)}"
        tries = f" after {one.attempts} tries" if one.attempts > 1 else ""
        error = f"; last error: {one.last_error}" if one.last_error and one.state != "DELIVERED" else ""
        instead = " instead of a channel that failed" if one.fallback_of else ""
        yield f"{one.channel} ({one.kind}){instead} {_STATES[one.state]} {one.recipient}, {when}{tries}{error}."
