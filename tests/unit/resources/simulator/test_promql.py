"""PromQL on hand-made samples: staleness, counter resets, gaps, matching, and the words of refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from resources.simulator.grid import SCRAPE_MS, sample_ms
from resources.simulator.promql.memo import Memo
from resources.simulator.promql.query import evaluate_instant, evaluate_range
from resources.simulator.promql.values import BadQueryError, Labels, PromqlError, Scalar, Vector
from resources.simulator.sample_store import Samples

FIRST = 1_000_000
NAN = float("nan")


class HandMade:
    """A source of a few series, all beginning at sample FIRST."""

    generation = 0

    def __init__(self, *series: tuple[Labels, list[float]]) -> None:
        self._series = series
        self.reads = 0

    def select(
        self, matches: Callable[[Labels], bool], names: set[str] | None, *, first_index: int, last_index: int
    ) -> Samples:
        self.reads += 1
        chosen = [(labels, values) for labels, values in self._series if matches(labels)]
        block = np.full((len(chosen), last_index - first_index + 1), np.nan)
        for row, (_, values) in enumerate(chosen):
            for i, value in enumerate(values):
                if 0 <= FIRST + i - first_index < block.shape[1]:
                    block[row, FIRST + i - first_index] = value
        return Samples([labels for labels, _ in chosen], first_index, block)


def ask(source: HandMade, query: str, *, sample: int) -> dict[tuple[tuple[str, str], ...], float] | float:
    at_ms = int(sample_ms(FIRST + sample)) + 1
    answer = evaluate_instant(source, query, at_ms=at_ms, newest_index=FIRST + 10_000)
    if isinstance(answer, Scalar):
        return float(answer.values[0])
    assert isinstance(answer, Vector)
    return {
        tuple(sorted(labels.items())): float(value)
        for labels, value, present in zip(answer.labels, answer.values[:, 0], answer.present[:, 0], strict=True)
        if present
    }


def m(name: str, **labels: str) -> Labels:
    return {"__name__": name, **labels}


def test_a_value_is_seen_for_five_minutes_after_its_last_sample() -> None:
    source = HandMade((m("a"), [5.0] + [NAN] * 30))
    assert ask(source, "a", sample=9) == {(("__name__", "a"),): 5.0}
    assert ask(source, "a", sample=11) == {}


def test_samples_that_have_not_happened_yet_are_not_seen() -> None:
    source = HandMade((m("a"), [1.0, 2.0, 3.0]))
    at_ms = int(sample_ms(FIRST + 2)) + 1
    answer = evaluate_instant(source, "a", at_ms=at_ms, newest_index=FIRST + 1)
    assert isinstance(answer, Vector)
    assert answer.values[0, 0] == 2.0


def test_rate_counts_over_a_reset() -> None:
    values = [100.0, 110.0, 120.0, 5.0, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 75.0]
    source = HandMade((m("c"), values))
    (rate,) = ask(source, "rate(c[5m])", sample=10).values()  # type: ignore[union-attr]
    assert rate == pytest.approx(95 / 300, rel=0.05)
    assert ask(source, "resets(c[5m])", sample=10) == {(): 1.0}


def test_increase_over_a_gap_uses_the_samples_around_it() -> None:
    source = HandMade((m("c"), [0.0, 10.0, NAN, NAN, 40.0, 50.0]))
    (increase,) = ask(source, "increase(c[2m30s])", sample=5).values()  # type: ignore[union-attr]
    assert increase == pytest.approx(50.0, rel=0.1)


def test_two_samples_are_needed_for_a_rate() -> None:
    assert ask(HandMade((m("c"), [1.0])), "rate(c[5m])", sample=3) == {}


def test_division_matches_by_labels_and_zero_by_zero_is_a_value() -> None:
    source = HandMade((m("a", x="1"), [0.0]), (m("b", x="1"), [0.0]), (m("a", x="2"), [1.0]))
    (value,) = ask(source, "a / b", sample=0).values()  # type: ignore[union-attr]
    assert np.isnan(value)


def test_an_ambiguous_match_is_refused_in_prometheus_words() -> None:
    source = HandMade((m("a", x="1", y="1"), [0.0]), (m("a", x="1", y="2"), [0.0]), (m("b", x="1"), [1.0]))
    with pytest.raises(PromqlError, match="many-to-one matching must be explicit"):
        ask(source, "a / on (x) b", sample=0)
    with pytest.raises(PromqlError, match="many-to-many matching not allowed"):
        ask(source, "b / on (x) a", sample=0)


@pytest.mark.parametrize("query", ["", "sum(", "rate(a)", "a[5m", "nope(a)"])
def test_what_is_not_promql_is_bad_data(query: str) -> None:
    with pytest.raises(BadQueryError, match="parse error"):
        ask(HandMade(), query, sample=0)


def test_percentiles_of_one_histogram_read_the_samples_once() -> None:
    source = HandMade(
        *[(m("h_bucket", le=le), [float(i * k) for i in range(400)]) for k, le in enumerate(("1", "2", "+Inf"), 1)]
    )
    memo = Memo()
    start = int(sample_ms(FIRST + 20))
    for q in ("0.5", "0.99"):
        answer = evaluate_range(
            source,
            f"histogram_quantile({q}, sum by (le) (rate(h_bucket[5m])))",
            start_ms=start,
            end_ms=start + 300 * SCRAPE_MS,
            step_ms=SCRAPE_MS,
            newest_index=FIRST + 400,
            memo=memo,
        )
        assert isinstance(answer, Vector)
        assert answer.present.all()
    assert source.reads == 1
