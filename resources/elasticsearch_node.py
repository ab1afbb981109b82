"""The transport under the official Elasticsearch client: our sessions, deadlines and size budget, and media types.

Clients of 8.x and 9.x speak `application/vnd.elasticsearch+json; compatible-with=N`. OpenSearch-compatible servers answer
406 to that, and an older Elasticsearch 400. The node then repeats the request with plain JSON types and keeps to them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar

import requests
from elastic_transport import BaseNode, HttpHeaders, NodeConfig
from elastic_transport._models import ApiResponseMeta
from elastic_transport._node import NodeApiResponse

from domain.loaders.definition import Connection
from resources.http_failures import translate_refusal
from resources.outgoing_http import Deadline, HttpReply, HttpRequest, fetch_reply, open_session

MAX_BYTES = 64 << 20
_VENDOR = "vnd.elasticsearch+"


class CompatNode(BaseNode):
    """A node on a session of `outgoing_http`. Transport failures leave it as errors of our tree, not the vendor's."""

    _CLIENT_META_HTTP_CLIENT: ClassVar[tuple[str, str]] = ("rq", version("requests"))
    session: ClassVar[requests.Session]

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._speaks_plain_json = False

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: Any = None,
    ) -> NodeApiResponse:
        """One request; `request_timeout` bounds the whole of it, the reading of the body included."""
        began_at = time.monotonic()
        deadline = Deadline.after(request_timeout if isinstance(request_timeout, (int, float)) else 30.0)
        sent = {**self.headers, **(headers or {})}
        is_plain = self._speaks_plain_json  # another thread may learn it meanwhile
        reply = self._send(method, target, body, sent, deadline=deadline, is_plain=is_plain)
        if not is_plain and _refuses_media_type(reply):
            self._speaks_plain_json = True
            reply = self._send(method, target, body, sent, deadline=deadline, is_plain=True)
        if reply.status >= 400 and not reply.body.lstrip().startswith(b"{"):  # not Elasticsearch, but what is before it
            words = reply.body[:2_000].decode(errors="replace")
            raise translate_refusal(reply.status, self.base_url, words=words)
        meta = ApiResponseMeta(
            status=reply.status,
            http_version="1.1",
            headers=HttpHeaders(dict(reply.headers)),
            duration=time.monotonic() - began_at,
            node=self.config,
        )
        return NodeApiResponse(meta, reply.body)

    def close(self) -> None:
        """Release the pooled connections."""
        self.session.close()

    def _send(
        self,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        deadline: Deadline,
        is_plain: bool,
    ) -> HttpReply:
        sent = {name: _plain(value) for name, value in headers.items()} if is_plain else headers
        request = HttpRequest(f"{self.base_url}{target}", method, body=body or b"", headers=sent)
        return fetch_reply(self.session, request, deadline=deadline, max_bytes=MAX_BYTES)


def node_class_for(connection: Connection) -> type[CompatNode]:
    """A node class bound to one session of this connection."""
    return type("CompatNode", (CompatNode,), {"session": open_session(connection)})


def _refuses_media_type(reply: HttpReply) -> bool:
    return reply.status == 406 or (reply.status == 400 and b"media_type_header_exception" in reply.body)


def _plain(media_type: str) -> str:
    if _VENDOR not in media_type:
        return media_type
    return "application/x-ndjson" if "ndjson" in media_type else "application/json"
