"""What the search for canaries needs around it: a source that echoes, clients whose answers are kept, a loader with secrets."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx

from tests.fakes.api_server import ApiServer
from tests.fakes.canaries import Canaries
from tests.fakes.faulty_http import Asked, Reply, reply_json


def echo(asked: Asked) -> Reply:
    """A source at its worst: everything it was sent comes back in its error, headers, query and all."""
    said = f"{asked.path} {json.dumps(asked.fields)} {json.dumps(asked.headers)} {asked.headers}"
    if "teapot" in asked.path:
        return reply_json(said, status=418)
    if "refuse" in asked.path:
        return reply_json(said, status=401)
    if "strange" in asked.path:
        return reply_json(said)
    if "broken" in asked.path:
        return reply_json(said, status=500)
    return reply_json(json.dumps({"status": "error", "errorType": "bad_data", "error": said}), status=400)


def definition(code: str, url: str, **connection: Any) -> dict[str, Any]:
    return {
        "code": code, "title": f"title of {code}", "source": "prometheus", "schedule": "*/5 * * * *", "step_s": 60, "history_s": 600,
        "expected_latency_s": 0, "connection": {"url": url, **connection}, "prometheus": [{"metric_name": "m", "promql": "up"}],
    }  # fmt: skip


class Client:
    """HTTP in the name of one user; every answer is kept for the search."""

    def __init__(self, server: ApiServer, canaries: Canaries, name: str) -> None:
        self._server, self._canaries, self._name = server, canaries, name
        self.headers: dict[str, str] = {}

    def ask(
        self, method: str, path: str, *, is_secret_answer: bool = False, expects: int | None = None, **given: Any
    ) -> httpx.Response:
        headers = {**self.headers, **given.pop("headers", {})}
        answer = self._server.client.request(method, path, headers=headers, **given)
        if expects is not None:
            assert answer.status_code == expects, f"{method} {path}: {answer.text}"
        if not is_secret_answer:
            place = f"answer to {self._name}: {method} {path.partition('?')[0]} {answer.status_code}"
            self._canaries.keep(place, unpacked(answer.content))
            self._canaries.keep(place, str(dict(answer.headers)))
        return answer

    def log_in(self, password: str) -> dict[str, Any]:
        body = {"username": self._name, "password": password}
        answer = self.ask("POST", "/api/v1/auth/login", json=body, is_secret_answer=True, expects=200).json()
        self._canaries.plant(f"access token of {self._name}", answer["accessToken"])
        self._canaries.plant(f"refresh token of {self._name}", answer["refreshToken"])
        self.headers = {"Authorization": f"Bearer {answer['accessToken']}"}
        found: dict[str, Any] = answer
        return found


def unpacked(content: bytes) -> bytes:
    """A workbook with its parts; anything else as it is."""
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return content + b"\n".join(archive.read(name) for name in archive.namelist())
