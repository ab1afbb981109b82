"""The JSON of a Prometheus answer → columns, fast. Knows the document, not how it was asked for.

`json.loads` spends its time on making Python objects of two million numbers. Here the arrays of samples are cut out of
the bytes and read by the multi-threaded CSV reader of polars; only the skeleton with the labels is parsed as JSON. The
cut is safe: in valid JSON the bytes `,"values":[[` cannot occur inside a string, where a quote is escaped. Whatever
does not look exactly like the compact form that servers write is parsed as ordinary JSON instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import polars as pl

_MARK = b',"values":[['
_END = b"]]"
_SAMPLE_BYTES = b'0123456789+-.eE,[]"NaInf'
#: Samples `1700000000,"1.5"],[1700000060,"2"` become CSV lines `,1700000000,1.5`; the first column is always empty.
_TO_LINES = bytes.maketrans(b"]", b"\n")
_LINE_SCHEMA = {"lead": pl.String(), "epoch_s": pl.Float64(), "metric_value": pl.Float64()}


class NotAnAnswerError(ValueError):
    """The body is not JSON, or JSON of another shape."""


class RefusedQueryError(ValueError):
    """The server understood and says no, in its own words."""

    def __init__(self, error_type: str, words: str) -> None:
        super().__init__(f"{error_type}: {words}")
        self.error_type = error_type
        self.words = words


@dataclass(frozen=True, slots=True)
class TextSample:
    """A sample whose value is not a number."""

    series_index: int
    epoch_s: float
    raw_value: str


@dataclass(frozen=True, slots=True)
class PrometheusAnswer:
    """A matrix, vector, scalar or string result.

    Attributes:
        metrics: the labels of each series, `__name__` included.
        counts: samples per series, in the order of `metrics`.
        epoch_s, values: samples of all series, one after the other.
        texts: samples that are not numbers; not part of `counts`.
        histograms: native histogram samples per series index, which have no single value.
        notices: warnings and infos of the server (a partial answer says so here).
    """

    metrics: list[dict[str, str]]
    counts: np.ndarray
    epoch_s: np.ndarray
    values: np.ndarray
    texts: list[TextSample] = field(default_factory=list)
    histograms: dict[int, int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def parse_answer(body: bytes) -> PrometheusAnswer:
    """The answer in columns.

    Raises:
        NotAnAnswerError: not JSON, or not the documented shape.
        RefusedQueryError: the document is Prometheus' error document.
    """
    return _parse_by_columns(body) or parse_plainly(body)


def parse_plainly(body: bytes) -> PrometheusAnswer:
    """The same through ordinary JSON objects: reference for `parse_answer`, and its way out for odd documents."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotAnAnswerError(f"not JSON ({error})") from None
    if isinstance(document, dict) and document.get("status") == "error":
        raise RefusedQueryError(str(document.get("errorType", "unknown")), str(document.get("error", "")))
    try:
        return _read_document(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotAnAnswerError(f"JSON of an unexpected shape ({type(error).__name__}: {error})") from None


def _parse_by_columns(body: bytes) -> PrometheusAnswer | None:
    pieces, regions = _cut_samples(body)
    if not regions:
        return None
    try:
        document = orjson.loads(b"".join(pieces))
        result = document["data"]["result"]
        if document["status"] != "success" or document["data"]["resultType"] != "matrix":
            return None
        held = [(index, one["values"]) for index, one in enumerate(result) if one.get("values", []) != []]
        if [place for _, place in held] != list(range(len(regions))):
            return None
        samples = _read_samples(b"],[".join(regions))
        counts = np.zeros(len(result), dtype=np.int64)
        counts[[index for index, _ in held]] = [region.count(b"[") + 1 for region in regions]
        if samples is None or samples.height != counts.sum():
            return None
        return PrometheusAnswer(
            metrics=_labels(result),
            counts=counts,
            epoch_s=samples["epoch_s"].to_numpy(),
            values=samples["metric_value"].to_numpy(),
            histograms=_count_histograms(result),
            notices=_notices(document),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None


def _cut_samples(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """The document around the sample arrays, each replaced by its number, and the arrays."""
    pieces: list[bytes] = []
    regions: list[bytes] = []
    position = 0
    while (found := body.find(_MARK, position)) >= 0:
        begin = found + len(_MARK)
        end = body.find(_END, begin)
        if end < 0:
            break
        pieces.append(body[position : begin - 2] + str(len(regions)).encode())
        regions.append(body[begin:end])
        position = end + len(_END)
    pieces.append(body[position:])
    return pieces, regions


def _read_samples(joined: bytes) -> pl.DataFrame | None:
    """All samples as numbers, or None when one of them is not written as `[number,"number"]`."""
    breaks = joined.count(b'"],[')
    is_plain = (
        not joined.translate(None, _SAMPLE_BYTES)
        and joined.count(b"]") == breaks
        and joined.count(b"[") == breaks
        and joined.count(b',"') == breaks + 1
        and joined.count(b'"') == 2 * (breaks + 1)
    )
    if not is_plain:
        return None
    try:
        frame = pl.read_csv(
            b"," + joined.translate(_TO_LINES, b'["'), has_header=False, schema=_LINE_SCHEMA, quote_char=None
        )
    except pl.exceptions.PolarsError:
        return None
    return frame if not frame["metric_value"].null_count() + frame["epoch_s"].null_count() else None


def _read_document(document: dict[str, Any]) -> PrometheusAnswer:
    data = document["data"]
    kind, result = data["resultType"], data["result"]
    if kind in {"scalar", "string"}:
        result = [{"metric": {}, "value": result}]
    samples = [one.get("values") or ([one["value"]] if one.get("value") else []) for one in result]
    flat = [(index, float(at), str(value)) for index, rows in enumerate(samples) for at, value in rows]
    table = pl.DataFrame(
        flat, schema={"series_index": pl.Int64(), "epoch_s": pl.Float64(), "raw": pl.String()}, orient="row"
    ).with_columns(pl.col("raw").cast(pl.Float64, strict=False).alias("metric_value"))
    numbers, others = table.drop_nulls("metric_value"), table.filter(pl.col("metric_value").is_null())
    return PrometheusAnswer(
        metrics=_labels(result),
        counts=np.bincount(numbers["series_index"].to_numpy(), minlength=len(result)).astype(np.int64),
        epoch_s=numbers["epoch_s"].to_numpy(),
        values=numbers["metric_value"].to_numpy(),
        texts=[TextSample(index, at, raw) for index, at, raw, _ in others.iter_rows()],
        histograms=_count_histograms(result),
        notices=_notices(document),
    )


def _labels(result: list[dict[str, Any]]) -> list[dict[str, str]]:
    metrics = [one["metric"] for one in result]
    if not all(isinstance(value, str) for metric in metrics for value in metric.values()):
        raise TypeError("a label is not text")
    return metrics


def _count_histograms(result: list[dict[str, Any]]) -> dict[int, int]:
    held = (
        (index, one.get("histograms") or ([one["histogram"]] if "histogram" in one else []))
        for index, one in enumerate(result)
    )
    return {index: len(samples) for index, samples in held if samples}


def _notices(document: dict[str, Any]) -> list[str]:
    return [str(text) for key in ("warnings", "infos") for text in document.get(key) or []]
