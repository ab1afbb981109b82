"""The auditor: says "nobody would be paged now" before it happens. Its findings go to `etlmon doctor`, the API, and into alerts.

It looks at rules, schedules with overrides for the coming 14 days, rotas of others, channels with their breakers and last tests,
dead letters, and whether what is due goes out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.platform_events import platform_event
from domain.notification.message import Channel
from domain.notification.on_call import Shift, list_gaps
from domain.notification.readiness import (
    Weakness,
    find_missing_addresses,
    find_silences,
    first_line_schedules,
    rate_gap,
    tier_channels,
)
from domain.vocabulary import Severity
from resources.notification.on_call import on_call_lookup, read_overrides
from resources.notification.rota_marks import read_rota_marks
from resources.notification.rule_store import LoadedRules

AHEAD = timedelta(days=14)
_SILENT_AFTER = timedelta(seconds=180)
_STALE_ROTA = timedelta(hours=2)
_MARKS = text("SELECT name, evaluated_until FROM detection_marks WHERE name IN ('delivery', 'escalation')")
_WAITING = text(
    "SELECT 'delivery' AS name, count(*) AS waiting, min(due_at) AS since FROM outbox WHERE state = 'PENDING' AND due_at <= :late"
    " AND coalesce(locked_until, due_at) <= :now AND channel <> 'jira' HAVING count(*) > 0"
    " UNION ALL SELECT 'escalation', count(*), min(due_at) FROM escalations WHERE due_at <= :late HAVING count(*) > 0"
)
RULE_ID = "notification-auditor"


def audit_notification(
    connection: Connection, loaded: LoadedRules, channels: Collection[Channel], *, now: datetime
) -> list[Weakness]:
    """Everything that is or will be in the way, silences first. `channels` are those with an adapter. Empty: all is well."""
    found = [*_audit(connection, loaded, channels, now)]
    return sorted(found, key=lambda one: not one.is_silence)


def usable_channels(connection: Connection, channels: Collection[Channel]) -> set[Channel]:
    """Those of the channels whose breaker is not open."""
    return set(channels) - set(_open_breakers(connection))


def events_of(connection: Connection, weaknesses: Sequence[Weakness], *, now: datetime) -> list[AlertEvent]:
    """One alert per urgency, about everything of that urgency; what fired before and is mended is over.

    All of them are about the service etlmon, and so one incident.
    """
    by_urgency: dict[Severity, list[Weakness]] = {}
    for one in weaknesses:
        if one.urgency is not None:
            by_urgency.setdefault(one.urgency, []).append(one)
    firing = [_event(urgency, some, now=now) for urgency, some in by_urgency.items()]
    names = {event.fingerprint for event in firing}
    before = connection.execute(
        text(
            "SELECT fingerprint, title, summary, severity, labels FROM alerts WHERE rule_id = :rule AND status = 'FIRING' AND NOT is_drill"
        ),
        {"rule": RULE_ID},
    ).all()
    over = [
        platform_event(
            RULE_ID,
            row.title,
            row.summary,
            at=now,
            status=AlertStatus.RESOLVED,
            severity=Severity(row.severity),
            labels=row.labels,
        )
        for row in before
        if row.fingerprint not in names
    ]
    return [*firing, *over]


def _event(urgency: Severity, some: Sequence[Weakness], *, now: datetime) -> AlertEvent:
    more = f" (and {len(some) - 1} more)" if len(some) > 1 else ""
    others = [f"Also: {one.detail}." for one in some[1:]]
    return platform_event(
        RULE_ID,
        f"{some[0].detail}{more}",
        " ".join([f"{some[0].remedy}.", *others]),
        at=now,
        severity=urgency,
        labels={"component": "notification", "urgency": urgency.value},
    )


def _audit(
    connection: Connection, loaded: LoadedRules, channels: Collection[Channel], now: datetime
) -> Iterator[Weakness]:
    rules = loaded.rules
    for words in loaded.problems:
        yield Weakness("rules", f"rules are broken, the last good ones are in force: {words}", "correct the file")
    for words in rules.list_dangling():
        yield Weakness(f"dangling:{words}", words, "correct the name under rules/notification")
    usable = usable_channels(connection, channels)
    yield from find_silences(rules, on_call_lookup(connection, rules, now=now), usable)
    yield from find_missing_addresses(rules)
    yield from _gaps(connection, loaded, now)
    yield from _rotas(connection, loaded, now)
    yield from _channels(connection, tier_channels(rules), channels)
    yield from _machinery(connection, now)


def _gaps(connection: Connection, loaded: LoadedRules, now: datetime) -> Iterator[Weakness]:
    overrides = read_overrides(connection, start=now, end=now + AHEAD)
    first_line = first_line_schedules(loaded.rules)
    for name, schedule in loaded.rules.schedules.items():
        own = [one for one in overrides if one.schedule == name]
        gaps: list[Shift] = list_gaps(schedule, now, now + AHEAD, overrides=own)
        if gaps:
            first = gaps[0]
            hours = sum((gap.ends_at - gap.starts_at).total_seconds() for gap in gaps) / 3600
            when = "now" if first.starts_at <= now else f"from {first.starts_at:%Y-%m-%d %H:%M} UTC"
            yield Weakness(
                f"gap:{name}",
                f"schedule {name} has nobody {when} until {first.ends_at:%Y-%m-%d %H:%M} UTC;"
                f" {hours:.0f} h without anybody in the coming 14 days",
                f"add a layer, or `etlmon on-call override {name} PERSON --from … --to …`; the manager is told meanwhile",
                severity=rate_gap(first.starts_at, now=now, is_first_line=name in first_line),
            )


def _rotas(connection: Connection, loaded: LoadedRules, now: datetime) -> Iterator[Weakness]:
    """Rotas of others that have not been read for long: what was read last stays in force."""
    marks = read_rota_marks(connection)
    for name, schedule in loaded.rules.schedules.items():
        known = marks.get(name)
        if schedule.external is None or known is None or now - known.at <= _STALE_ROTA:
            continue
        since = f"since {known.at:%Y-%m-%d %H:%M} UTC" if known.is_good else "yet"
        yield Weakness(
            f"rota:{name}",
            f"the rota of {name} in {schedule.external.system.value} could not be read {since}: {known.problem}",
            "check connection and token, then `etlmon on-call import`; the shifts read last stay, then our own layers decide",
        )


def _channels(connection: Connection, used: Sequence[Channel], channels: Collection[Channel]) -> Iterator[Weakness]:
    for channel in used:
        if channel not in channels:
            yield Weakness(
                f"channel:{channel.value}",
                f"{channel.value} is used by the tiers and not set up",
                "set it up (README, variables), or take it out of rules/notification/tiers.yaml",
                severity=Severity.LOW,
            )
    for channel in _open_breakers(connection):
        yield Weakness(
            f"breaker:{channel.value}",
            f"{channel.value} failed too often: its circuit breaker is open",
            "look at the provider; `etlmon notify dead` lists what it refused",
        )
    failed = connection.execute(
        text(
            "SELECT DISTINCT ON (channel) channel, state, last_error FROM outbox WHERE kind = 'test' ORDER BY channel, message_id DESC"
        )
    ).all()
    for row in failed:
        if row.state == "DEAD":
            yield Weakness(
                f"test:{row.channel}",
                f"the last test of {row.channel} failed: {row.last_error}",
                f"mend it, then `etlmon notify test {row.channel}`",
            )


def _machinery(connection: Connection, now: datetime) -> Iterator[Weakness]:
    dead = connection.execute(text("SELECT count(*) FROM outbox WHERE state = 'DEAD'")).scalar_one()
    if dead:
        words = f"{dead} dead letters wait" if dead > 1 else "a dead letter waits"
        yield Weakness("dead-letters", words, "`etlmon notify dead` lists them, `etlmon notify replay ID` sends again")
    values = {"late": now - _SILENT_AFTER, "now": now}
    marks = dict(connection.execute(_MARKS).tuples().all())
    for row in connection.execute(_WAITING, values):
        last = marks.get(row.name)
        words = f"{row.waiting} wait since {row.since:%Y-%m-%d %H:%M:%S} UTC"
        if last is None or now - last > _SILENT_AFTER:
            yield Weakness(
                f"machinery:{row.name}",
                f"{row.name} does not run: {words}",
                "is `etlmon up` running? Look at its sensors in the Dagster UI",
                is_silence=True,
            )
        else:
            yield Weakness(
                f"queue:{row.name}",
                f"{row.name} does not keep up: {words}",
                "`etlmon notify list --state PENDING` shows what waits; per_minute of a channel may be too low",
                severity=Severity.HIGH,
            )


def _open_breakers(connection: Connection) -> list[Channel]:
    rows = connection.execute(
        text("SELECT name FROM circuit_breakers WHERE state = 'OPEN' AND name LIKE 'channel %' ORDER BY name")
    ).scalars()
    names = [str(name).removeprefix("channel ") for name in rows]
    return [Channel(name) for name in names if name in set(Channel)]
