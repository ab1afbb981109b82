"""The message of a change, shown once on the page after it. Encrypted in a cookie: it may carry a password made a moment ago."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import Literal

from fastapi import Request, Response

from domain.errors import EtlmonError
from resources.encryption import Cipher

COOKIE = "etlmon_flash"
_KEPT_S = 60
_BOUND_TO = "page.flash"
_LONGEST_TEXT = 600


@dataclass(frozen=True, slots=True)
class Flash:
    """What happened. `secret` is shown this one time and nowhere else."""

    title: str
    text: str = ""
    kind: Literal["ok", "warn", "bad", "info"] = "ok"
    secret: str = ""


def write_flash(response: Response, request: Request, flash: Flash, *, cipher: Cipher) -> None:
    """Leave the message for the next page of this browser; it is forgotten after a minute."""
    body = json.dumps({**asdict(flash), "text": flash.text[:_LONGEST_TEXT], "title": flash.title[:_LONGEST_TEXT]})
    value = base64.urlsafe_b64encode(cipher.encrypt(body, bound_to=_BOUND_TO)).decode()
    response.set_cookie(
        COOKIE,
        value,
        max_age=_KEPT_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def read_flash(request: Request, *, cipher: Cipher) -> Flash | None:
    """The message, if there is one that we wrote."""
    given = request.cookies.get(COOKIE, "")
    if not given:
        return None
    try:
        return Flash(**json.loads(cipher.decrypt(base64.urlsafe_b64decode(given), bound_to=_BOUND_TO)))
    except (EtlmonError, ValueError, TypeError):
        return None
