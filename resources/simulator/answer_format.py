"""Answers exactly as Prometheus writes them: values are strings without exponent, instants seconds with milliseconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from resources.simulator.grid import Floats, Ints
from resources.simulator.promql.values import Labels, Scalar, Text, Value, Vector, label_key
from resources.simulator.promql.windows import RangeBlock

HEAD = b'{"status":"success","data":{"resultType":"'


def format_values(values: Floats) -> list[str]:
    """Shortest text of each number that reads back the same, as Go's FormatFloat 'f' writes it."""
    if not np.isfinite(values).all():
        return [_format_special(value) for value in values.tolist()]
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY).decode()[1:-1]
    if not text:
        return []
    parts = text.split(",")
    if "e" in text:
        parts = [np.format_float_positional(float(part), trim="-") if "e" in part else part for part in parts]
    return [part.removesuffix(".0") for part in parts]


def _format_special(value: float) -> str:
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return format_values(np.array([value]))[0]


def format_instants(instants_ms: Ints) -> list[str]:
    """Seconds; three decimals where they are not whole."""
    return [str(ms // 1000) if ms % 1000 == 0 else f"{ms // 1000}.{ms % 1000:03d}" for ms in instants_ms.tolist()]


def format_matrix(value: Vector | Scalar, steps_ms: Ints) -> bytes:
    """Body of a query_range answer; series in order of their labels."""
    if isinstance(value, Scalar):
        value = Vector([{}], value.values[None, :], np.ones((1, steps_ms.size), dtype=bool))
    instants = format_instants(steps_ms)
    order = sorted(range(len(value.labels)), key=lambda i: label_key(value.labels[i]))
    rows = [_format_row(value, i, instants) for i in order]
    return HEAD + b'matrix","result":[' + b",".join(rows) + b"]}}"


def _format_row(value: Vector, row: int, instants: list[str]) -> bytes:
    present = value.present[row]
    texts = format_values(value.values[row][present])
    if not present.all():
        instants = [instants[i] for i in np.flatnonzero(present)]
    return _metric(value.labels[row]) + b',"values":[' + _pairs(instants, texts) + b"]}"


def _pairs(instants: list[str], texts: list[str]) -> bytes:
    return ",".join([f'[{t},"{v}"]' for t, v in zip(instants, texts, strict=True)]).encode()


def _metric(labels: Labels) -> bytes:
    return b'{"metric":' + orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)


def format_instant(value: Value, at_ms: int) -> bytes:
    """Body of a query answer: vector, scalar or string."""
    instant = format_instants(np.array([at_ms]))[0].encode()
    if isinstance(value, Text):
        return HEAD + b'string","result":[' + instant + b"," + orjson.dumps(value.text) + b"]}}"
    if isinstance(value, Scalar):
        text = format_values(value.values)[0].encode()
        return HEAD + b'scalar","result":[' + instant + b',"' + text + b'"]}}'
    rows = [
        _metric(labels) + b',"value":[' + instant + b',"' + format_values(value.values[i])[0].encode() + b'"]}'
        for i, labels in enumerate(value.labels)
        if value.present[i, 0]
    ]
    return HEAD + b'vector","result":[' + b",".join(rows) + b"]}}"


def format_raw(block: RangeBlock) -> bytes:
    """Body of an instant query for a range selector: the samples themselves."""
    low, high = max(int(block.low[0]), 0), int(block.high[0]) + 1
    columns = np.arange(low, max(high, low))
    rows = []
    for i in sorted(range(len(block.labels)), key=lambda i: label_key(block.labels[i])):
        here = columns[block.present[i, low:high]]
        if here.size:
            pairs = _pairs(format_instants(block.times_ms(here)), format_values(block.values[i, here]))
            rows.append(_metric(block.labels[i]) + b',"values":[' + pairs + b"]}")
    return HEAD + b'matrix","result":[' + b",".join(rows) + b"]}}"


def format_data(data: Any) -> bytes:
    """Any other answer."""
    return orjson.dumps({"status": "success", "data": data})


def format_error(error_type: str, text: str) -> bytes:
    """An error as the HTTP API reports it."""
    return orjson.dumps({"status": "error", "errorType": error_type, "error": text})
