"""The auditor: says "nobody would be paged now" before it happens. Its findings go to `etlmon doctor`, the API, and into alerts.

It looks at rules, schedules with overrides for the coming 14 days, channels with their breakers and last tests, dead letters,
and whether delivery and escalation have run lately.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus, Category
from domain.notification.message import Channel
from domain.notification.on_call import Shift, list_gaps
from domain.notification.readiness import Weakness, find_missing_addresses, find_silences, tier_channels
from domain.vocabulary import Severity
from resources.notification.on_call import on_call_lookup, read_overrides
from resources.notification.rule_store import LoadedRules

AHEAD = timedelta(days=14)
_SILENT_AFTER_S = 180
RULE_ID = "notification-auditor"


def audit_notification(
    connection: Connection, loaded: LoadedRules, channels: Collection[Channel], *, now: datetime
) -> list[Weakness]:
    """Everything that is or will be in the way, silences first. `channels` are those with an adapter. Empty: all is well."""
    found = [*_audit(connection, loaded, channels, now)]
    return sorted(found, key=lambda one: not one.is_silence)


def events_of(connection: Connection, weaknesses: Sequence[Weakness], *, now: datetime) -> list[AlertEvent]:
    """Alert events for the alert desk: what is found fires, what fired before and is not found any more is resolved."""
    firing = {f"{RULE_ID}:{one.subject}": one for one in weaknesses}
    before = connection.execute(
        text(
            "SELECT fingerprint, title, summary, severity, onset_at FROM alerts WHERE rule_id = :rule AND status = 'FIRING'"
        ),
        {"rule": RULE_ID},
    ).all()
    events = [
        _event(name, status=AlertStatus.FIRING, title=one.detail, summary=one.remedy, severity=_severity(one), now=now)
        for name, one in firing.items()
    ]
    return [
        *events,
        *(
            _event(
                row.fingerprint,
                status=AlertStatus.RESOLVED,
                title=row.title,
                summary=row.summary,
                severity=Severity(row.severity),
                now=now,
            )
            for row in before
            if row.fingerprint not in firing
        ),
    ]


def _severity(one: Weakness) -> Severity:
    return Severity.CRITICAL if one.is_silence else Severity.MEDIUM


def _event(
    name: str, *, status: AlertStatus, title: str, summary: str, severity: Severity, now: datetime
) -> AlertEvent:
    return AlertEvent(
        fingerprint=name,
        status=status,
        at=now,
        onset_at=now,
        fired_at=now,
        source=AlertSource.PLATFORM,
        rule_id=RULE_ID,
        title=title,
        summary=summary,
        severity=severity,
        category=Category.PLATFORM,
        labels={"service": "etlmon", "component": "notification", "subject": name.removeprefix(f"{RULE_ID}:")},
    )


def _audit(
    connection: Connection, loaded: LoadedRules, channels: Collection[Channel], now: datetime
) -> Iterator[Weakness]:
    rules = loaded.rules
    for words in loaded.problems:
        yield Weakness("rules", f"rules are broken, the last good ones are in force: {words}", "correct the file")
    for words in rules.list_dangling():
        yield Weakness(f"dangling:{words}", words, "correct the name under rules/notification")
    closed = {channel for channel in channels if channel not in set(_open_breakers(connection))}
    yield from find_silences(rules, on_call_lookup(connection, rules, now=now), closed)
    yield from find_missing_addresses(rules)
    yield from _gaps(connection, loaded, now)
    yield from _channels(connection, tier_channels(rules), channels)
    yield from _machinery(connection, now)


def _gaps(connection: Connection, loaded: LoadedRules, now: datetime) -> Iterator[Weakness]:
    overrides = read_overrides(connection, start=now, end=now + AHEAD)
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
            )


def _channels(connection: Connection, used: Sequence[Channel], channels: Collection[Channel]) -> Iterator[Weakness]:
    for channel in used:
        if channel not in channels:
            yield Weakness(
                f"channel:{channel.value}",
                f"{channel.value} is used by the tiers and not set up",
                "set it up (README, variables), or take it out of rules/notification/tiers.yaml",
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
    marks = dict(
        connection.execute(
            text("SELECT name, evaluated_until FROM detection_marks WHERE name IN ('delivery', 'escalation')")
        )
        .tuples()
        .all()
    )
    for name in ("delivery", "escalation"):
        last = marks.get(name)
        if last is None or (now - last).total_seconds() > _SILENT_AFTER_S:
            since = f"since {last:%Y-%m-%d %H:%M:%S} UTC" if last else "ever"
            yield Weakness(
                f"machinery:{name}",
                f"{name} has not run {since}: messages wait",
                "is `etlmon up` running? Look at its sensors in the Dagster UI",
                is_silence=True,
            )


def _open_breakers(connection: Connection) -> list[Channel]:
    rows = connection.execute(
        text("SELECT name FROM circuit_breakers WHERE state = 'OPEN' AND name LIKE 'channel %' ORDER BY name")
    ).scalars()
    names = [str(name).removeprefix("channel ") for name in rows]
    return [Channel(name) for name in names if name in set(Channel)]
