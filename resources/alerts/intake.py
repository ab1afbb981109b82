"""Events become alerts: deduplicated, merged, marked as flapping. Nothing here opens incidents (`admission` does)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.deduplication import WINDOW, Stretch, fold_events
from domain.detection.flapping import Flapping, FlappingLimits, decide_flapping
from resources.alerts.rows import AlertRow, DecisionRow, as_json, read_alerts, write_decisions

_RECORD = (
    "jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (alert_id bigint, fingerprint text, source text, rule_id text, title text,"
    " summary text, severity text, category text, status text, labels jsonb, annotations jsonb, value double precision,"
    " threshold double precision, series_id bigint, onset_at timestamptz, fired_at timestamptz, last_seen_at timestamptz,"
    " resolved_at timestamptz, occurrences integer, is_drill boolean)"
)
_FIELDS = (
    "fingerprint, source, rule_id, title, summary, severity, category, status, labels, annotations, value, threshold, series_id,"
    " onset_at, fired_at, last_seen_at, resolved_at, occurrences, is_drill"
)
_INSERT = text(
    f"INSERT INTO alerts ({_FIELDS}, detected_at) SELECT {_FIELDS}, :now FROM {_RECORD} RETURNING alert_id, fingerprint, last_seen_at"
)
_UPDATE = text(
    "UPDATE alerts AS a SET status = r.status, onset_at = r.onset_at, fired_at = r.fired_at, last_seen_at = r.last_seen_at,"
    " resolved_at = r.resolved_at, occurrences = r.occurrences, title = coalesce(r.title, a.title),"
    " summary = coalesce(r.summary, a.summary), severity = coalesce(r.severity, a.severity), value = coalesce(r.value, a.value),"
    " threshold = coalesce(r.threshold, a.threshold), series_id = coalesce(r.series_id, a.series_id),"
    f" annotations = coalesce(r.annotations, a.annotations) FROM {_RECORD} WHERE a.alert_id = r.alert_id"
)


@dataclass(slots=True)
class Intake:
    """What became of events: alerts as they are now."""

    rows: dict[int, AlertRow] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)
    begun: set[int] = field(default_factory=set)  # fire now and did not before
    ended: set[int] = field(default_factory=set)
    merged: int = 0
    emptied: dict[int, int] = field(default_factory=dict)  # incident that lost a merged alert → the one that has it now
    began_flapping: list[int] = field(default_factory=list)


def take_in(connection: Connection, events: Sequence[AlertEvent], *, now: datetime, limits: FlappingLimits) -> Intake:
    """Store events as alerts. Set-based: a handful of statements whatever their number."""
    by_fingerprint: dict[str, list[AlertEvent]] = {}
    for event in events:
        by_fingerprint.setdefault(event.fingerprint, []).append(event)
    stored = _read_stored(connection, by_fingerprint)
    known = {row.alert_id: row for rows in stored.values() for row in rows}
    folded = [
        (fingerprint, stretch)
        for fingerprint, some in by_fingerprint.items()
        for stretch in fold_events([_as_stretch(row) for row in stored.get(fingerprint, [])], some)
    ]
    answer = Intake()
    ids = _write(connection, folded, known, now=now)
    answer.rows = {row.alert_id: row for row in read_alerts(connection, "a.alert_id = ANY(:ids)", {"ids": ids})}
    decisions: list[DecisionRow] = []
    for alert_id, (_, stretch) in zip(ids, folded, strict=True):
        _tell(answer, answer.rows[alert_id], stretch, known, decisions)
    _flap(connection, answer, folded, ids, decisions, now=now, limits=limits)
    write_decisions(connection, decisions, now=now)
    return answer


def _read_stored(connection: Connection, events: dict[str, list[AlertEvent]]) -> dict[str, list[AlertRow]]:
    since = min(min(event.at, event.fired_at) for some in events.values() for event in some) - WINDOW
    rows = read_alerts(
        connection,
        "a.fingerprint = ANY(:fingerprints) AND (a.status = 'FIRING' OR a.last_seen_at >= :since)",
        {"fingerprints": list(events), "since": since},
    )
    found: dict[str, list[AlertRow]] = {}
    for row in rows:
        found.setdefault(row.fingerprint, []).append(row)
    return found


def _as_stretch(row: AlertRow) -> Stretch:
    return Stretch(row.fired_at, row.last_seen_at, row.status, row.onset_at, row.occurrences, (row.alert_id,))


def _write(
    connection: Connection, folded: Sequence[tuple[str, Stretch]], known: dict[int, AlertRow], *, now: datetime
) -> list[int]:
    """The alert ids, in the order of the stretches."""
    changed, new = [], []
    absorbed: dict[int, int] = {}
    for fingerprint, stretch in folded:
        row = _as_record(fingerprint, stretch, known)
        if stretch.is_new:
            new.append(row)
            continue
        row["alert_id"] = _survivor(stretch, known)
        absorbed |= {one: row["alert_id"] for one in stretch.alert_ids if one != row["alert_id"]}
        changed.append(row)
    _drop_absorbed(connection, absorbed)
    if changed:
        connection.execute(_UPDATE, {"rows": as_json(changed)})
    inserted = connection.execute(_INSERT, {"rows": as_json(new), "now": now}).all() if new else []
    by_key = {(row.fingerprint, row.last_seen_at): row.alert_id for row in inserted}
    return [
        by_key[fingerprint, stretch.last] if stretch.is_new else _survivor(stretch, known)
        for fingerprint, stretch in folded
    ]


def _survivor(stretch: Stretch, known: dict[int, AlertRow]) -> int:
    """Of merged alerts the one that an incident has; else the oldest."""
    return next((one for one in stretch.alert_ids if known[one].incident_id is not None), min(stretch.alert_ids))


def _as_record(fingerprint: str, stretch: Stretch, known: dict[int, AlertRow]) -> dict[str, Any]:
    told = stretch.newest
    is_newer = told is not None and all(told.at >= known[one].last_seen_at for one in stretch.alert_ids)
    facts: dict[str, Any] = {
        "fingerprint": fingerprint,
        "status": stretch.status.value,
        "onset_at": stretch.onset_at,
        "fired_at": stretch.first,
        "last_seen_at": stretch.last,
        "resolved_at": stretch.last if stretch.status is AlertStatus.RESOLVED else None,
        "occurrences": max(1, stretch.occurrences),
    }
    if told is None or not is_newer:
        return facts
    return facts | {
        "source": told.source.value,
        "rule_id": told.rule_id,
        "title": told.title,
        "summary": told.summary,
        "severity": told.severity.value,
        "category": told.category.value,
        "labels": dict(told.labels),
        "annotations": dict(told.annotations),
        "value": told.value if told.value is not None and told.value == told.value else None,
        "threshold": told.threshold,
        "series_id": told.series_id,
        "is_drill": told.is_drill,
    }


def _drop_absorbed(connection: Connection, absorbed: dict[int, int]) -> None:
    """Alerts that turned out to be part of another one: what was decided about them goes over to it."""
    for alert_id, into in absorbed.items():  # rare: a late event has to lie between two alerts
        values = {"id": alert_id, "into": into}
        connection.execute(text("UPDATE alert_decisions SET alert_id = :into WHERE alert_id = :id"), values)
        connection.execute(text("UPDATE incidents SET root_alert_id = :into WHERE root_alert_id = :id"), values)
        connection.execute(text("DELETE FROM alerts WHERE alert_id = :id"), values)


def _tell(
    answer: Intake, row: AlertRow, stretch: Stretch, known: dict[int, AlertRow], decisions: list[DecisionRow]
) -> None:
    before = [known[one] for one in stretch.alert_ids]
    was_firing = any(one.is_firing for one in before)
    if len(before) > 1:
        answer.merged += len(before) - 1
        lost = {one.incident_id for one in before if one.incident_id is not None} - {row.incident_id}
        if row.incident_id is not None:
            answer.emptied |= dict.fromkeys((one for one in lost if one is not None), row.incident_id)
        decisions.append(DecisionRow(row.alert_id, "merged", "a late event showed that two alerts are one"))
    if not before:
        answer.new.add(row.alert_id)
    if row.is_firing and not was_firing:
        answer.begun.add(row.alert_id)
        if before:
            decisions.append(DecisionRow(row.alert_id, "fires-again", "within five minutes of its end: the same alert"))
    elif not row.is_firing and was_firing:
        answer.ended.add(row.alert_id)
        words = stretch.end.annotations.get("over", "") if stretch.end else ""
        decisions.append(DecisionRow(row.alert_id, "ended", words or "the condition no longer holds"))
    elif not row.is_firing and not before:
        words = "it began and ended before it was looked at: recorded, nobody was told"
        decisions.append(DecisionRow(row.alert_id, "over-before-seen", words))


def _flap(
    connection: Connection,
    answer: Intake,
    folded: Sequence[tuple[str, Stretch]],
    ids: Sequence[int],
    decisions: list[DecisionRow],
    *,
    now: datetime,
    limits: FlappingLimits,
) -> None:
    changes: dict[str, list[datetime]] = {}
    newest: dict[str, int] = {}
    for alert_id, (fingerprint, stretch) in zip(ids, folded, strict=True):
        newest[fingerprint] = alert_id
        changes.setdefault(fingerprint, []).extend(stretch.changed_at)
    concerned = [fingerprint for fingerprint, some in changes.items() if some]
    known = read_flapping(connection, "fingerprint = ANY(:fingerprints)", {"fingerprints": concerned})
    after: dict[str, Flapping] = {}
    for fingerprint in concerned:
        before = known.get(fingerprint, Flapping())
        state = decide_flapping(before, changes[fingerprint], now=now, limits=limits)
        after[fingerprint] = state
        row = answer.rows[newest[fingerprint]]
        if state.is_flapping and not before.is_flapping:
            answer.began_flapping.append(row.alert_id)
            words = f"{len(state.changes)} changes within {limits.within_s / 60:.0f} min: it flaps, and tells nobody until it is quiet"
            decisions.append(DecisionRow(row.alert_id, "flapping", words))
        row.is_flapping = state.is_flapping
    write_flapping(connection, after, now=now)
    flapping = [newest[one] for one, state in after.items() if state.is_flapping]
    if flapping:
        connection.execute(text("UPDATE alerts SET is_flapping = true WHERE alert_id = ANY(:ids)"), {"ids": flapping})


def read_flapping(connection: Connection, where: str, values: dict[str, Any]) -> dict[str, Flapping]:
    """States by fingerprint."""
    rows = connection.execute(
        text(f"SELECT fingerprint, changes, is_flapping, since FROM flapping WHERE {where}"), values
    )
    return {
        row.fingerprint: Flapping(tuple(map(datetime.fromisoformat, row.changes)), row.is_flapping, row.since)
        for row in rows
    }


def write_flapping(connection: Connection, states: dict[str, Flapping], *, now: datetime) -> None:
    """Store states by fingerprint."""
    rows = [
        {"fingerprint": fingerprint, "changes": list(one.changes), "is_flapping": one.is_flapping, "since": one.since}
        for fingerprint, one in states.items()
    ]
    if rows:
        connection.execute(
            text(
                "INSERT INTO flapping (fingerprint, changes, is_flapping, since, updated_at)"
                " SELECT fingerprint, changes, is_flapping, since, :now FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
                " AS r (fingerprint text, changes jsonb, is_flapping boolean, since timestamptz)"
                " ON CONFLICT (fingerprint) DO UPDATE SET changes = excluded.changes, is_flapping = excluded.is_flapping,"
                " since = excluded.since, updated_at = excluded.updated_at"
            ),
            {"rows": as_json(rows), "now": now},
        )
