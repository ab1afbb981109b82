"""Signal identity and the column shapes that travel through the flow.

A signal is one value of one series at one instant. A series is (loader_code, metric_name, labels); its id is a stable
64-bit hash of the canonical form, the same on every machine and in every release.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson
import polars as pl

TIMESTAMP = pl.Datetime("us", "UTC")

#: What estimators read: one row per value. Sorted by series and time unless a function says otherwise.
POINTS_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "captured_at": TIMESTAMP,
    "metric_value": pl.Float64(),
}

#: The dimension table of the lake.
SERIES_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "loader_code": pl.String(),
    "metric_name": pl.String(),
    "labels": pl.String(),
}


def canonical_labels(labels: Mapping[str, str]) -> str:
    """Labels as compact JSON with sorted keys: equal label sets give equal text, whatever order they came in."""
    return orjson.dumps(dict(labels), option=orjson.OPT_SORT_KEYS).decode()


def compute_series_id(loader_code: str, metric_name: str, labels_json: str) -> int:
    """Signed 64-bit id of a series: BLAKE2b over the length-prefixed parts.

    Args:
        labels_json: the canonical form from `canonical_labels`.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in (loader_code, metric_name, labels_json):
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return int.from_bytes(digest.digest(), "big", signed=True)
