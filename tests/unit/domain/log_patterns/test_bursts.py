from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.log_patterns.bursts import COUNTS_SCHEMA, FINDINGS_SCHEMA, detect_new_and_bursting

START = datetime(2031, 5, 6, tzinfo=UTC)


def at(window: int) -> datetime:
    return START + timedelta(minutes=5 * window)


def counts(rows: list[tuple[str, int, str, int]]) -> pl.DataFrame:
    return pl.DataFrame([(t, at(w), s, n) for t, w, s, n in rows], schema=COUNTS_SCHEMA, orient="row")


def steady(
    windows: int, *, service: str = "loader", mean: float = 20, seed: int = 3
) -> list[tuple[str, int, str, int]]:
    drawn = np.random.default_rng(seed).poisson(mean, windows)
    return [("steady", window, service, int(n)) for window, n in enumerate(drawn)]


def kinds(frame: pl.DataFrame) -> list[tuple[str, datetime, str]]:
    return frame.select("template_id", "window_start", "kind").rows()


@pytest.mark.requirement("C5")
def test_a_burst_is_found_with_what_was_expected() -> None:
    found = detect_new_and_bursting(counts([*steady(60), ("steady", 60, "loader", 200)]))
    assert kinds(found) == [("steady", at(60), "burst")]
    row = found.row(0, named=True)
    assert row["expected"] == pytest.approx(20, abs=2)
    assert 0.5 <= row["score"] <= 1
    assert "200 lines" in row["reason"]


@pytest.mark.requirement("C5")
def test_a_template_never_seen_in_the_service_is_new() -> None:
    found = detect_new_and_bursting(counts([*steady(60), ("fresh", 59, "loader", 1)]))
    assert kinds(found) == [("fresh", at(59), "new")]
    assert found["score"].item() > 0.9
    assert found["expected"].item() == 0


def test_new_templates_score_low_where_they_come_all_the_time() -> None:
    rows = [*steady(60), *[(f"t{window}", window, "loader", 1) for window in range(60)]]
    found = detect_new_and_bursting(counts(rows), since=at(59))
    assert found["score"].item() < 0.1


def test_ordinary_noise_is_silent() -> None:
    assert detect_new_and_bursting(counts([*steady(500), *steady(500, service="api", mean=2, seed=9)])).is_empty()


def test_too_little_history_is_silent() -> None:
    rows = [*steady(5), ("steady", 5, "loader", 500), ("fresh", 5, "loader", 3)]
    assert detect_new_and_bursting(counts(rows)).is_empty()


def test_a_burst_does_not_hide_the_next() -> None:
    rows = [row for row in steady(80) if row[1] not in (40, 70)]
    found = detect_new_and_bursting(counts([*rows, ("steady", 40, "loader", 900), ("steady", 70, "loader", 120)]))
    assert [row[1] for row in kinds(found)] == [at(40), at(70)]


def test_a_lasting_rise_becomes_the_new_normal() -> None:
    rows = [(t, w, s, n * 8 if w >= 40 else n) for t, w, s, n in steady(120)]
    found = detect_new_and_bursting(counts(rows))
    assert found["window_start"].min() == at(40)
    assert found["window_start"].max() < at(60)


def test_silence_before_counts_as_nothing() -> None:
    rows = [*steady(60), ("rare", 3, "loader", 1), ("rare", 59, "loader", 30)]
    assert kinds(detect_new_and_bursting(counts(rows))) == [("rare", at(59), "burst")]


def test_services_do_not_see_each_other() -> None:
    rows = [*steady(60), *[("other", w, "api", 1) for w in range(60)], ("steady", 59, "api", 4)]
    assert kinds(detect_new_and_bursting(counts(rows))) == [("steady", at(59), "new")]


def test_no_counts_give_no_findings() -> None:
    found = detect_new_and_bursting(counts([]))
    assert found.is_empty()
    assert dict(found.schema) == FINDINGS_SCHEMA


ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.sampled_from(["s1", "s2"]), st.integers(0, 10_000)),
    max_size=60,
)


@given(ROWS, st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_later_windows_change_nothing_and_scores_are_bounded(rows: list[tuple[str, int, str, int]], cut: int) -> None:
    whole = detect_new_and_bursting(counts(rows), min_history_windows=3)
    early = detect_new_and_bursting(counts([row for row in rows if row[1] <= cut]), min_history_windows=3)
    assert early.rows() == whole.filter(pl.col("window_start") <= at(cut)).rows()
    assert whole["score"].is_between(0, 1).all()
    assert detect_new_and_bursting(counts(rows[::-1]), min_history_windows=3).rows() == whole.rows()
