"""Identity of a series: stable for ever, independent of order, distinct for what differs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.signals import canonical_labels, compute_series_id

#: Written down once; a change of it would orphan every signal ever captured.
EXPECTED = 6_171_354_532_877_949_387
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_an_id_never_changes_between_releases() -> None:
    assert compute_series_id("STATS-PERF", "latency_p99_ms", '{"service":"gateway"}') == EXPECTED


@given(st.dictionaries(TEXT, TEXT, max_size=6), st.randoms(use_true_random=False))
def test_label_order_does_not_matter(labels: dict[str, str], chance: object) -> None:
    items = list(labels.items())
    chance.shuffle(items)  # type: ignore[attr-defined]
    assert canonical_labels(dict(items)) == canonical_labels(labels)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=2, max_size=2, unique=True))
def test_different_parts_have_different_ids(parts: list[tuple[str, str, str]]) -> None:
    first, second = parts
    assert compute_series_id(*first) != compute_series_id(*second)


def test_parts_do_not_run_into_each_other() -> None:
    assert compute_series_id("AB", "c", "{}") != compute_series_id("A", "Bc", "{}")
    assert -(2**63) <= compute_series_id("A", "b", "{}") < 2**63
