"""The correlation id of a run travels with every outgoing call (A10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from pydantic import SecretStr

from domain.loaders.definition import Connection, LoaderDefinition
from domain.notification.message import Channel
from resources.chat_slack import ChatSlack, SlackWorkspace
from resources.json_logs import correlated
from resources.mail_smtp import MailServer, MailSmtp
from resources.metrics_prometheus import PrometheusSource
from resources.simulator.received import ReceivedBook
from resources.simulator.receivers_smtp import FakeMailServer
from resources.sms_twilio import SmsTwilio
from resources.tickets_jira import JiraSite, TicketsJira
from resources.twilio_door import TwilioAccount
from resources.webhook_http import WebhookHttp, WebhookTarget
from tests.fakes.faulty_http import FaultyHttp, reply_json
from tests.fakes.receiving import a_message

pytestmark = pytest.mark.requirement("A10")
SECRET = SecretStr("a-secret-of-the-tests")
#: What each of the services below takes for a good answer, in one.
ANSWER = orjson.dumps(
    {
        "status": "success", "data": {"resultType": "matrix", "result": []},
        "ok": True, "ts": "1.0", "channel": "C024BE91L",
        "sid": "SM1", "accountId": "a",
    }
)  # fmt: skip
LOADER = {
    "code": "DEMO-A", "title": "a", "source": "prometheus", "connection": "p", "schedule": "* * * * *", "step_s": 60,
    "prometheus": [{"metric_name": "requests", "promql": "up"}],
}  # fmt: skip


def ask_prometheus(url: str) -> None:
    loader, start = LoaderDefinition.model_validate(LOADER), datetime(2026, 3, 10, tzinfo=UTC)
    PrometheusSource().fetch(loader, Connection(url=url), start=start, end=start + timedelta(minutes=5))


def post_webhook(url: str) -> None:
    WebhookHttp(WebhookTarget(None, SECRET)).send(a_message(Channel.WEBHOOK, f"{url}/hook"))


def post_slack(url: str) -> None:
    ChatSlack(SlackWorkspace(SECRET, None, url)).send(a_message(Channel.SLACK, "C024BE91L"))


def send_sms(url: str) -> None:
    SmsTwilio(TwilioAccount("ACtest", SECRET, "+14155559999", None, url)).send(a_message(Channel.SMS, "+14155550100"))


def ask_jira(url: str) -> None:
    TicketsJira(JiraSite(url, SECRET), project="ETLOPS", issue_type="Incident").own_account()


@pytest.mark.parametrize("call", [ask_prometheus, post_webhook, post_slack, send_sms, ask_jira])
def test_a_call_inside_a_run_carries_its_id_and_one_outside_none(call: Callable[[str], None]) -> None:
    with FaultyHttp(lambda _: reply_json(ANSWER)) as server:
        with correlated("capture-20260310T1200"):
            call(server.url)
        call(server.url)
    inside, outside = (one.headers for one in server.asked)
    assert inside["x-correlation-id"] == "capture-20260310T1200"
    assert "x-correlation-id" not in outside


def test_a_mail_written_in_a_run_carries_its_id() -> None:
    book = ReceivedBook(lambda: 0.0)
    server = FakeMailServer(book)
    try:
        mail = MailSmtp(MailServer.parse(server.url), sender="etlmon@tiqmo.com")
        with correlated("notify-20260310T1200"):
            mail.send(a_message(Channel.EMAIL, "ann@example.com"))
        mail.send(a_message(Channel.EMAIL, "ann@example.com"))
    finally:
        server.close()
    outside, inside = (one["detail"]["headers"] for one in book.read("email"))
    assert inside["X-Correlation-ID"] == "notify-20260310T1200"
    assert "X-Correlation-ID" not in outside
