"""What nobody expected: a route that raises leaves the process as a problem or a page, and as a trace in the log only (A11)."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from fastapi import FastAPI

from api.access import allow
from api.pages.error_pages import page_router
from domain.access.permissions import Role
from resources.json_logs import configure_logs
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("A11")
#: Words of the exception, of its class and of its trace: none of them is for a client.
INSIDE = ("canary of the defect", "canary of its cause", "SlipError", "Traceback", "test_defects", ", line ", ".py")


class SlipError(Exception):
    """A defect of ours."""


def slip() -> None:
    try:
        {}["canary of its cause"]
    except KeyError as cause:
        raise SlipError("canary of the defect") from cause


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The JSON lines of this process, as the API process writes them."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level, configured = root.handlers, root.level, structlog.get_config()
    configure_logs("api", stream=stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**configured)


@pytest.fixture
def api(platform: Platform, log: io.StringIO) -> Iterator[LiveApi]:
    pages = page_router()

    @allow("platform", "read")
    def raises() -> None:
        slip()

    with live_api(platform.settings, platform.url) as running:
        running.add_user("admin", Role.ADMIN)
        app = running.app
        assert isinstance(app, FastAPI)
        app.add_api_route("/api/v1/slips", raises)
        pages.add_api_route("/slips", raises)
        app.include_router(pages)
        yield running


def test_no_word_of_a_defect_leaves_the_process(api: LiveApi, log: io.StringIO) -> None:
    head = api.bearer("admin")
    for path, accept in (
        ("/api/v1/slips", "application/json"),
        ("/slips", "application/json"),
        ("/slips", "text/html"),
    ):
        answer = api.client.get(path, headers={**head, "Accept": accept})
        identity = answer.headers["X-Correlation-ID"]
        assert answer.status_code == 500
        if accept == "text/html":
            assert answer.headers["content-type"].startswith("text/html")
            assert "An unexpected failure; it is in the log under this id." in answer.text
            assert identity in answer.text
        else:
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert all(problem[name] for name in ("errorType", "reason", "suggestion"))
            assert (problem["status"], problem["correlationId"]) == (500, identity)
        assert [word for word in INSIDE if word in f"{answer.text}{answer.headers}"] == []

        lines = [json.loads(line) for line in log.getvalue().splitlines()]
        (trace,) = [
            one["error.stack_trace"]
            for one in lines
            if one["correlationId"] == identity and one["message"] == "unexpected failure"
        ]
        for word in ("Traceback", "SlipError: canary of the defect", "canary of its cause", "in slip"):
            assert word in trace
