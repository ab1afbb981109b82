"""SMS by Twilio (H4)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from domain.notification.addresses import check_phone
from domain.notification.message import Message, Receipt
from domain.notification.texts import render_sms, words_of
from resources.twilio_door import TwilioAccount, TwilioDoor

#: How many of the newest texts to a number are looked through, and how far Twilio's clock may be behind ours.
_LOOKED_AT, _SKEW = 50, timedelta(seconds=30)
#: The link that acknowledges is signed anew at each try; the one to the dashboard names the incident.
_ACK_LINK = re.compile(r"https?://\S+/ack/\S+")
_NEVER_SENT = frozenset({"failed", "undelivered", "canceled"})


class SmsTwilio:
    """A `SearchableChannel`."""

    def __init__(self, account: TwilioAccount) -> None:
        self._door = TwilioDoor(account)

    def send(self, message: Message) -> Receipt:
        """Hand the text over; whether it arrived comes by the status callback."""
        number = check_phone(message.address)
        callback = self._door.callback(f"sms/{message.message_id}/status")
        sid = self._door.request(
            lambda client: (
                client.messages.create(
                    to=number,
                    from_=self._door.account.from_number,
                    body=render_sms(words_of(message)),
                    **({"status_callback": callback} if callback else {}),
                ).sid
            )
        )
        return Receipt(str(sid))

    def find(self, message: Message) -> Receipt | None:
        """A text to that number with the same words since the message was written."""
        number, facts = check_phone(message.address), {**message.facts, "possibly_repeated": False}
        words, since = (
            _without_ack_link(render_sms(words_of(replace(message, facts=facts)))),
            message.created_at - _SKEW,
        )
        newest = self._door.request(
            lambda client: client.messages.list(to=number, from_=self._door.account.from_number, limit=_LOOKED_AT)
        )
        for one in newest:
            is_of_then = one.date_created is not None and one.date_created >= since
            if is_of_then and one.status not in _NEVER_SENT and words in _without_ack_link(one.body or ""):
                return Receipt(str(one.sid))
        return None


def _without_ack_link(text: str) -> str:
    return _ACK_LINK.sub("", text)
