"""What somebody wrote back by SMS: a verb and an incident. Generous with case, order and punctuation, strict with the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_VERB = re.compile(
    r"\b(ack|acknowledge|acknowledged|ok|escalate|details|detail|info|stop|unstop|start|help)\b", re.IGNORECASE
)
_NUMBER = re.compile(r"\b(?:inc[\s-]*)?(\d{1,18})\b", re.IGNORECASE)


class SmsVerb(StrEnum):
    """What is wanted."""

    ACKNOWLEDGE = "acknowledge"
    ESCALATE = "escalate"
    DETAILS = "details"
    STOP = "stop"
    UNKNOWN = "unknown"


_VERBS = {
    **dict.fromkeys(("ack", "acknowledge", "acknowledged", "ok"), SmsVerb.ACKNOWLEDGE),
    "escalate": SmsVerb.ESCALATE,
    **dict.fromkeys(("details", "detail", "info"), SmsVerb.DETAILS),
    **dict.fromkeys(("stop", "unstop", "start", "help"), SmsVerb.STOP),
}


@dataclass(frozen=True, slots=True)
class SmsAnswer:
    """`incident_id` is None where none is named; `is_ambiguous` where several are, or several verbs."""

    verb: SmsVerb
    incident_id: int | None
    is_ambiguous: bool = False


def parse_sms_answer(body: str) -> SmsAnswer:
    """The verb and the incident of a short answer; a long text is no answer."""
    text = " ".join(body.split())
    if len(text) > 80:
        return SmsAnswer(SmsVerb.UNKNOWN, None)
    verbs = {_VERBS[found.lower()] for found in _VERB.findall(text)}
    numbers = {int(found) for found in _NUMBER.findall(text)}
    number = next(iter(numbers)) if len(numbers) == 1 else None
    if len(verbs) != 1 or len(numbers) > 1:
        return SmsAnswer(SmsVerb.UNKNOWN, number, is_ambiguous=len(verbs) > 1 or len(numbers) > 1)
    return SmsAnswer(verbs.pop(), number)
