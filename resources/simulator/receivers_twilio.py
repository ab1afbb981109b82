"""A Twilio of our own: takes calls and SMS as the official client sends them, fetches our TwiML with a good signature, presses keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urljoin

import requests

from resources.simulator.process_log import write_log
from resources.simulator.received import CallScript, ReceivedBook

_TIMEOUT_S = 10
_STEPS = 10
_PHONE = re.compile(r"^\+[1-9][0-9]{6,14}$")


def sign_twilio(token: str, url: str, form: dict[str, str]) -> str:
    """X-Twilio-Signature as the documentation describes it."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


class FakeTwilio:
    """Account and numbers are whatever the caller uses; `auth_token` signs what it sends to us."""

    def __init__(self, book: ReceivedBook, *, auth_token: str) -> None:
        self._book = book
        self._auth_token = auth_token
        self._lock = threading.Lock()
        self._sids = 0

    def take(self, kind: str, account: str, form: dict[str, list[str]]) -> tuple[dict[str, Any], int]:
        """`Messages` or `Calls`; the answer and its status."""
        fields = {name: values[-1] for name, values in form.items()}
        to = fields.get("To", "")
        if not _PHONE.match(to):
            message = f"The 'To' number {to} is not a valid phone number."
            return {
                "code": 21211,
                "message": message,
                "more_info": "https://www.twilio.com/docs/errors/21211",
                "status": 400,
            }, 400
        sid = self._next_sid("SM" if kind == "Messages" else "CA")
        is_sms = kind == "Messages"
        self._book.write(
            "sms" if is_sms else "voice",
            to=to,
            text=fields.get("Body", "") if is_sms else "(ringing)",
            sid=sid,
            **{name: values if len(values) > 1 else values[0] for name, values in form.items()},
        )
        work = self._report_sms if is_sms else self._run_call
        threading.Thread(target=self._quietly, args=(work, sid, fields), name=f"twilio-{sid}", daemon=True).start()
        return {"sid": sid, "account_sid": account, "to": to, "from": fields.get("From"), "status": "queued"}, 201

    def list_texts(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """The newest texts, filtered by `To` and `From`, as the list of the Message resource shows them."""
        to, sender = asked.get("To", ""), asked.get("From", "")
        limit = min(int(asked["PageSize"]) if asked.get("PageSize", "").isdecimal() else 50, 1000)
        found = [
            {
                "sid": one["detail"]["sid"],
                "to": one["to"],
                "from": one["detail"].get("From"),
                "body": one["text"],
                "status": "delivered",
                "date_created": format_datetime(datetime.fromtimestamp(one["at_s"], UTC)),
            }
            for one in self._book.read("sms", limit=2_000)
            if (not to or one["to"] == to) and (not sender or one["detail"].get("From") == sender)
        ]
        return {"messages": found[:limit], "page": 0, "page_size": limit, "next_page_uri": None}

    def _next_sid(self, prefix: str) -> str:
        with self._lock:
            self._sids += 1
            return f"{prefix}{hashlib.md5(f'{id(self)}{self._sids}'.encode(), usedforsecurity=False).hexdigest()}"

    def _quietly(self, work: Any, sid: str, fields: dict[str, str]) -> None:
        try:
            work(sid, fields)
        except (requests.RequestException, ET.ParseError, ValueError) as error:
            write_log("simulated Twilio could not reach the platform", level="WARNING", reason=type(error).__name__)

    def _report_sms(self, sid: str, fields: dict[str, str]) -> None:
        if url := fields.get("StatusCallback"):
            for status in ("sent", "delivered"):
                self._post(url, {"MessageSid": sid, "MessageStatus": status, "To": fields["To"]})

    def _run_call(self, sid: str, fields: dict[str, str]) -> None:
        script = self._book.script
        known = {"CallSid": sid, "To": fields["To"], "From": fields.get("From", "")}
        if url := fields.get("StatusCallback"):
            self._post(url, {**known, "CallStatus": "initiated"})
        if script.outcome in {"answered", "machine"}:
            by = {"AnsweredBy": "machine_start" if script.outcome == "machine" else "human"}
            self._listen(sid, fields["Url"], {**known, **by, "CallStatus": "in-progress"}, script)
            ended = {**known, **by, "CallStatus": "completed"}
        else:
            ended = {**known, "CallStatus": script.outcome}
        if url := fields.get("StatusCallback"):
            self._post(url, ended)

    def _listen(self, sid: str, url: str, form: dict[str, str], script: CallScript) -> None:
        keys = list(script.digits)
        for _ in range(_STEPS):
            twiml = ET.fromstring(self._post(url, form))  # noqa: S314 - our own API's answer
            spoken = [one.text or "" for one in twiml.iter("Say")]
            gather = twiml.find("Gather")
            key = keys.pop(0) if gather is not None and keys else ""
            self._book.write("voice", to=form["To"], text=" ".join(spoken), sid=sid, pressed=key or None)
            if gather is None:
                return
            url = urljoin(url, gather.get("action", ""))
            form = {**form, "Digits": key}

    def _post(self, url: str, form: dict[str, str]) -> str:
        headers = {"X-Twilio-Signature": sign_twilio(self._auth_token, url, form)}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(url, data=form, headers=headers, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return answer.text
