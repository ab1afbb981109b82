"""Remembers aggregated parts of queries, so that p50, p95 and p99 of one histogram cost one evaluation.

Keys hold everything the value depends on: text, steps, newest visible sample, generation of the samples.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from resources.simulator.promql.values import Vector


class Memo:
    """Least recently used vectors, up to a number of bytes. Thread-safe."""

    def __init__(self, limit_bytes: int = 48_000_000) -> None:
        self._limit, self._held = limit_bytes, 0
        self._vectors: OrderedDict[Hashable, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Vector | None:
        """The remembered vector."""
        with self._lock:
            if key in self._vectors:
                self._vectors.move_to_end(key)
            return self._vectors.get(key)

    def put(self, key: Hashable, vector: Vector) -> None:
        """Remember a vector; nobody may change it afterwards."""
        with self._lock:
            if key in self._vectors:
                return
            self._vectors[key] = vector
            self._held += _size(vector)
            while self._held > self._limit and self._vectors:
                self._held -= _size(self._vectors.popitem(last=False)[1])


def _size(vector: Vector) -> int:
    return vector.values.nbytes + vector.present.nbytes
