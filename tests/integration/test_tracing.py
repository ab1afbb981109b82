"""One trace from an API request through a Dagster run to the outgoing call, as an OTLP receiver sees it (A12)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from dagster import DagsterInstance, DailyPartitionsDefinition, RunConfig, materialize
from fastapi import APIRouter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import SecretStr

from api.access import public
from domain.loaders.definition import LoaderDefinition
from domain.notification.message import Channel, DeliveryDelayedError
from etlmon_assets.capture import build_capture_assets
from resources import tracing
from resources.access.oidc_provider import Client, IdTokenError, OidcProvider
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.loaders.versions import load_loader_versions
from resources.mail_smtp import MailServer, MailSmtp
from resources.postgres.engine import make_engine
from resources.sms_twilio import SmsTwilio
from resources.twilio_door import TwilioAccount
from tests.fakes.api_server import until
from tests.fakes.faulty_http import Asked, FaultyHttp, Reply, reply_json, unused_port
from tests.fakes.live_api import live_api
from tests.fakes.platform import Platform
from tests.fakes.receiving import a_message

pytestmark = [
    pytest.mark.requirement("A12"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
EMPTY = '{"status":"success","data":{"resultType":"matrix","result":[]}}'
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Receiver:
    """OTLP over HTTP: keeps the spans it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def answer(self, asked: Asked) -> Reply:
        request = ExportTraceServiceRequest.FromString(asked.body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return reply_json("{}")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    kept = Receiver()
    with FaultyHttp(kept.answer) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        tracing.configure_tracing("etlmon-test")
        yield kept
        tracing.stop_tracing()


def facts(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_one_trace_from_the_request_through_the_run_to_the_source(
    platform: Platform, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert platform.settings.database_url is not None
    monkeypatch.setenv("ETLMON_HOME", str(platform.settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.settings.database_url.get_secret_value())
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    asset = build_capture_assets(DailyPartitionsDefinition(start_date=today - timedelta(days=2), end_offset=1))
    router = APIRouter()

    @router.post("/launch/{name}")
    @public
    def launch(name: str) -> str:
        """Launches a run as a route does, in this process."""
        with DagsterInstance.ephemeral() as instance:
            materialize(
                [asset],
                partition_key=f"{today:%Y-%m-%d}",
                resources={"platform": PlatformResource()},
                run_config=RunConfig(ops={"capture": {"config": {"mode": "due"}}}),
                tags=tracing.run_tags(),
                instance=instance,
            )
        return name

    with FaultyHttp(lambda _: reply_json(EMPTY)) as source, live_api(platform.settings, platform.url) as api:
        api.app.include_router(router)  # type: ignore[attr-defined]
        engine = make_engine(platform.url)
        definition = LoaderDefinition.model_validate(
            {
                "code": "DEMO-A", "title": "a", "source": "prometheus", "schedule": "* * * * *", "step_s": 60, "history_s": 120,
                "connection": {"url": source.url, "username": "who", "password": "canary-secret"},
                "prometheus": [{"metric_name": "requests", "promql": "up"}],
            }
        )  # fmt: skip
        load_loader_versions(platform.settings.home, engine).seed([definition], at=utc_now())
        engine.dispose()
        headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Correlation-ID": "corr-trace"}
        assert api.client.post("/launch/now", headers=headers).status_code == 200

        def arrived() -> bool:
            tracing.flush_traces()
            return any(span.name.startswith("POST /launch") for span in receiver.spans)

        until(arrived, deadline_s=20)
    spans = {span.name: span for span in receiver.spans if span.trace_id.hex() == TRACE}
    request, step, call = spans["POST /launch/{name}"], spans["step capture"], spans["GET"]
    assert request.parent_span_id.hex() == "00f067aa0ba902b7", "the caller's trace goes on"
    assert step.parent_span_id == request.span_id
    assert call.parent_span_id == step.span_id
    assert facts(request)["http.response.status_code"] == 200
    assert facts(request)["http.route"] == "/launch/{name}"
    assert facts(call)["url.full"].startswith(source.url)
    assert {facts(one)["etlmon.correlation_id"] for one in (request, step, call)} == {"corr-trace"}
    assert source.asked[0].headers["traceparent"].split("-")[1:3] == [TRACE, call.span_id.hex()]
    assert source.asked[0].headers["x-correlation-id"] == "corr-trace"
    assert "canary-secret" not in str(receiver.spans)
    assert "promql" not in str(receiver.spans)


def test_a_text_a_mail_and_a_login_elsewhere_have_spans_of_their_own(receiver: Receiver) -> None:
    def provider(asked: Asked) -> Reply:
        if asked.path.endswith("openid-configuration"):
            url = f"http://{asked.headers['host']}"
            return reply_json(json.dumps({"issuer": url, "token_endpoint": f"{url}/token"}))
        if asked.path == "/token":
            return reply_json('{"error": "invalid_grant"}', status=400)
        return reply_json('{"sid": "SM1"}', status=201)

    nobody = MailSmtp(MailServer.parse(f"smtp://127.0.0.1:{unused_port()}"), sender="etlmon@tiqmo.com")
    with FaultyHttp(provider) as server:
        account = TwilioAccount("ACtest", SecretStr("canary-secret"), "+14155559999", None, server.url)
        SmsTwilio(account).send(a_message(Channel.SMS, "+14155550100"))
        with pytest.raises(DeliveryDelayedError):
            nobody.send(a_message(Channel.EMAIL, "ann@example.com"))
        with pytest.raises(IdTokenError):
            OidcProvider(server.url, Client("etlmon", "canary-secret", "https://a.example/back")).claims_of(
                "canary-code", verifier="v" * 43, nonce="n"
            )
    tracing.flush_traces()
    spans = {f"{one.name} {facts(one).get('url.full', '').removeprefix(server.url)}": one for one in receiver.spans}
    assert set(spans) == {*(f"{one.method} {one.path}" for one in server.asked), "SMTP "}
    assert "POST /token" in spans
    assert {one.kind for one in receiver.spans} == {3}, "of clients"
    assert facts(spans["SMTP "])["error.type"] == "SOURCE_UNREACHABLE"
    parents = {one.headers["traceparent"].split("-")[2] for one in server.asked}
    assert parents == {one.span_id.hex() for one in receiver.spans if one.name != "SMTP"}
    assert not [word for word in ("canary", "+1415", "ann@") if word in str(receiver.spans)]


def test_a_failed_call_ends_its_span_with_the_type_of_the_error(receiver: Receiver) -> None:
    with pytest.raises(ValueError, match="secret words"), tracing.span("work"):
        raise ValueError("secret words")
    tracing.flush_traces()
    (span,) = receiver.spans
    assert (span.status.code, facts(span)["error.type"]) == (2, "ValueError")
    assert "secret words" not in str(span)


def test_without_a_receiver_the_sdk_is_not_even_imported() -> None:
    code = (
        "import sys\n"
        "from resources import tracing\n"
        "import api.app, resources.metrics_prometheus\n"
        "tracing.configure_tracing('x')\n"
        "with tracing.span('a', b=1) as one: one.note(c=2)\n"
        "assert tracing.trace_headers() == {} == tracing.run_tags()\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')], 'imported'\n"
    )
    environment = {"PATH": "/usr/bin", "PYTHONPATH": "."}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
