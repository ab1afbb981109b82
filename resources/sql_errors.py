"""What a database or its driver says, in our error tree. The database's words are kept, its connection string never is."""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from domain.errors import (
    SourceAuthenticationError,
    SourceError,
    SourceFailedError,
    SourceQueryError,
    SourceTimeoutError,
    SourceTlsError,
    SourceUnreachableError,
)
from resources.secret_registry import mask_secrets

_TIMEOUT = ("interrupted", "timeout expired", "timed out", "statement timeout", "canceling statement")
_LOGIN = ("authentication failed", "access denied", "no pg_hba.conf", "does not exist", "login failed", "no password")
_DOWN = ("refused", "could not connect", "connection failed", "unable to open", "name resolution", "translate host",
         "closed the connection", "not known", "is not a database", "unreachable", "connection to server")  # fmt: skip
_BUSY = (
    "locked",
    "shutting down",
    "starting up",
    "too many clients",
    "too many connections",
    "disk i/o",
    "terminating",
)


def describe_url(url: URL) -> str:
    """The address of a database as it may stand in a message."""
    return URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def translate_sql_error(error: SQLAlchemyError, url: URL, *, timeout_s: float, is_connected: bool) -> SourceError:
    """An error of SQLAlchemy or the driver. Before there is a connection, a failure is never about the query."""
    where = describe_url(url)
    original = error.orig if isinstance(error, DBAPIError) else error
    words = mask_secrets(" ".join(str(original).split()))[:500]
    if url.password:
        words = words.replace(str(url.password), "***")
    low = words.lower()
    code = str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")
    if code == "57014" or any(mark in low for mark in _TIMEOUT):
        return SourceTimeoutError(
            f"{where} did not answer within {timeout_s:g} s: {words}",
            suggestion="raise timeout_s of the loader, narrow the query to its window, or add an index",
            url=where,
            timeout_s=timeout_s,
        )
    if code.startswith("28") or (not is_connected and any(mark in low for mark in _LOGIN)):
        return SourceAuthenticationError(
            f"{where} refuses the login: {words}",
            suggestion="correct username, password or database of the connection",
            url=where,
        )
    if not is_connected and ("ssl" in low or "certificate" in low):
        return SourceTlsError(
            f"no trusted TLS connection to {where}: {words}",
            suggestion="set ca_file to the authority's certificate, or sslmode in the connection's url",
            url=where,
        )
    if code[:2] in {"53", "57"} or any(mark in low for mark in _BUSY):
        return SourceFailedError(
            f"{where} cannot answer now: {words}",
            suggestion="look at the load and the log of the database; the window stays due",
            url=where,
        )
    if not is_connected or code[:2] == "08" or any(mark in low for mark in _DOWN):
        return SourceUnreachableError(
            f"cannot reach {where}: {words}",
            suggestion="check host, port, file and driver in the connection's url, and that the database is running",
            url=where,
        )
    return SourceQueryError(
        f"{where} rejects the query: {words}",
        suggestion="correct the SQL; it must be a SELECT, and a colon in a literal is written as \\:",
        url=where,
    )
