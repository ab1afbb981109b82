"""The call of the proposal as TwiML (H3): what is said, which keys do what, what happens without one. Twilio's library escapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.notification.texts import CALL_MENU, Words, render_call

if TYPE_CHECKING:
    from twilio.twiml.voice_response import VoiceResponse

#: The first time, and twice more.
ROUNDS = 3
_WAIT_S = 8
_LANGUAGE = "en-US"


def render_menu(words: Words, *, action: str, turn: int, is_misunderstood: bool = False) -> str:
    """The alert and its menu; silence is reported too, so that the call never just ends."""
    response = _open()
    gather = response.gather(
        num_digits=1, action=action, method="POST", timeout=_WAIT_S, action_on_empty_result=True, finish_on_key=""
    )
    if turn > 1:
        gather.say("That is not one of the choices." if is_misunderstood else "There was no input.", language=_LANGUAGE)
    for line in render_call(words):
        gather.say(line, language=_LANGUAGE)
        gather.pause(length=1)
    gather.say(CALL_MENU, language=_LANGUAGE)
    return str(response)


def render_farewell(*lines: str) -> str:
    """Say it, and hang up."""
    response = _open()
    for line in (*lines, "Goodbye."):
        response.say(line, language=_LANGUAGE)
    response.hangup()
    return str(response)


def render_again(line: str, *, action: str) -> str:
    """Say it and wait for another key: after the details one may still acknowledge."""
    response = _open()
    gather = response.gather(
        num_digits=1, action=action, method="POST", timeout=_WAIT_S, action_on_empty_result=True, finish_on_key=""
    )
    gather.say(line, language=_LANGUAGE)
    gather.say("Press 1 to acknowledge, 3 to escalate.", language=_LANGUAGE)
    return str(response)


def render_notice(words: Words) -> list[str]:
    """The alert without its menu: for an answering machine, and for what is no incident."""
    return [*render_call(words), *words.lines[:5]]


def render_sms_reply(text: str) -> str:
    """An SMS back to the sender; empty: none."""
    from twilio.twiml.messaging_response import MessagingResponse

    response = MessagingResponse()
    if text:
        response.message(text)
    return str(response)


def _open() -> VoiceResponse:
    from twilio.twiml.voice_response import VoiceResponse

    return VoiceResponse()
