"""The only reader of the clock. Everything else receives instants as values."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(UTC)
