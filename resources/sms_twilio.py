"""SMS by Twilio (H4)."""

from __future__ import annotations

from domain.notification.addresses import check_phone
from domain.notification.message import Message, Receipt
from domain.notification.texts import render_sms, words_of
from resources.twilio_door import TwilioAccount, TwilioDoor


class SmsTwilio:
    """A `MessageChannel`."""

    def __init__(self, account: TwilioAccount) -> None:
        self._door = TwilioDoor(account)

    def send(self, message: Message) -> Receipt:
        """Hand the text over; whether it arrived comes by the status callback."""
        number = check_phone(message.address)
        callback = self._door.callback(f"sms/{message.message_id}/status")
        sid = self._door.create(
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
