"""Ships the estate's log lines to the Elasticsearch API: history first, then what has arrived since the last tick.

Lines are created under stable ids; one that is there already is left alone, so shipping may be repeated at will.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import httpx
import orjson

from domain.errors import SourceFailedError
from resources.simulator.fault_model import FaultWindow
from resources.simulator.log_lines import LogBook, LogLine
from resources.simulator.season import DAY_S

INDEX = "logs-etl"
BATCH = 500
LONGEST_DELAY_S = 2 * 3600.0
KEYWORD = {"type": "keyword"}
MAPPING: dict[str, Any] = {
    "properties": {
        "@timestamp": {"type": "date"},
        "level": KEYWORD,
        "log": {"properties": {"level": KEYWORD, "logger": KEYWORD}},
        "service": {"properties": {"name": KEYWORD}},
        "message": {"type": "text"},
        "correlationId": KEYWORD,
        "error": {"properties": {"type": KEYWORD}},
        "kubernetes": {"properties": {"pod": {"properties": {"name": KEYWORD}}}},
        "event": {"properties": {"ingested": {"type": "date"}}},
    }
}


class LogFeed:
    """Remembers up to which instant of arrival everything has been shipped."""

    def __init__(self, book: LogBook, url: str, *, from_s: float) -> None:
        self._book, self.shipped_until_s = book, from_s
        self._client = httpx.Client(base_url=url, timeout=60.0)
        self._day = lru_cache(maxsize=4)(self._book.compute_day)
        self.documents = 0

    def prepare(self) -> None:
        """Put the index template with the mapping of the fields."""
        body = {"index_patterns": ["logs-*"], "template": {"mappings": MAPPING}}
        self._client.put("/_index_template/logs", json=body).raise_for_status()

    def ship(self, windows: tuple[FaultWindow, ...], *, until_s: float) -> int:
        """Everything that arrived after the last call and not after `until_s`; returns the number of new documents."""
        since_s = self.shipped_until_s
        lines: list[LogLine] = []
        for day in range(int((since_s - LONGEST_DELAY_S) // DAY_S), int(until_s // DAY_S) + 1):
            lines += [line for line in self._day(day, windows) if since_s < line.ingested_s <= until_s]
        created = sum(self._create(lines[i : i + BATCH]) for i in range(0, len(lines), BATCH))
        self.shipped_until_s = max(since_s, until_s)
        self.documents += created
        return created

    def _create(self, lines: Sequence[LogLine]) -> int:
        body = b"".join(
            orjson.dumps({"create": {"_id": line.doc_id}}) + b"\n" + orjson.dumps(line.document) + b"\n"
            for line in lines
        )
        answer = self._client.post(
            f"/{INDEX}/_bulk?refresh=true", content=body, headers={"Content-Type": "application/x-ndjson"}
        )
        statuses = [item["create"]["status"] for item in answer.raise_for_status().json()["items"]]
        refused = [status for status in statuses if status not in {201, 409}]
        if refused:
            raise SourceFailedError(
                f"the log store refused {len(refused)} documents with status {refused[0]}",
                suggestion="look at the simulator's log; it tries again at the next tick",
            )
        return statuses.count(201)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
