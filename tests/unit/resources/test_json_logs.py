"""Log lines as a collector reads them: one JSON object each, ECS names, correlated, without secrets."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import structlog

from domain.errors import SourceTimeoutError
from resources.json_logs import configure_logs, correlated, current_correlation_id, get_logger
from resources.secret_registry import mask_secrets


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers, root.level
    found = io.StringIO()
    configure_logs("test-service", stream=found)
    yield found
    root.handlers, root.level = before  # type: ignore[assignment]
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.requirement("A11")
def test_a_line_has_the_fields_a_collector_expects(stream: io.StringIO) -> None:
    with correlated("corr-1", username="ann", requestPath="/api/v1/signals"):
        get_logger("api").info("request\nserved", status=202)
        assert current_correlation_id() == "corr-1"
    assert current_correlation_id() == ""
    (line,) = lines(stream)
    assert datetime.fromisoformat(line.pop("@timestamp")).tzinfo is not None
    assert line == {
        "message": "request\nserved", "log.level": "info", "log.logger": "api", "service.name": "test-service", "status": 202,
        "correlationId": "corr-1", "username": "ann", "requestPath": "/api/v1/signals", "processId": os.getpid(),
    }  # fmt: skip


@pytest.mark.requirement("A11")
def test_an_error_carries_type_reason_and_suggestion(stream: io.StringIO) -> None:
    get_logger("a").error("capture failed", error=SourceTimeoutError("no answer", suggestion="wait", loader="DEMO-A"))
    get_logger("a").error("capture failed", error=ValueError("strange"))
    ours, other = lines(stream)
    assert (ours["errorType"], ours["reason"], ours["suggestion"], ours["loader"]) == (
        "SOURCE_TIMEOUT", "no answer", "wait", "DEMO-A",
    )  # fmt: skip
    assert (other["errorType"], other["reason"]) == ("ValueError", "strange")


@pytest.mark.requirement("A11")
def test_libraries_log_through_the_same_door(stream: io.StringIO) -> None:
    with correlated("corr-2"):
        logging.getLogger("uvicorn").warning("listening on %s", "127.0.0.1")
        try:
            raise RuntimeError("boom postgresql://u:hunter2@h/d")  # noqa: TRY301
        except RuntimeError:
            logging.getLogger("uvicorn").exception("failed")
    first, second = lines(stream)
    assert (first["message"], first["log.level"], first["correlationId"]) == (
        "listening on 127.0.0.1",
        "warning",
        "corr-2",
    )
    assert "RuntimeError: boom" in second["error.stack_trace"]
    assert "hunter2" not in stream.getvalue()


@pytest.mark.requirement("A4")
@pytest.mark.parametrize(
    "fields",
    [
        {"password": "hunter2"}, {"Authorization": "Bearer hunter2"}, {"api_key": "hunter2"}, {"push_token": "hunter2"},
        {"url": "http://ann:hunter2@host/x"}, {"connection": {"password": "hunter2"}}, {"many": [{"secret": "hunter2"}]},
        {"text": ["postgresql://u:hunter2@h/d"]}, {"words": "connection to host=h password=hunter2 failed"},
        {"words": "host='h' password='hunter2 \\' hunter2' failed"},
    ],
)  # fmt: skip
def test_secrets_never_reach_the_log(fields: dict[str, object], stream: io.StringIO) -> None:
    get_logger("a").info("something", **fields)
    assert "hunter2" not in stream.getvalue()
    assert "********" in stream.getvalue()


def test_masking_leaves_other_text_alone() -> None:
    text = "http://host:9090/x?a=b@c and 12:30 ann@example.org"
    assert mask_secrets(text) == text


def test_levels_below_the_threshold_are_silent(stream: io.StringIO) -> None:
    configure_logs("test-service", level="WARNING", stream=stream)
    get_logger("a").info("quiet")
    assert stream.getvalue() == ""
