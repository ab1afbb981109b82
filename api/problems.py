"""Errors on the wire: RFC 9457 problem documents with errorType, reason, suggestion and correlationId. No stack traces."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from domain.errors import (
    ConfigurationError,
    ConflictError,
    EtlmonError,
    InputDataError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    StaleEditError,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)
from resources.json_logs import current_correlation_id, get_logger

_STATUS: list[tuple[type[EtlmonError], int]] = [
    (NotAuthenticatedError, 401),
    (NotPermittedError, 403),
    (RateLimitedError, 429),
    (StaleEditError, 412),
    (InputDataError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
    (StorageFullError, 507),
    (StorageUnavailableError, 503),
    (StorageError, 500),
    (ConfigurationError, 500),
]


#: Facts of an error that a client can act on; the rest of its context is for logs.
_MEMBERS = ("refused",)


class BodyTooLargeError(InputDataError):
    """More bytes than the limit."""

    error_type = "BODY_TOO_LARGE"


_STATUS = [(BodyTooLargeError, 413), *_STATUS]


class ProblemDocument(BaseModel):
    """RFC 9457, with what a person needs to go on."""

    type: str
    title: str
    status: int
    detail: str
    errorType: str  # noqa: N815 - the JSON names
    reason: str
    suggestion: str
    correlationId: str  # noqa: N815


#: What any route may answer instead of its own; every one of them is a problem document.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}},
    }
    for status, text in {
        400: "the request is malformed",
        401: "no credential, or not a good one",
        403: "the permission table or a four-eyes rule denies it",
        404: "it does not exist",
        409: "it collides with the present state",
        412: "it was changed by somebody else since you read it",
        413: "the body is too large",
        415: "the content type is not supported",
        422: "a value is wrong; the reason names it",
        429: "over the rate limit; see Retry-After",
        503: "the database is not available",
    }.items()
}


def problem(status: int, error: EtlmonError, **members: Any) -> JSONResponse:
    """The problem document of an error."""
    body = {
        "type": f"urn:etlmon:error:{error.error_type.lower().replace('_', '-')}",
        "title": error.error_type.replace("_", " ").title(),
        "status": status,
        "detail": error.reason,
        "errorType": error.error_type,
        "reason": error.reason,
        "suggestion": error.suggestion,
        "correlationId": current_correlation_id(),
        **members,
    }
    headers = {"Retry-After": "5"} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=headers)


def install_problem_handlers(app: FastAPI) -> None:
    """Every failure of a route leaves as a problem document."""
    log = get_logger(__name__)

    @app.exception_handler(EtlmonError)
    async def _ours(_: Request, error: EtlmonError) -> JSONResponse:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        if status >= 500:
            log.error("request failed", error=error)
        members = {name: error.context[name] for name in _MEMBERS if name in error.context}
        return problem(status, error, **members)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, InputDataError(f"{where}: {first['msg']}", suggestion="see /api/openapi.json"))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        kind = NotFoundError if error.status_code == 404 else InputDataError
        reason = f"{request.method} {request.url.path}: {error.detail}"
        return problem(error.status_code, kind(reason, suggestion="see /api/openapi.json for what exists"))

    @app.exception_handler(Exception)
    async def _unexpected(_: Request, error: Exception) -> JSONResponse:
        log.error("unexpected failure", exc_info=error)
        reason = "an unexpected failure; it is in the log under this correlationId"
        return problem(500, EtlmonError(reason, suggestion="report it with the correlationId"))
