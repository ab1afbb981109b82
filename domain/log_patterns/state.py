"""What the miner remembers: clusters of structures with their counts, in plain JSON for the next run.

The id of a template is the hash of the structure in which it was first seen, so it is the same after a restart and on
every machine; when templates merge, the one seen first keeps its id and `aliases` names the others. The state after
some lines does not depend on how they were cut into batches, as long as no more than MAX_KEYS structures were met.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import InputDataError
from domain.log_patterns.merging import Key, KeyMerger
from domain.log_patterns.naming import compute_names
from domain.log_patterns.rendering import fold_spans, render_template, render_typed
from domain.log_patterns.tokens import VARIABLE, Line

#: Structures kept in full. From then on a new one joins a known variable position, or all of its length and first word.
MAX_KEYS = 20_000
#: After twice as many, what is still new is one template, "anything else".
STATE_VERSION = 1

TEMPLATES_SCHEMA: dict[str, pl.DataType] = {
    "template_id": pl.String(),
    "template": pl.String(),
    "typed_template": pl.String(),
    "name": pl.String(),
    "count": pl.Int64(),
    "first_seen_line": pl.Int64(),
}
ALIASES_SCHEMA: dict[str, pl.DataType] = {"template_id": pl.String(), "current_template_id": pl.String()}


@dataclass(slots=True)
class Cluster:
    """What is known of the lines of one structure. `was_shown` says that its id may be known outside."""

    key: Key
    template_id: str
    spans: list[str]
    first_seen_line: int
    count: int = 0
    was_shown: bool = True


class _SavedCluster(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: list[str]
    spans: list[str]
    first_seen_line: int
    count: int


class _SavedState(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: int
    lines_seen: int
    clusters: list[_SavedCluster]


class MinerState:
    """Everything that the miner remembers; `mine_templates` advances it in place.

    Args:
        max_keys: structures kept in full, which bounds memory at about 3 KB each.

    """

    def __init__(self, *, max_keys: int = MAX_KEYS) -> None:
        self.max_keys = max_keys
        self.lines_seen = 0
        self.clusters: list[Cluster] = []
        self._merger = KeyMerger()

    def learn(self, line: Line, *, count: int, line_number: int) -> int:
        """Count `count` lines of one structure, new or known; returns their cluster number."""
        line = self._admit(line)
        number = self._find(line.key)
        if number is None:
            number = self._enter(line, line_number=line_number)
        cluster = self.clusters[number]
        cluster.count += count
        fold_spans(cluster.spans, line.spans)
        return number

    def _find(self, key: Key) -> int | None:
        number = self._merger.lookup(key)
        if number is None and len(self.clusters) >= self.max_keys:
            return self._merger.match(key)
        return number

    def _admit(self, line: Line) -> Line:
        """The line itself while there is room or it is known; else first word and length; else nothing of it."""
        if len(self.clusters) < self.max_keys or self._find(line.key) is not None:
            return line
        first = line.key[0] if line.key else ""
        coarse = Line((first, VARIABLE, f"#{len(line.key)}"), (line.spans[0] if line.spans else "", f" {VARIABLE}", ""))
        if len(self.clusters) < 2 * self.max_keys or self._find(coarse.key) is not None:
            return coarse
        return Line((VARIABLE, "#"), (VARIABLE, ""))

    def _enter(self, line: Line, *, line_number: int) -> int:
        own = len(self.clusters)
        self.clusters.append(Cluster(line.key, compute_template_id(line.key), list(line.spans), line_number))
        number = self._merger.find(self._merger.add(line.key))
        self.clusters[own].was_shown = number == own
        for kept, gone in self._merger.absorbed:
            self.clusters[kept].count += self.clusters[gone].count
            self.clusters[gone].count = 0
            fold_spans(self.clusters[kept].spans, self.clusters[gone].spans)
        self._merger.absorbed.clear()
        return number

    def current_ids(self) -> list[str]:
        """Template id of every cluster number handed out so far, after all merges."""
        return [self.clusters[self._merger.find(number)].template_id for number in range(len(self.clusters))]

    def templates(self) -> pl.DataFrame:
        """Frame of TEMPLATES_SCHEMA by first appearance; `first_seen_line` counts from 1 over all batches."""
        rows = [cluster for number, cluster in enumerate(self.clusters) if self._merger.find(number) == number]
        typed = [render_typed(cluster.spans) for cluster in rows]
        ids = [cluster.template_id for cluster in rows]
        columns = {
            "template_id": ids,
            "template": [render_template(text) for text in typed],
            "typed_template": typed,
            "name": compute_names(typed, ids),
            "count": [cluster.count for cluster in rows],
            "first_seen_line": [cluster.first_seen_line for cluster in rows],
        }
        return pl.DataFrame(columns, schema=TEMPLATES_SCHEMA)

    def aliases(self) -> pl.DataFrame:
        """Frame of ALIASES_SCHEMA: ids that were handed out once and belong to another template by now."""
        pairs = [
            (cluster.template_id, current)
            for cluster, current in zip(self.clusters, self.current_ids(), strict=True)
            if cluster.was_shown and cluster.template_id != current
        ]
        return pl.DataFrame(pairs, schema=ALIASES_SCHEMA, orient="row")

    def to_json(self) -> str:
        """The state as JSON text. Its size grows with the structures met, not with the lines."""
        clusters = [
            {"key": c.key, "spans": c.spans, "first_seen_line": c.first_seen_line, "count": c.count}
            for c in self.clusters
        ]
        return orjson.dumps({"version": STATE_VERSION, "lines_seen": self.lines_seen, "clusters": clusters}).decode()

    @classmethod
    def from_json(cls, text: str | bytes, *, max_keys: int = MAX_KEYS) -> MinerState:
        """The state as `to_json` wrote it: structures are entered again in their order, counts and texts restored.

        InputDataError if the text is not such a state.
        """
        saved = _parse_saved(text)
        state = cls(max_keys=max_keys)
        for entry in saved.clusters:
            state._enter(Line(tuple(entry.key), tuple(entry.spans)), line_number=entry.first_seen_line)
        for cluster, entry in zip(state.clusters, saved.clusters, strict=True):
            cluster.count, cluster.spans = entry.count, entry.spans
        state.lines_seen = saved.lines_seen
        return state


def _parse_saved(text: str | bytes) -> _SavedState:
    suggestion = "Hand in a file written by `etlmon templates --state`, or leave it away to start anew."
    try:
        saved = _SavedState.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise InputDataError(
            f"The template state is not readable: {where}: {first['msg']}", suggestion=suggestion
        ) from error
    if saved.version != STATE_VERSION:
        raise InputDataError(
            f"The template state has version {saved.version}, not {STATE_VERSION}", suggestion=suggestion
        )
    if any(len(entry.key) != len(entry.spans) for entry in saved.clusters):
        raise InputDataError("The template state is damaged: key and spans differ in length", suggestion=suggestion)
    return saved


def compute_template_id(key: Key) -> str:
    """16 hex digits: BLAKE2b of the structure, in which each part is followed by a unit separator."""
    return hashlib.blake2b("".join(part + "\x1f" for part in key).encode(), digest_size=8).hexdigest()
