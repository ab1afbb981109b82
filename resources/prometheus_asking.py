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

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class PrometheusAsking:
    """One query of one loader against one server, while it is being asked."""

    loader: LoaderDefinition
    query: PrometheusQuery
    client: PrometheusConnect
    session: requests.Session
    found: AnswerCollector
    max_bytes: int

    def ask(
        self, path: str, fields: Mapping[str, str], *, inspect: Callable[[bytes], None] = lambda _: None
    ) -> tuple[PrometheusAnswer, int]:
        """One question with its retries: the answer and its size in bytes; `inspect` as in `fetch_reply`."""

        def attempt(deadline: Deadline) -> tuple[PrometheusAnswer, int]:
            self.found.requests += 1
            timeout = f"{max(deadline.remaining_s(), 0.001):.3f}"
            reply = fetch_reply(
                self.session,
                ask_for(self.url(path), {**fields, "timeout": timeout}),
                deadline=deadline,
                max_bytes=self.max_bytes,
                inspect=inspect,
            )
            if reply.status != 200:
                raise translate_prometheus_refusal(reply, self.url(path), promql=self.query.promql)
            return self._understand(reply), len(reply.body)

        return call_with_retries(attempt, timeout_s=self.loader.timeout_s)

    def url(self, path: str) -> str:
        """Address of an API path under the connection's url."""
        return f"{self.client.url.rstrip('/')}/api/v1/{path}"

    def _understand(self, reply: HttpReply) -> PrometheusAnswer:
        where = redact_url(self.client.url)
        try:
            answer = parse_answer(reply.body)
        except RefusedQueryError as refusal:
            raise translate_prometheus_words(refusal, where, promql=self.query.promql) from None
        except NotAnAnswerError as error:
            raise SourceAnswerError(
                f"{where} did not answer as Prometheus does: {error}; it begins with {reply.body[:60]!r}",
                suggestion="check that the url is a Prometheus API, without a login page or proxy before it",
                url=where,
            ) from None
        for notice in answer.notices:
            _LOG.warning("%s: %s says: %s", self.loader.code, where, notice)
        return answer
