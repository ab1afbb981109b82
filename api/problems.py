"""Errors on the wire: RFC 9457 problem documents with errorType, reason, suggestion and correlationId. No stack traces."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from domain.errors import (
    ConfigurationError,
    ConflictError,
    EtlmonError,
    InputDataError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    PreconditionRequiredError,
    RateLimitedError,
    SourceError,
    StaleEditError,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)
from resources.json_logs import current_correlation_id, get_logger
from resources.secret_registry import mask_error

_STATUS: list[tuple[type[EtlmonError], int]] = [
    (NotAuthenticatedError, 401),
    (NotPermittedError, 403),
    (RateLimitedError, 429),
    (StaleEditError, 412),
    (PreconditionRequiredError, 428),
    (InputDataError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
    (SourceError, 503),
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


class MalformedRequestError(InputDataError):
    """The request itself is ambiguous or broken, whatever it asks for."""

    error_type = "MALFORMED_REQUEST"


class MethodNotAllowedError(InputDataError):
    """The path exists, not with this method."""

    error_type = "METHOD_NOT_ALLOWED"


class UriTooLongError(InputDataError):
    """Path and query together are over the limit."""

    error_type = "URI_TOO_LONG"


class ContentTypeError(InputDataError):
    """The type or the encoding of the body is not read here."""

    error_type = "UNSUPPORTED_CONTENT_TYPE"


class HeadersTooLargeError(InputDataError):
    """Too many header fields, or too large."""

    error_type = "HEADERS_TOO_LARGE"


#: What the framework or the edge answers with a status, and the error that stands for it.
_BY_STATUS: dict[int, type[EtlmonError]] = {
    400: MalformedRequestError,
    401: NotAuthenticatedError,
    403: NotPermittedError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    413: BodyTooLargeError,
    414: UriTooLongError,
    415: ContentTypeError,
    431: HeadersTooLargeError,
}
_STATUS = [*((kind, status) for status, kind in _BY_STATUS.items() if issubclass(kind, InputDataError)), *_STATUS]


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
        405: "the path exists, not with this method",
        409: "it collides with the present state",
        412: "it was changed by somebody else since you read it",
        413: "the body is too large",
        414: "the URL is too long",
        415: "the content type is not supported",
        422: "a value is wrong; the reason names it",
        428: "a change needs If-Match with the ETag you read",
        429: "over the rate limit; see Retry-After",
        431: "the header fields are too large",
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
    if "retry_after_s" in error.context:
        headers["Retry-After"] = str(error.context["retry_after_s"])
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=headers)


def problem_of(error: EtlmonError) -> JSONResponse:
    """The problem document of one of our errors, with the status of its class."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    if status >= 500:
        get_logger(__name__).error("request failed", error=error)
    members = {name: error.context[name] for name in _MEMBERS if name in error.context}
    return problem(status, error, **members)


def problem_of_http(error: HTTPException, method: str, path: str) -> JSONResponse:
    """The problem document of what the framework refuses."""
    kind = _BY_STATUS.get(error.status_code, InputDataError)
    answer = problem(
        error.status_code,
        kind(f"{method} {path}: {error.detail}", suggestion="see /api/openapi.json for what exists"),
    )
    answer.headers.update(error.headers or {})
    return answer


def problem_of_defect(error: Exception) -> JSONResponse:
    """500 for what nobody expected: the log has the stack trace, the client the correlation id."""
    get_logger(__name__).error("unexpected failure", exc_info=error)
    reason = "an unexpected failure; it is in the log under this correlationId"
    return problem(500, EtlmonError(reason, suggestion="report it with the correlationId"))


def allowed_methods(app: FastAPI, path: str) -> set[str]:
    """Every method of a path in the OpenAPI document; the framework names those of the first route that fits."""
    found: set[str] = set()
    documented = app.openapi()["paths"]
    if path in documented:  # a path of its own, not a value of a neighbour's parameter
        return {method.upper() for method in documented[path]}
    for template, methods in documented.items():
        if compile_path(template)[0].match(path):
            found |= {method.upper() for method in methods}
    return found


def install_problem_handlers(app: FastAPI) -> None:
    """Every failure of a route leaves as a problem document; defects are answered by `api.edge`."""

    @app.exception_handler(EtlmonError)
    async def _ours(_: Request, error: EtlmonError) -> JSONResponse:
        mask_error(error)
        return problem_of(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, InputDataError(f"{where}: {first['msg']}", suggestion="see /api/openapi.json"))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if "route" not in request.scope:  # the guard stands before routes; what is none counts here
            try:
                await run_in_threadpool(request.app.state.rate_gate.admit, request, None)
            except RateLimitedError as limited:
                return problem_of(limited)
        answer = problem_of_http(error, request.method, request.url.path)
        if error.status_code == 405 and (allowed := allowed_methods(app, request.url.path)):
            answer.headers["Allow"] = ", ".join(sorted(allowed))
        return answer
