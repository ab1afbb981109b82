"""What Prometheus says when it refuses, in our error tree. Its words are kept: they name the place in the PromQL."""

from __future__ import annotations

import orjson

from domain.errors import (
    SourceError,
    SourceFailedError,
    SourceLimitError,
    SourceQueryError,
    SourceTimeoutError,
)
from resources.http_failures import redact_url, translate_refusal
from resources.outgoing_http import HttpReply
from resources.prometheus_answer import RefusedQueryError
from resources.secret_registry import mask_secrets

_LIMIT_WORDS = ("exceeded maximum resolution", "too many samples", "exceeded the limit", "too many points")


def translate_prometheus_refusal(reply: HttpReply, url: str, *, promql: str) -> SourceError:
    """A reply that is not HTTP 200: Prometheus' error document, or whatever stands in front of it."""
    words = reply.body[:2_000].decode(errors="replace")
    try:
        document = orjson.loads(reply.body)
        refusal = RefusedQueryError(str(document["errorType"]), str(document.get("error", "")))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return translate_refusal(reply.status, url, words=words)
    if reply.status in {401, 403}:
        return translate_refusal(reply.status, url, words=refusal.words)
    return translate_prometheus_words(refusal, redact_url(url), promql=promql)


def translate_prometheus_words(refusal: RefusedQueryError, where: str, *, promql: str) -> SourceError:
    """Prometheus' errorType and error text as one of our errors."""
    said = f"{where} says {mask_secrets(refusal.error_type)}: {mask_secrets(refusal.words)}"
    if any(word in refusal.words for word in _LIMIT_WORDS):
        return SourceLimitError(
            said, suggestion="aggregate the query, raise step_s, or capture a shorter range", promql=promql, url=where
        )
    if refusal.error_type in {"timeout", "canceled"}:
        return SourceTimeoutError(
            said, suggestion="raise timeout_s of the loader or make the query cheaper", promql=promql, url=where
        )
    if refusal.error_type in {"bad_data", "execution"}:
        return SourceQueryError(
            f"{said} (PromQL: {promql})",
            suggestion="correct the query; try it in the Prometheus web interface",
            promql=promql,
            url=where,
        )
    return SourceFailedError(
        said, suggestion="look at the log of Prometheus; the window stays due", promql=promql, url=where
    )
