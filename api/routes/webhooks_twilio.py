"""/api/v1/webhooks/twilio: what Twilio asks and reports during calls and for SMS (H3, H4, E2).

No login: every request bears Twilio's signature over the public address (never over forwarded headers). Answers are TwiML; what
is unknown, late or repeated is answered in a calm sentence.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import SecretStr
from sqlalchemy import Connection
from starlette.datastructures import FormData

from api.access import control_plane, public
from api.inbound import engine_of, responses_of
from api.wire import answers
from domain.errors import NotPermittedError
from domain.notification.addresses import mask_address
from domain.notification.message import Channel, MessageKind
from domain.notification.sms_answer import SmsVerb, parse_sms_answer
from domain.notification.texts import words_of_facts
from domain.vocabulary import Severity
from resources.clock import utc_now
from resources.inbound import voice_script
from resources.inbound.callbacks import read_message, record_failure, record_taken
from resources.inbound.deliveries import handle_once
from resources.inbound.responses import Outcome, Responses
from resources.inbound.signatures import check_twilio
from resources.inbound.text_answers import answer_sms
from resources.json_logs import get_logger
from resources.postgres.engine import transaction

_PREFIX = "/api/v1/webhooks/twilio"
router = APIRouter(prefix=_PREFIX, tags=["webhooks"], default_response_class=Response)

MessageId = Annotated[int, Path(ge=1, le=2**62)]
_UNKNOWN = "This message is not known here."
_NOT_REACHED = {"busy": "busy", "no-answer": "not answered", "failed": "the call failed", "canceled": "cancelled"}
_NOT_SENT = {"undelivered": "not delivered", "failed": "not sent"}
#: Twilio has it; how it ends comes later.
_CALLING = frozenset({"queued", "initiated", "ringing", "in-progress"})
_SENDING = frozenset({"accepted", "scheduled", "queued", "sending", "sent"})
#: Twilio's errors that trying again does not mend.
_FINAL = frozenset({"21211", "21214", "21217", "21610", "21614", "30003", "30004", "30005", "30006", "13223", "13224"})


async def _signed_form(request: Request) -> FormData:
    """The form, once its signature is good.

    Raises:
        NotPermittedError: it is not, or Twilio is not set up.
    """
    settings = control_plane(request).settings
    tokens = [one for one in (settings.twilio_auth_token, settings.twilio_auth_token_old) if isinstance(one, SecretStr)]
    if not tokens or not settings.public_url:
        raise NotPermittedError("Twilio is not set up here", suggestion="set ETLMON_TWILIO_* and ETLMON_PUBLIC_URL")
    query = f"?{request.url.query}" if request.url.query else ""
    form = await request.form()
    url = f"{settings.public_url}{request.url.path}{query}"
    check_twilio(url, form, request.headers.get("x-twilio-signature", ""), tokens=tokens)
    return form


Form = Annotated[FormData, Depends(_signed_form)]
Answering = Annotated[Responses, Depends(responses_of)]


def _field(form: FormData, name: str, limit: int = 200) -> str:
    value = form.get(name, "")
    return value.replace("\x00", "")[:limit] if isinstance(value, str) else ""


def _twiml(text: str) -> Response:
    return Response(text, media_type="application/xml")


def _key_url(message_id: int, turn: int) -> str:
    return f"{_PREFIX}/voice/{message_id}/key?turn={turn}"


@router.post("/voice/{message_id}", responses=answers(200))
@public
def begin_call(request: Request, message_id: MessageId, form: Form, responses: Answering) -> Response:
    """What the call says when somebody picks it up: the alert and its menu."""
    with transaction(engine_of(request)) as connection:
        row = read_message(connection, message_id)
        if row is None or row.channel != Channel.VOICE:
            return _twiml(voice_script.render_farewell(_UNKNOWN))
        return _twiml(_speak(connection, responses, row, turn=1, is_machine=_is_machine(form)))


@router.post("/voice/{message_id}/key", responses=answers(200))
@public
def press_key(
    request: Request,
    message_id: MessageId,
    form: Form,
    responses: Answering,
    turn: Annotated[int, Query(ge=1, le=voice_script.ROUNDS)] = 1,
) -> Response:
    """A key, or silence: 1 acknowledges, 2 sends the details, 3 escalates. The same key of a call counts once."""
    digits, call = _field(form, "Digits", 4), _field(form, "CallSid", 64)
    with transaction(engine_of(request)) as connection:
        row = read_message(connection, message_id)
        if row is None or row.channel != Channel.VOICE or row.incident_id is None:
            return _twiml(voice_script.render_farewell(_UNKNOWN))
        if digits not in {"1", "2", "3"}:
            if turn >= voice_script.ROUNDS:
                return _twiml(voice_script.render_farewell("There was no valid input. Escalation goes on."))
            return _twiml(_speak(connection, responses, row, turn=turn + 1, is_misunderstood=bool(digits)))
        words, _ = handle_once(
            connection,
            "twilio",
            f"{call}:{message_id}:{digits}",
            now=utc_now(),
            act=lambda: _act(connection, responses, row, digits),
        )
    if digits == "2" and turn < voice_script.ROUNDS:
        return _twiml(voice_script.render_again(words, action=_key_url(message_id, turn + 1)))
    return _twiml(voice_script.render_farewell(words))


@router.post("/voice/{message_id}/status", status_code=204, responses=answers(204))
@public
def report_call(request: Request, message_id: MessageId, form: Form, responses: Answering) -> Response:
    """That the call is on its way, and how it ended: not reached means that it is tried again, then that the fallback channel is used."""
    status, sid = _field(form, "CallStatus", 32), _field(form, "CallSid", 64)
    why = _NOT_REACHED.get(status) or ("an answering machine" if _is_machine(form) and status == "completed" else "")
    is_taken = status in _CALLING
    _record(
        request, responses, message_id, sid, why=why, is_taken=is_taken, is_delivered=status == "completed", code=""
    )
    return Response(status_code=204)


@router.post("/sms/{message_id}/status", status_code=204, responses=answers(204))
@public
def report_sms(request: Request, message_id: MessageId, form: Form, responses: Answering) -> Response:
    """That the text is on its way, and whether it arrived."""
    status, sid, code = _field(form, "MessageStatus", 32), _field(form, "MessageSid", 64), _field(form, "ErrorCode", 8)
    why = _NOT_SENT.get(status, "")
    is_taken = status in _SENDING
    _record(
        request, responses, message_id, sid, why=why, is_taken=is_taken, is_delivered=status == "delivered", code=code
    )
    return Response(status_code=204)


@router.post("/sms", responses=answers(200))
@public
def receive_sms(request: Request, form: Form, responses: Answering) -> Response:
    """An SMS to our number: "ACK INC-12", "ESCALATE INC-12", "DETAILS INC-12". Strangers get no answer."""
    sender, sid = _field(form, "From", 32), _field(form, "MessageSid", 64)
    person = responses.person_of(Channel.SMS, sender)
    if person is None:
        get_logger(__name__).warning("an SMS from an unknown number is ignored", sender=mask_address(sender))
        return _twiml(voice_script.render_sms_reply(""))
    asked = parse_sms_answer(_field(form, "Body", 1600))
    if asked.verb is SmsVerb.STOP:  # Twilio answers these itself
        return _twiml(voice_script.render_sms_reply(""))
    with transaction(engine_of(request)) as connection:
        words, is_repeated = handle_once(
            connection,
            "twilio",
            sid or "no-sid",
            now=utc_now(),
            act=lambda: answer_sms(connection, responses, asked, person=person, now=utc_now()),
        )
    return _twiml(voice_script.render_sms_reply("" if is_repeated else words))


def _act(connection: Connection, responses: Responses, row: Any, digits: str) -> str:
    """The sentence after a key."""
    now, incident_id, person = utc_now(), row.incident_id, row.recipient
    if digits == "1":
        answered = responses.acknowledge(connection, incident_id, actor=person, cause="ivr", now=now)
        return "Thank you. " + answered.words if answered.outcome is Outcome.DONE else answered.words
    if digits == "2":
        by = [Channel.SMS, Channel.EMAIL]
        return responses.send_details(connection, incident_id, person=person, cause="ivr", channels=by, now=now).words
    return responses.escalate(connection, incident_id, actor=person, cause="ivr", now=now).words


def _speak(
    connection: Connection,
    responses: Responses,
    row: Any,
    *,
    turn: int,
    is_misunderstood: bool = False,
    is_machine: bool = False,
) -> str:
    """The menu; only the news where nothing can be acknowledged any more, or nobody listens."""
    words = words_of_facts(
        row.payload.get("facts", {}),
        kind=MessageKind(row.kind),
        severity=Severity(row.severity),
        is_drill=row.is_drill,
    )
    if row.incident_id is None:
        return voice_script.render_farewell(*voice_script.render_notice(words))
    stand = responses.look(connection, row.incident_id)
    if stand.outcome is not Outcome.DONE:
        return voice_script.render_farewell("This is the ETL Monitoring Platform.", stand.words)
    if is_machine:
        return voice_script.render_farewell(*voice_script.render_notice(words))
    action = _key_url(row.message_id, turn)
    return voice_script.render_menu(words, action=action, turn=turn, is_misunderstood=is_misunderstood)


def _is_machine(form: FormData) -> bool:
    return _field(form, "AnsweredBy", 32).startswith(("machine", "fax"))


def _record(
    request: Request,
    responses: Responses,
    message_id: int,
    sid: str,
    *,
    why: str,
    is_taken: bool,
    is_delivered: bool,
    code: str,
) -> None:
    with transaction(engine_of(request)) as connection:
        if why:
            reason = f"{why} (error {code})" if code.isdigit() else why
            record_failure(
                connection,
                lambda: responses.rules,
                message_id,
                sid,
                why=reason,
                is_final=code in _FINAL,
                now=utc_now(),
            )
        elif is_taken or is_delivered:
            record_taken(connection, message_id, sid, is_delivered=is_delivered, now=utc_now())
