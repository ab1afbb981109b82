"""The official Elasticsearch client of one connection, asked for searches; its errors translated into our tree."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from elasticsearch import ApiError, Elasticsearch, SerializationError, UnsupportedProductError
from elasticsearch.serializer import OrjsonSerializer

from domain.errors import (
    SourceAnswerError,
    SourceError,
    SourceLimitError,
    SourceQueryError,
    SourceTimeoutError,
    SourceUnreachableError,
)
from domain.loaders.definition import Connection
from resources.elasticsearch_node import node_class_for
from resources.http_failures import redact_url, translate_refusal
from resources.outgoing_http import Deadline, call_with_retries
from resources.secret_registry import mask_secrets

_LIMIT_TYPES = ("too_many_buckets_exception", "too_many_clauses", "circuit_breaking_exception")


class ElasticsearchDoor:
    """Searches on one cluster. `has_point_in_time` is learned once: None until somebody asked."""

    def __init__(self, connection: Connection) -> None:
        self.where = redact_url(connection.url)
        self.breaker = f"elasticsearch {self.where}"
        self.has_point_in_time: bool | None = None
        self.client = Elasticsearch(
            _with_port(connection.url),
            node_class=node_class_for(connection),
            serializers={
                "application/json": OrjsonSerializer(),
                "application/vnd.elasticsearch+json": OrjsonSerializer(),
            },
            max_retries=0,
            verify_certs=connection.verify_tls,
            ssl_show_warn=False,
        )

    def search(self, *, timeout_s: float, **body: Any) -> dict[str, Any]:
        """One search with its retries; the whole body of the answer.

        Raises:
            SourceError: also when some shards failed or the search was cut short, because the answer is then incomplete.
        """

        def attempt(deadline: Deadline) -> dict[str, Any]:
            client = self.client.options(request_timeout=max(deadline.remaining_s(), 0.001))
            try:
                answer = client.search(**body).body
            except (ApiError, SerializationError, UnsupportedProductError) as error:
                raise translate_elasticsearch_error(error, self.where) from None
            return self._require_complete(answer, deadline)

        return call_with_retries(attempt, timeout_s=timeout_s, breaker=self.breaker)

    def describe(self, *, timeout_s: float) -> str:
        """Cluster name and version. Raises SourceError."""
        try:
            info = self.client.options(request_timeout=timeout_s).info().body
            return f"{info['cluster_name']} {info['version']['number']} at {self.where}"
        except (ApiError, SerializationError, UnsupportedProductError) as error:
            raise translate_elasticsearch_error(error, self.where) from None
        except (KeyError, TypeError):
            raise _not_elasticsearch(self.where, "its greeting has no name and version") from None

    def _require_complete(self, answer: Any, deadline: Deadline) -> dict[str, Any]:
        if not isinstance(answer, dict) or "hits" not in answer:
            raise _not_elasticsearch(self.where, "no hits in the answer of a search")
        shards = answer.get("_shards", {})
        if shards.get("failed"):
            raise SourceAnswerError(
                f"{self.where}: {shards['failed']} of {shards.get('total')} shards failed, the answer is incomplete",
                suggestion="look at the health of the index; the window stays due",
                url=self.where,
            )
        if answer.get("timed_out"):
            raise SourceTimeoutError(
                f"{self.where} cut the search short after {deadline.timeout_s:g} s",
                suggestion="raise timeout_s of the loader or narrow the query",
                url=self.where,
            )
        return answer


def translate_elasticsearch_error(
    error: ApiError | SerializationError | UnsupportedProductError, where: str
) -> SourceError:
    """An exception of the vendor's client as one of our errors, with the innermost reason the server gives."""
    if not isinstance(error, ApiError):
        return _not_elasticsearch(where, mask_secrets(" ".join(str(error).split()))[:200])
    kind, words = _reasons(error.body)
    if kind in _LIMIT_TYPES or "Result window is too large" in words:
        return SourceLimitError(
            f"{where} says {kind}: {words}",
            suggestion="use fewer aggregation levels, a larger step_s, or raise the limit of the cluster",
            url=where,
        )
    if error.status_code in {400, 404} and kind:
        return SourceQueryError(
            f"{where} says {kind}: {words}",
            suggestion="correct index, query or aggregations of the loader; try them in Kibana's Dev Tools",
            url=where,
        )
    return translate_refusal(error.status_code, where, words=words or str(error.body))


def _not_elasticsearch(where: str, words: str) -> SourceAnswerError:
    return SourceAnswerError(
        f"{where} did not answer as Elasticsearch does: {words}",
        suggestion="check that the url is an Elasticsearch API, without a login page or proxy before it",
        url=where,
    )


def _reasons(body: Any) -> tuple[str, str]:
    """The type that matters and all distinct reasons of an error document, outermost first; empty when it is none."""
    node = body.get("error") if isinstance(body, dict) else None
    if not isinstance(node, dict):
        return "", str(node or "")
    kinds: list[str] = []
    reasons: dict[str, None] = {}
    roots = [] if node.get("caused_by") else node.get("root_cause") or []
    while isinstance(node, dict):
        kinds.append(str(node.get("type", "")))
        reasons[str(node.get("reason", ""))] = None
        node = node.get("caused_by") or (roots.pop(0) if roots else None)
    said = [reason for reason in reasons if reason not in {"", "all shards failed"}]
    return next((kind for kind in kinds if kind in _LIMIT_TYPES), kinds[-1]), mask_secrets("; ".join(said))[:600]


def _with_port(url: str) -> str:
    """The client insists on a port. Without one, it is that of the scheme."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    try:
        port = parts.port or default
    except ValueError:
        port = None
    if default is None or port is None or not parts.hostname:
        raise SourceUnreachableError(
            f"{redact_url(url)!r} is not the URL of an Elasticsearch",
            suggestion="write it as http://host:9200 or https://host",
            url=redact_url(url),
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
