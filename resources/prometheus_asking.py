"""One question to the Prometheus HTTP API and its answer, with retries and errors in our words.

Which questions a loader needs is decided in `metrics_prometheus`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests
from prometheus_api_client import PrometheusConnect

from domain.errors import SourceAnswerError
from domain.loaders.definition import LoaderDefinition, PrometheusQuery
from resources.answer_collector import AnswerCollector
from resources.http_failures import redact_url
from resources.outgoing_http import Deadline, HttpReply, ask_for, call_with_retries, fetch_reply
from resources.prometheus_answer import NotAnAnswerError, PrometheusAnswer, RefusedQueryError, parse_answer
from resources.prometheus_errors import translate_prometheus_refusal, translate_prometheus_words
from resources.secret_registry import mask_secrets

MAX_BYTES = 64 << 20

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class PrometheusAsking:
    """One query of one loader against one server, while it is being asked."""

    loader: LoaderDefinition
    query: PrometheusQuery
    client: PrometheusConnect
    session: requests.Session
    found: AnswerCollector

    def ask(
        self, path: str, fields: Mapping[str, str], *, inspect: Callable[[bytes], None] = lambda _: None
    ) -> tuple[PrometheusAnswer, int]:
        """One question with its retries: the answer and its size in bytes; `inspect` as in `fetch_reply`."""

        def attempt(deadline: Deadline) -> tuple[PrometheusAnswer, int]:
            self.found.requests += 1
            fields_sent = {**fields, "timeout": f"{max(deadline.remaining_s(), 0.001):.3f}"}
            request = ask_for(f"{self.client.url}/api/v1/{path}", fields_sent)
            reply = fetch_reply(self.session, request, deadline=deadline, max_bytes=MAX_BYTES, inspect=inspect)
            answer = understand_reply(reply, request.url, promql=self.query.promql)
            for notice in answer.notices:
                _LOG.warning("%s: %s says: %s", self.loader.code, redact_url(self.client.url), notice)
            return answer, len(reply.body)

        breaker = f"prometheus {redact_url(self.client.url)}"
        return call_with_retries(attempt, timeout_s=self.loader.timeout_s, breaker=breaker)


def ask_instant(
    client: PrometheusConnect, session: requests.Session, promql: str, *, timeout_s: float
) -> PrometheusAnswer:
    """The value of a PromQL now, asked once and without retries. Raises SourceError."""
    request = ask_for(f"{client.url}/api/v1/query", {"query": promql})
    reply = fetch_reply(session, request, deadline=Deadline.after(timeout_s), max_bytes=MAX_BYTES)
    return understand_reply(reply, request.url, promql=promql)


def understand_reply(reply: HttpReply, url: str, *, promql: str) -> PrometheusAnswer:
    """The answer in columns.

    Raises:
        SourceError: refused by Prometheus or by what stands before it, or not an answer at all.
    """
    where = redact_url(url).removesuffix("/query").removesuffix("/query_range").removesuffix("/api/v1")
    if reply.status != 200:
        raise translate_prometheus_refusal(reply, where, promql=promql)
    try:
        return parse_answer(reply.body)
    except RefusedQueryError as refusal:
        raise translate_prometheus_words(refusal, where, promql=promql) from None
    except NotAnAnswerError as error:
        start = mask_secrets(reply.body[:2_000].decode(errors="replace"))[:60]
        raise SourceAnswerError(
            f"{where} did not answer as Prometheus does: {error}; it begins with {start!r}",
            suggestion="check that the url is a Prometheus API, without a login page or proxy before it",
            url=where,
        ) from None
