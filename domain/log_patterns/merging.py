"""Which keys differ only by the value of a variable, found online: union of keys that agree in all positions but one.

For every position of a new key that could be a variable, the key without that position is looked up; the different
texts seen there, and what stands before it, decide. Nothing is ever split, so ids only disappear by merging. The result
depends on the order of the distinct keys alone, never on how lines were cut into batches.
"""

from __future__ import annotations

from collections.abc import Collection

from domain.log_patterns.tokens import DELIMITERS, VARIABLE, is_word

#: Positions beyond this one are never tried as variables on their own.
MAX_POSITIONS = 64
#: Different words at one place that make it a variable, and the words that must agree around it.
MIN_WORDS = 3
MIN_WORDS_IN_CAPITALS = 6
MIN_AGREEING_WORDS = 3
#: The same after a preposition (`for alice`, `from build`), where names stand.
MIN_WORDS_AFTER_PREPOSITION = 2
MIN_AGREEING_AFTER_PREPOSITION = 2
PREPOSITIONS = frozenset(
    ["for", "from", "to", "by", "user", "on", "at", "of", "with", "as", "named", "called", "host", "node", "program"]
)

Key = tuple[str, ...]


class KeyMerger:
    """Clusters of keys, numbered in the order in which they were first seen.

    Attributes:
        absorbed: pairs (kept, gone) of the merges since the list was last emptied; the owner folds its records by them.

    """

    def __init__(self) -> None:
        self.absorbed: list[tuple[int, int]] = []
        self._parents: list[int] = []
        self._clusters: dict[Key, int] = {}
        self._seen: dict[int, dict[str, int]] = {}
        self._wildcards: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._parents)

    def find(self, cluster: int) -> int:
        """The cluster that a number stands for after all merges: the one of them seen first."""
        root = cluster
        while self._parents[root] != root:
            root = self._parents[root]
        while self._parents[cluster] != root:
            self._parents[cluster], cluster = root, self._parents[cluster]
        return root

    def lookup(self, key: Key) -> int | None:
        """Cluster of a known key, else None."""
        cluster = self._clusters.get(key)
        return None if cluster is None else self.find(cluster)

    def match(self, key: Key) -> int | None:
        """Cluster of which an unknown key is one more value at a variable position, without remembering the key."""
        for position in range(1, min(len(key), MAX_POSITIONS)):
            cluster = self._wildcards.get(_frame(key, position)) if _can_vary(key[position]) else None
            if cluster is not None:
                return self.find(cluster)
        return None

    def add(self, key: Key) -> int:
        """Number of a new cluster for an unseen key, before the merges that it causes (see `find`)."""
        cluster = len(self._parents)
        self._parents.append(cluster)
        self._clusters[key] = cluster
        self._connect(key, cluster)
        return cluster

    def _connect(self, key: Key, cluster: int) -> None:
        words = {index for index, text in enumerate(key) if is_word(text)}
        for position in range(1, min(len(key), MAX_POSITIONS)):
            text = key[position]
            if _can_vary(text):
                self._try_position(key, position, cluster, agreeing=len(words - {position}))

    def _try_position(self, key: Key, position: int, cluster: int, *, agreeing: int) -> None:
        frame = _frame(key, position)
        if frame in self._wildcards:
            self._unite(cluster, self._wildcards[frame])
            return
        seen = self._seen.setdefault(frame, {})
        seen.setdefault(key[position], cluster)
        if len(seen) < 2 or not decide_is_variable(key[position - 1], seen.keys(), agreeing=agreeing):
            return
        for member in self._seen.pop(frame).values():
            self._unite(cluster, member)
        self._wildcards[frame] = cluster
        self._connect_generalised((*key[:position], VARIABLE, *key[position + 1 :]), cluster)

    def _connect_generalised(self, key: Key, cluster: int) -> None:
        if key in self._clusters:
            self._unite(cluster, self._clusters[key])
        else:
            self._clusters[key] = cluster
            self._connect(key, cluster)

    def _unite(self, one: int, other: int) -> None:
        kept, gone = sorted((self.find(one), self.find(other)))
        if kept != gone:
            self._parents[gone] = kept
            self.absorbed.append((kept, gone))


def _frame(key: Key, position: int) -> int:
    """Hash of a key without one position; never leaves the process."""
    return hash((position, key[:position], key[position + 1 :]))


def _can_vary(text: str) -> bool:
    if text in DELIMITERS or ".." in text:
        return False
    return text in (VARIABLE, "") or is_word(text) or "." in text


def decide_is_variable(before: str, texts: Collection[str], *, agreeing: int) -> bool:
    """Whether the different texts seen at one place, all else being equal, are values of a variable.

    Args:
        before: the text in front of the place.
        texts: at least two different texts seen there.
        agreeing: words around the place that are the same in all of them.

    """
    if VARIABLE in texts or "" in texts:
        return agreeing >= 2
    if all(text.upper() == text for text in texts):
        return len(texts) >= MIN_WORDS_IN_CAPITALS
    if before in PREPOSITIONS and agreeing >= MIN_AGREEING_AFTER_PREPOSITION:
        return len(texts) >= MIN_WORDS_AFTER_PREPOSITION
    return len(texts) >= MIN_WORDS and agreeing >= MIN_AGREEING_WORDS
