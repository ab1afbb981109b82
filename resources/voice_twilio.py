"""Telephone calls by Twilio Voice (H3). What is said and what a key does is answered by our webhooks, which Twilio asks."""

from __future__ import annotations

from domain.errors import ConfigurationError
from domain.notification.addresses import check_phone
from domain.notification.message import Message, Receipt
from resources.twilio_door import TwilioAccount, TwilioDoor

#: Ring that long, then it counts as not answered.
_RING_S = 30
#: "initiated" tells a worker that lost the answer that Twilio has the call.
_EVENTS = ["initiated", "answered", "completed"]


class VoiceTwilio:
    """A `MessageChannel`."""

    def __init__(self, account: TwilioAccount) -> None:
        if not account.public_url:
            raise ConfigurationError(
                "calls need an address under which Twilio reaches this API",
                suggestion="set ETLMON_PUBLIC_URL to the https address of this server",
                variable="ETLMON_PUBLIC_URL",
            )
        self._door = TwilioDoor(account)

    def send(self, message: Message) -> Receipt:
        """Start the call; how it ends comes by the status callback."""
        number = check_phone(message.address)
        call = self._door.request(
            lambda client: (
                client.calls.create(
                    to=number,
                    from_=self._door.account.from_number,
                    url=self._door.callback(f"voice/{message.message_id}"),
                    method="POST",
                    status_callback=self._door.callback(f"voice/{message.message_id}/status"),
                    status_callback_method="POST",
                    status_callback_event=_EVENTS,
                    machine_detection="Enable",
                    timeout=_RING_S,
                ).sid
            )
        )
        return Receipt(str(call))
