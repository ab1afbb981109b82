"""Answers by SMS: from a parsed text to what is done, and the sentence that goes back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from domain.incidents.view import incident_code
from domain.notification.message import Channel
from domain.notification.sms_answer import SmsAnswer, SmsVerb
from resources.inbound.responses import Responses

_HOW = "Answer ACK, DETAILS or ESCALATE with the incident, like: ACK INC-12"


def answer_sms(connection: Connection, responses: Responses, asked: SmsAnswer, *, person: str, now: datetime) -> str:
    """Do what is asked. Without a number it is the one open incident that this person was told of by SMS."""
    if asked.verb is SmsVerb.UNKNOWN:
        return _HOW
    incident_id = asked.incident_id
    if incident_id is None:
        open_ones = _told_of(connection, person)
        if len(open_ones) != 1:
            codes = ", ".join(incident_code(one) for one in open_ones[:5])
            return f"Which one? {codes}. {_HOW}" if codes else f"There is no open incident of yours. {_HOW}"
        incident_id = open_ones[0]
    if asked.verb is SmsVerb.ACKNOWLEDGE:
        return responses.acknowledge(connection, incident_id, actor=person, cause="sms", now=now).words
    if asked.verb is SmsVerb.ESCALATE:
        return responses.escalate(connection, incident_id, actor=person, cause="sms", now=now).words
    by = [Channel.SMS, Channel.EMAIL]
    return responses.send_details(connection, incident_id, person=person, cause="sms", channels=by, now=now).words


def _told_of(connection: Connection, person: str) -> list[int]:
    rows = connection.execute(
        text(
            "SELECT DISTINCT o.incident_id FROM outbox AS o JOIN incidents AS i USING (incident_id) WHERE o.recipient = :person"
            " AND o.channel = 'sms' AND o.state IN ('SENT', 'DELIVERED') AND i.state = 'OPEN' ORDER BY o.incident_id DESC"
        ),
        {"person": person},
    ).scalars()
    return list(rows)
