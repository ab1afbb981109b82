"""JSON logs with ECS field names and the fields of A11: correlationId, username, processId, requestPath, errorType, reason, suggestion.

One line per event on stderr. Standard-library loggers (uvicorn, alembic, Dagster in our processes) go through the same door.
Secrets never reach it: values of secret fields, secrets that this process knows (`resources.secret_registry`) and whatever is
written like a credential are masked here, as the last line of defence.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from domain.access.secret_text import MASK
from domain.errors import EtlmonError
from resources.secret_registry import mask_secrets

_SECRET_FIELD = re.compile(r"(password|secret|token|authorization|api_?key|dsn)", re.IGNORECASE)

_ECS = {
    "level": "log.level",
    "event": "message",
    "logger": "log.logger",
    "timestamp": "@timestamp",
    "exception": "error.stack_trace",
}


def new_correlation_id() -> str:
    """A fresh correlation id."""
    return uuid.uuid4().hex


@contextmanager
def correlated(correlation_id: str, **fields: str) -> Iterator[None]:
    """All log lines inside the block carry the correlation id and the given fields (username, requestPath, …)."""
    with structlog.contextvars.bound_contextvars(correlationId=correlation_id, **fields):
        yield


def current_correlation_id() -> str:
    """The correlation id of this context; empty outside of `correlated`."""
    return str(structlog.contextvars.get_contextvars().get("correlationId", ""))


def bind_username(username: str) -> None:
    """Log lines of this context carry the name from now on."""
    structlog.contextvars.bind_contextvars(username=username)


def _mask(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name[0] != "_":  # structlog's own notes, which never reach the line
            event[name] = _masked(name, value)
    return event


def _masked(name: str, value: Any) -> Any:
    if value and not isinstance(value, bool) and _SECRET_FIELD.search(name):
        return MASK
    if isinstance(value, str):
        return mask_secrets(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner) for inner in value]
    return mask_secrets(repr(value))


def _explain_error(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = event.pop("error", None)
    if isinstance(error, EtlmonError):
        event.update(errorType=error.error_type, reason=error.reason, suggestion=error.suggestion)
        event.update({k: v for k, v in error.context.items() if k not in event})
    elif isinstance(error, BaseException):
        event.update(
            errorType=type(error).__name__, reason=str(error), suggestion="see the stack trace of this process"
        )
    return event


def _ecs(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    renamed = {_ECS.get(name, name): value for name, value in event.items()}
    renamed["processId"] = os.getpid()
    renamed.setdefault("correlationId", "")
    renamed.setdefault("username", "system")
    return renamed


def configure_logs(service: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Route structlog and the standard library to JSON lines. Call once, at the start of a process."""

    def add_service(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service.name"] = service
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _explain_error,
        _mask,
        add_service,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _ecs,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
