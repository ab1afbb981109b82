"""SMS by AWS SNS (H4): `Publish` of its Query API to a phone number. Also the way round a Twilio that takes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from domain.errors import CircuitOpenError, EtlmonError
from domain.notification.addresses import check_phone
from domain.notification.message import DeliveryDelayedError, DeliveryRefusedError, Message, Receipt
from domain.notification.texts import render_sms, words_of
from domain.ports import MessageChannel, SearchableChannel
from resources.aws_signature import AwsCredentials, sign_post
from resources.clock import utc_now
from resources.delivery_http import DeliveryHttp, Provider, unreadable
from resources.json_logs import get_logger

_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_MESSAGE_ID = re.compile(rb"<MessageId>([0-9A-Za-z-]{1,100})</MessageId>")


@dataclass(frozen=True, slots=True)
class SnsAccount:
    """Where and as whom."""

    region: str
    credentials: AwsCredentials
    base_url: str = ""
    timeout_s: float = 10.0


class SmsSns:
    """A `MessageChannel`."""

    def __init__(self, account: SnsAccount, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._account = account
        self._clock = clock
        base = account.base_url or f"https://sns.{account.region}.amazonaws.com"
        self._http = DeliveryHttp(Provider("sns", base.rstrip("/"), account.timeout_s))

    def send(self, message: Message) -> Receipt:
        """Publish as a transactional message."""
        number = check_phone(message.address)
        form = {
            "Action": "Publish",
            "Version": "2010-03-31",
            "PhoneNumber": number,
            "Message": render_sms(words_of(message)),
            "MessageAttributes.entry.1.Name": "AWS.SNS.SMS.SMSType",
            "MessageAttributes.entry.1.Value.DataType": "String",
            "MessageAttributes.entry.1.Value.StringValue": "Transactional",
        }
        body = urlencode(form).encode()
        url = f"{self._http.provider.base_url}/"
        headers = sign_post(
            url,
            body,
            credentials=self._account.credentials,
            region=self._account.region,
            service="sns",
            content_type=_FORM,
            at=self._clock(),
        )
        try:
            reply = self._http.post("/", body, headers=headers)
        except DeliveryRefusedError as error:
            if "Throttl" in error.reason:  # AWS says it with status 400
                raise DeliveryDelayedError(
                    error.reason, suggestion="it is tried again", provider="sns", is_certain=True
                ) from None
            raise
        found = _MESSAGE_ID.search(reply.body)
        if found is None:
            raise unreadable(self._http.provider, reply.status)
        return Receipt(found[1].decode())


class SmsWithSecond:
    """Two providers: the second one takes what the first certainly did not. What may have gone out is never sent twice."""

    def __init__(self, first: MessageChannel, second: MessageChannel) -> None:
        self._first = first
        self._second = second

    def send(self, message: Message) -> Receipt:
        """By the first, else by the second; the first one's error when both fail."""
        try:
            return self._first.send(message)
        except (DeliveryDelayedError, CircuitOpenError) as error:
            if not (isinstance(error, CircuitOpenError) or error.context.get("is_certain")):
                raise
            get_logger(__name__).warning("the second SMS provider takes over", error=error)
            try:
                return self._second.send(message)
            except EtlmonError:
                raise error from None

    def find(self, message: Message) -> Receipt | None:
        """See `SearchableChannel`: at each provider that can be asked."""
        asked = (one for one in (self._first, self._second) if isinstance(one, SearchableChannel))
        return next((found for one in asked if (found := one.find(message))), None)
