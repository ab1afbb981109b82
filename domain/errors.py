"""The one error tree. Every failure that a user can meet has a type, a reason and a suggestion.

Adapters translate the errors of their vendor into this tree at the door; no vendor exception passes further.
`error_type` is what logs, the API and the ledger carry; it is stable and documented, the texts may change.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EtlmonError(Exception):
    """Root of the tree.

    Args:
        reason: what is wrong and where, in one sentence.
        suggestion: what the reader should do next.
        context: small facts (loader code, url without secrets, file, line) for logs; never secrets.
    """

    error_type: ClassVar[str] = "INTERNAL_ERROR"
    is_retryable: ClassVar[bool] = False

    def __init__(self, reason: str, *, suggestion: str, **context: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.suggestion = suggestion
        self.context = context

    def as_dict(self) -> dict[str, Any]:
        """The error as the ledger, the JSON log and the API show it."""
        return {"errorType": self.error_type, "reason": self.reason, "suggestion": self.suggestion, **self.context}

    def __str__(self) -> str:
        return f"{self.error_type}: {self.reason} → {self.suggestion}"


class ConfigurationError(EtlmonError):
    """A setting, environment variable or command-line value is wrong."""

    error_type = "CONFIGURATION_ERROR"


class RuleFileError(ConfigurationError):
    """A YAML file under rules/ is malformed; the context carries file, line and field."""

    error_type = "RULE_FILE_ERROR"


class InputDataError(EtlmonError):
    """A file or request body handed in by a user cannot be used as it is."""

    error_type = "INPUT_DATA_ERROR"


class NotFoundError(EtlmonError):
    """A named loader, fault, table or file does not exist."""

    error_type = "NOT_FOUND"


class ConflictError(EtlmonError):
    """The change collides with the present state (a second DRAFT, an edited version, a lock held elsewhere)."""

    error_type = "CONFLICT"


class NotAuthenticatedError(EtlmonError):
    """No credential, or one that is wrong, expired, revoked or tampered with. The reason never says which."""

    error_type = "NOT_AUTHENTICATED"


class NotPermittedError(EtlmonError):
    """The caller is known, and the permission table or a four-eyes rule does not let him."""

    error_type = "NOT_PERMITTED"


class RateLimitedError(EtlmonError):
    """More requests than the limit; the context has `retry_after_s`."""

    error_type = "RATE_LIMITED"
    is_retryable = True


class StaleEditError(EtlmonError):
    """What is to be changed was changed by somebody else since it was read (If-Match does not match)."""

    error_type = "STALE_EDIT"


class NotEnoughHistoryError(EtlmonError):
    """An estimator was asked for an answer that its history does not support."""

    error_type = "NOT_ENOUGH_HISTORY"


class PreconditionRequiredError(EtlmonError):
    """A change has to say which revision it changes (If-Match), so that nobody overwrites what he has not seen."""

    error_type = "PRECONDITION_REQUIRED"


class SourceError(EtlmonError):
    """A source of statistics could not be captured. Subclasses say how; none of them loses data: the window stays due."""

    error_type = "SOURCE_ERROR"


class SourceUnreachableError(SourceError):
    """Wrong host, refused connection, DNS failure."""

    error_type = "SOURCE_UNREACHABLE"
    is_retryable = True


class SourceTimeoutError(SourceError):
    """The source did not answer within the timeout of the loader."""

    error_type = "SOURCE_TIMEOUT"
    is_retryable = True


class SourceTlsError(SourceError):
    """Certificate or TLS handshake failure."""

    error_type = "SOURCE_TLS_ERROR"


class SourceAuthenticationError(SourceError):
    """HTTP 401/403 or a refused database login."""

    error_type = "SOURCE_AUTHENTICATION_FAILED"


class SourceRefusedError(SourceError):
    """The source answered with a 4xx that is not about the query."""

    error_type = "SOURCE_REFUSED"


class SourceFailedError(SourceError):
    """The source answered with a 5xx."""

    error_type = "SOURCE_FAILED"
    is_retryable = True


class SourceQueryError(SourceError):
    """The source rejects the query itself (PromQL parse error, unknown field, SQL syntax)."""

    error_type = "SOURCE_QUERY_ERROR"


class SourceAnswerError(SourceError):
    """The answer is truncated, not JSON, or not of the documented shape."""

    error_type = "SOURCE_ANSWER_INVALID"
    is_retryable = True


class SourceLimitError(SourceError):
    """A limit of the source was hit that chunking could not avoid (points per series, buckets, bytes)."""

    error_type = "SOURCE_LIMIT_EXCEEDED"


class CircuitOpenError(SourceError):
    """The circuit breaker of this source is open: it failed too often, nothing is sent until it had time to recover."""

    error_type = "CIRCUIT_OPEN"
    is_retryable = False


class StorageError(EtlmonError):
    """PostgreSQL or the lake cannot do what was asked."""

    error_type = "STORAGE_ERROR"


class StorageUnavailableError(StorageError):
    """PostgreSQL is down, restarting or unreachable."""

    error_type = "STORAGE_UNAVAILABLE"
    is_retryable = True


class StorageFullError(StorageError):
    """No space left for the lake or PostgreSQL."""

    error_type = "STORAGE_FULL"
