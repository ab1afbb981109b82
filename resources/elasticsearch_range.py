"""The range [start, end) as an Elasticsearch filter. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.capture.ranges import compute_epoch_us


def compute_epoch_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970, rounded up: the resolution of a `date` field, and never before the instant."""
    return -(-compute_epoch_us(instant) // 1_000)


def limit_to_range(
    queries: list[dict[str, Any]], timestamp_field: str, *, start: datetime, end: datetime
) -> dict[str, Any]:
    """Documents that match every query and lie in [start, end)."""
    bounds = {"gte": compute_epoch_ms(start), "lt": compute_epoch_ms(end), "format": "epoch_millis"}
    return {"bool": {"filter": [*queries, {"range": {timestamp_field: bounds}}]}}
