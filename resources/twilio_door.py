"""The one way to Twilio: its official client with our base address, one try, its errors in our tree."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests
from pydantic import SecretStr
from requests.structures import CaseInsensitiveDict

from domain.errors import SourceFailedError
from domain.notification.message import DeliveryRefusedError
from resources import tracing
from resources.breakers import guard
from resources.clock import utc_now
from resources.delivery_http import Provider, parse_retry_after, refuse, translated, unreadable
from resources.http_failures import redact_url, translate_transport_failure
from resources.outgoing_http import correlation_headers

if TYPE_CHECKING:
    from twilio.rest import Client

T = TypeVar("T")
_URL = "https://api.twilio.com"
#: Twilio's numbers for recipients that cannot be reached this way at all.
_NOBODY = {
    21211: "the number is not valid",
    21214: "the number cannot be reached",
    21217: "the number is not valid",
    21408: "sending to that country is not enabled in the account",
    21610: "the recipient has unsubscribed by STOP",
    21612: "there is no route to that number",
    21614: "the number is no mobile",
    13223: "the number is not valid",
    13224: "the number is not valid",
}


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Credentials and our number. `public_url` is how Twilio reaches our webhooks; voice needs it, SMS reports more with it."""

    account_sid: str
    auth_token: SecretStr
    from_number: str
    public_url: str | None = None
    base_url: str = _URL
    timeout_s: float = 10.0


class TwilioDoor:
    """Calls of the client, translated."""

    def __init__(self, account: TwilioAccount) -> None:
        self.account = account
        self._provider = Provider("twilio", account.base_url, account.timeout_s)
        self._client: Client | None = None

    def callback(self, path: str) -> str:
        """The public address of one of our webhooks; empty without a public address."""
        return f"{self.account.public_url}/api/v1/webhooks/twilio/{path}" if self.account.public_url else ""

    def request(self, call: Callable[[Client], T]) -> T:
        """One request.

        Raises:
            DeliveryRefusedError, DeliveryDelayedError: see `delivery_http`.
        """
        from twilio.base.exceptions import TwilioException, TwilioRestException

        with translated(self._provider), guard(self._provider.breaker):
            try:
                return call(self._open())
            except TwilioRestException as error:
                headers = _last_headers(self._client)
                if error.status >= 500:
                    raise SourceFailedError(
                        f"HTTP {error.status}: {error.msg}",
                        suggestion="wait",
                        retry_after_s=parse_retry_after(headers.get("Retry-After"), now=utc_now()),
                    ) from None
                self._refuse(error.status, error.code, error.msg, headers)
                raise AssertionError from None
            except (TwilioException, ValueError, KeyError, TypeError, AttributeError):
                raise unreadable(self._provider, 200) from None
            except requests.RequestException as error:
                raise translate_transport_failure(
                    error, self.account.base_url, timeout_s=self.account.timeout_s
                ) from None

    def _refuse(self, status: int, code: int | None, words: str, headers: Mapping[str, str]) -> None:
        if code in _NOBODY:
            raise DeliveryRefusedError(
                f"Twilio cannot reach this recipient: {_NOBODY[code]} (error {code})",
                suggestion="correct the number of this person; the fallback channel is used",
                provider="twilio",
                code=code,
            )
        refuse(self._provider, status, f"error {code}: {words}" if code else words, headers=headers)

    def _open(self) -> Client:
        if self._client is None:
            from twilio.rest import Client

            account = self.account
            self._client = Client(
                account.account_sid, account.auth_token.get_secret_value(), http_client=_http_client(account)
            )
        return self._client


def _last_headers(client: Client | None) -> Mapping[str, str]:
    answer = getattr(getattr(client, "http_client", None), "_test_only_last_response", None)
    return CaseInsensitiveDict(getattr(answer, "headers", None) or {})


def _http_client(account: TwilioAccount) -> Any:
    """Twilio's transport with another base address, our correlation id, no proxies of the environment, and a logger that says nothing."""
    from twilio.http.http_client import TwilioHttpClient

    base = urlsplit(account.base_url)
    silent = logging.getLogger(f"{__name__}.silent")  # it would log numbers and texts
    silent.disabled = True

    class Redirected(TwilioHttpClient):  # type: ignore[misc]
        def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
            asked = urlsplit(url)
            path = base.path.rstrip("/") + asked.path
            where = urlunsplit((base.scheme, base.netloc, path, "", ""))
            with tracing.span(method, kind="client", http__request__method=method, url__full=redact_url(where)) as span:
                options["headers"] = {**correlation_headers(), **(options.get("headers") or {})}
                answer = super().request(
                    method, urlunsplit((base.scheme, base.netloc, path, asked.query, "")), *args, **options
                )
                span.note(http__response__status_code=answer.status_code)
                return answer

    client = Redirected(timeout=account.timeout_s, max_retries=0, logger=silent)
    if client.session is not None:
        client.session.trust_env = False
    return client
