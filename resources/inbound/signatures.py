"""Who really sent a webhook: the signatures of Twilio, Slack and Jira, checked over what arrived and the address we are known by."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from domain.errors import NotPermittedError

#: Older or newer requests of Slack are refused.
SLACK_WINDOW_S = 300


def check_twilio(url: str, form: Mapping[str, Any], signature: str, *, tokens: list[SecretStr]) -> None:
    """Under the present auth token, or the former one during a rotation.

    Raises:
        NotPermittedError: missing or wrong. Which, the answer does not say.
    """
    from twilio.request_validator import RequestValidator

    given = signature.encode("ascii", "replace").decode()
    is_good = [RequestValidator(token.get_secret_value()).validate(url, form, given) for token in tokens]
    if not given or not any(is_good):
        raise NotPermittedError(
            "the signature of this webhook is not good",
            suggestion="ETLMON_PUBLIC_URL must be exactly the address Twilio calls, ETLMON_TWILIO_AUTH_TOKEN its token",
        )


def check_slack(body: bytes, *, timestamp: str, signature: str, secret: SecretStr | None, now: datetime) -> None:
    """Slack's signature v0 within five minutes.

    Raises:
        NotPermittedError: missing, wrong or too old.
    """
    is_timely = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12
    is_timely = is_timely and abs(int(timestamp) - now.timestamp()) <= SLACK_WINDOW_S
    expected = sign_slack(body, timestamp=timestamp, secret=secret.get_secret_value()) if secret else ""
    if not (is_timely and expected and hmac.compare_digest(expected.encode(), signature.encode())):
        raise NotPermittedError(
            "the signature of this request is not good",
            suggestion="ETLMON_SLACK_SIGNING_SECRET must be the signing secret of the app, and the clocks must agree",
        )


def sign_slack(body: bytes, *, timestamp: str, secret: str) -> str:
    """`v0=` and the HMAC-SHA256 over "v0:timestamp:body"."""
    return f"v0={hmac.new(secret.encode(), b'v0:' + timestamp.encode() + b':' + body, hashlib.sha256).hexdigest()}"


def check_jira(body: bytes, *, signature: str, secret: SecretStr | None) -> None:
    """Jira's `sha256=` and the HMAC-SHA256 over the body, as WebSub has it.

    Raises:
        NotPermittedError: missing or wrong, or no secret is set.
    """
    expected = hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest() if secret else ""
    if not (expected and hmac.compare_digest(f"sha256={expected}".encode(), signature.encode())):
        raise NotPermittedError(
            "the signature of this webhook is not good",
            suggestion="ETLMON_JIRA_WEBHOOK_SECRET must be the secret of the webhook in Jira",
        )
