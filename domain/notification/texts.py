"""Every text of every message, from its facts, in one place. A drill says so in each of them.

Facts come from outside (titles of alerts, names of services): they are cleaned of control and direction characters here; each
channel then escapes for its own format. Which channel takes which text is the adapter's business.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from domain.notification.gsm7 import count_segments, is_gsm7, transliterate
from domain.notification.message import Message, MessageKind
from domain.vocabulary import Severity

_HEADINGS = {
    MessageKind.OPENED: "Alert",
    MessageKind.ESCALATED: "Alert, escalated to you",
    MessageKind.UPDATED: "Update",
    MessageKind.ACKNOWLEDGED: "Acknowledged",
    MessageKind.RESOLVED: "Resolved",
    MessageKind.SLA_WARNING: "SLA at risk",
    MessageKind.DETAILS: "Details",
    MessageKind.STORM: "Alert storm",
    MessageKind.AUDIT: "Notification check",
    MessageKind.TEST: "Test message",
}
#: Kinds that somebody shall act on.
ASKING = frozenset(
    {MessageKind.OPENED, MessageKind.ESCALATED, MessageKind.UPDATED, MessageKind.SLA_WARNING, MessageKind.DETAILS}
)
_SMS_SEGMENTS = {True: 3, False: 4}  # by is_gsm7: what is sent of a text in another script is shorter anyway
_SHORTEST_FIELD = 24
_CODE = re.compile(r"INC-(\d{1,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Words:
    """The facts of one message as clean lines; an unknown one is an empty text."""

    kind: MessageKind
    severity: Severity
    is_drill: bool
    code: str
    title: str
    service: str
    impact: str
    summary: str
    detected: str
    state: str
    acknowledged_by: str
    note: str
    dashboard_url: str
    incident_url: str
    ack_url: str
    lines: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """What kind of message it is."""
        by = f" by {self.acknowledged_by}" if self.kind is MessageKind.ACKNOWLEDGED and self.acknowledged_by else ""
        return f"{_HEADINGS[self.kind]}{by}"

    @property
    def badge(self) -> str:
        """`[CRITICAL]`, in a drill `[DRILL] [CRITICAL]`."""
        return f"{'[DRILL] ' if self.is_drill else ''}[{self.severity.value}]"

    @property
    def is_asking(self) -> bool:
        """Whether the reader can still acknowledge."""
        return self.kind in ASKING


def clean(value: object, *, limit: int = 300) -> str:
    """One line without control, format and direction characters, at most `limit` long."""
    text = unicodedata.normalize("NFC", str(value or ""))
    kept = "".join(" " if unicodedata.category(one) in {"Cc", "Zl", "Zp"} else one for one in text)
    kept = "".join(one for one in kept if unicodedata.category(one) not in {"Cf", "Cs", "Co", "Cn"})
    return shorten(" ".join(kept.split()), limit)


def shorten(text: str, limit: int) -> str:
    """The text, or its beginning up to a word with dots behind it."""
    if len(text) <= limit:
        return text
    cut = text[: max(0, limit - 3)]
    at_word = cut.rpartition(" ")[0]
    return f"{at_word if len(at_word) > limit // 2 else cut}..."


def say_instant(value: object) -> str:
    """`2026-01-03 14:23 UTC` of an instant or its ISO text; other texts as they are."""
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return clean(value, limit=40)
    return (at.astimezone(UTC) if at.tzinfo else at).strftime("%Y-%m-%d %H:%M UTC")


def words_of(message: Message) -> Words:
    """The words of a message."""
    return words_of_facts(message.facts, kind=message.kind, severity=message.severity, is_drill=message.is_drill)


def words_of_facts(facts: Mapping[str, Any], *, kind: MessageKind, severity: Severity, is_drill: bool) -> Words:
    """The same from facts alone."""
    lines = facts.get("lines") or ()
    return Words(
        kind=kind,
        severity=severity,
        is_drill=is_drill,
        code=clean(facts.get("code"), limit=24),
        title=clean(facts.get("title"), limit=250),
        service=clean(facts.get("service"), limit=80),
        impact=clean(facts.get("impact"), limit=250),
        summary=clean(facts.get("summary"), limit=1000),
        detected=say_instant(facts["detected_at"]) if facts.get("detected_at") else "",
        state=clean(facts.get("state"), limit=24),
        acknowledged_by=clean(facts.get("acknowledged_by"), limit=80),
        note=_note(facts),
        dashboard_url=_link(facts.get("dashboard_url")),
        incident_url=_link(facts.get("incident_url")),
        ack_url=_link(facts.get("ack_url")),
        lines=tuple(clean(line) for line in (lines if isinstance(lines, list | tuple) else ()))[:50],
    )


def _note(facts: Mapping[str, Any]) -> str:
    """Why it is sent, where that is not plain from its kind."""
    notes = []
    if facts.get("measure") and facts.get("due_at"):
        notes.append(f"target to {clean(facts['measure'], limit=40)} is missed at {say_instant(facts['due_at'])}")
    notes.append(clean(facts.get("note") or facts.get("reason"), limit=400))
    if facts.get("instead_of"):
        notes.append(f"instead of {clean(facts['instead_of'], limit=20)}")
    if facts.get("possibly_repeated"):
        notes.append("you may have got this already")
    return "; ".join(note for note in notes if note)


def _link(value: object) -> str:
    """Only what a browser opens by http; a link is never shortened."""
    text = str(value or "")
    is_link = text.startswith(("https://", "http://")) and len(text) <= 500
    return text if is_link and text.isascii() and text.isprintable() and not re.search(r"[\s<>\"'\\|]", text) else ""


def incident_number(text: str) -> int | None:
    """The number in "INC-12" anywhere in a text; None when there is none."""
    found = _CODE.search(text)
    return int(found[1]) if found else None


def facts_rows(words: Words) -> list[tuple[str, str]]:
    """Label and value of what is known, in the order of the template."""
    rows = [
        ("Service", words.service),
        ("Issue", words.title),
        ("Impact", words.impact),
        ("Time", words.detected),
        ("State", words.state),
        ("Acknowledged by", words.acknowledged_by),
        ("Note", words.note),
    ]
    return [(label, value) for label, value in rows if value]


def render_subject(words: Words) -> str:
    """One line: subject of a mail, title of a page or of a chat message."""
    incident = f"{words.code} " if words.code else ""
    prefix = "" if words.kind in {MessageKind.OPENED, MessageKind.DETAILS} else f"{words.heading}: "
    return shorten(f"{words.badge} {prefix}{incident}{words.title}".strip(), 200)


def render_sms(words: Words) -> str:
    """The template of the proposal. Title and impact give way when it gets long, then the dashboard; never the ACK link."""
    text = _compose_sms(words)
    if not is_gsm7(text):
        plain = transliterate(text)
        text = plain if is_gsm7(plain) else text
    limit = _SMS_SEGMENTS[is_gsm7(text)]
    room = 250
    while count_segments(text) > limit and room > _SHORTEST_FIELD:
        room = max(_SHORTEST_FIELD, room - 25)
        cut = replace(words, title=shorten(words.title, room), impact=shorten(words.impact, room), note="")
        text = _plain_if_possible(_compose_sms(cut))
        if room == _SHORTEST_FIELD and count_segments(text) > limit:
            lines = () if words.ack_url else tuple(shorten(line, 120) for line in words.lines[:1])
            last = replace(cut, dashboard_url="", service=shorten(words.service, 40), lines=lines)
            text = _plain_if_possible(_compose_sms(last))
    return text


def _plain_if_possible(text: str) -> str:
    plain = transliterate(text)
    return plain if is_gsm7(plain) else text


def _compose_sms(words: Words) -> str:
    rows = [
        f"{words.badge} ETL Monitor {words.heading}",
        f"Service: {words.service}" if words.service else "",
        f"Issue: {words.title}" if words.title else "",
        f"Impact: {words.impact}" if words.impact else "",
        f"Time: {words.detected}" if words.detected else "",
        *([f"Note: {words.note}"] if words.note else []),
        *words.lines[:3],
        f"Dashboard: {words.dashboard_url}" if words.dashboard_url else "",
        f"ACK: {words.ack_url}" if words.ack_url and words.is_asking else "",
    ]
    return "\n".join(row for row in rows if row)


def render_call(words: Words) -> list[str]:
    """What the voice says, sentence by sentence, before it waits for a key."""
    drill = ["Drill. This is an exercise, nothing is broken."] if words.is_drill else []
    return [
        *drill,
        f"This is the ETL Monitoring Platform with a {words.severity.value} alert.",
        f"Incident: {words.title or words.heading}",
        f"Affected service: {words.service or 'not known'}",
        f"Detected at: {words.detected or 'not known'}",
    ]


#: The menu after it.
CALL_MENU = "Press 1 to acknowledge, 2 for incident details, 3 to escalate."


def render_plain(words: Words) -> str:
    """The body of a mail as text."""
    drill = ["DRILL: nothing is broken, this is an exercise.", ""] if words.is_drill else []
    rows = [f"{label}: {value}" for label, value in facts_rows(words)]
    links = [
        ("Dashboard", words.dashboard_url),
        ("Incident", words.incident_url),
        ("ACK", words.ack_url if words.is_asking else ""),
    ]
    shown = [f"{label}: {url}" for label, url in links if url]
    body = [f"{words.badge} ETL Monitor {words.heading}", *([words.code] if words.code else []), "", *rows]
    extra = ["", words.summary] if words.summary else []
    lines = ["", *words.lines] if words.lines else []
    return "\n".join([*drill, *body, *extra, *lines, "", *shown]).rstrip() + "\n"
