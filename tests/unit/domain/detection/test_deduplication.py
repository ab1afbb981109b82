"""One alert or two: the sliding window, on every order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus, Category
from domain.detection.deduplication import WINDOW, Stretch, fold_events
from domain.vocabulary import Severity

pytestmark = pytest.mark.requirement("D7")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
F, R = AlertStatus.FIRING, AlertStatus.RESOLVED


def event(seconds: float, status: AlertStatus = F, *, fired: float | None = None) -> AlertEvent:
    at = NOON + timedelta(seconds=seconds)
    begun = at if fired is None else NOON + timedelta(seconds=fired)
    return AlertEvent(
        "f", status, at, begun, begun, AlertSource.RULE, "r", "t", "s", Severity.HIGH, Category.TRANSACTION, {"a": "b"}
    )


def told(events: Sequence[AlertEvent]) -> list[Stretch]:
    """One call per event, as they come; ids as a database would give them."""
    stored: list[Stretch] = []
    next_id = 1
    for one in events:
        for stretch in fold_events(stored, [one]):
            gone = set(stretch.alert_ids)
            stored = [known for known in stored if not gone & set(known.alert_ids)]
            kept = stretch.alert_ids[:1] or (next_id,)
            next_id += not stretch.alert_ids
            stored.append(
                Stretch(stretch.first, stretch.last, stretch.status, stretch.onset_at, stretch.occurrences, kept)
            )
    return sorted(stored, key=lambda one: one.first)


def spans(stretches: Sequence[Stretch]) -> list[tuple[float, float, str, int]]:
    return [
        ((s.first - NOON).total_seconds(), (s.last - NOON).total_seconds(), s.status.value, s.occurrences)
        for s in stretches
    ]


def test_fires_again_within_five_minutes_of_its_end_it_is_the_same_alert() -> None:
    assert spans(told([event(0), event(60, R), event(360)])) == [(0, 360, "FIRING", 2)]


def test_a_second_later_it_is_another_alert() -> None:
    assert spans(told([event(0), event(60, R), event(361)])) == [(0, 60, "RESOLVED", 1), (361, 361, "FIRING", 1)]


def test_the_window_slides_with_each_event() -> None:
    events = [one for k in range(5) for one in (event(400 * k), event(400 * k + 150, R))]
    assert spans(told(events)) == [(0, 1750, "RESOLVED", 5)]


def test_what_fires_is_the_same_alert_however_late_it_is_said_again() -> None:
    assert spans(told([event(0), event(4 * 3600)])) == [(0, 4 * 3600, "FIRING", 2)]


def test_a_late_event_between_two_alerts_makes_them_one() -> None:
    apart = [event(0), event(10, R), event(500), event(510, R)]
    assert len(told(apart)) == 2
    bridged = told([*apart, event(250, fired=250), event(255, R)])
    assert spans(bridged) == [(0, 510, "RESOLVED", 3)]


def test_a_late_end_changes_nothing_that_is_newer() -> None:
    assert spans(told([event(0), event(100, R), event(200), event(150, R)])) == [(0, 200, "FIRING", 2)]


def test_an_end_that_comes_before_its_beginning_leaves_no_zombie() -> None:
    assert spans(told([event(100, R, fired=0), event(0)])) == [(0, 100, "RESOLVED", 2)]


def test_began_and_ended_in_one_batch() -> None:
    (found,) = fold_events([], [event(60, R, fired=0), event(0)])
    assert (found.status, found.is_new, found.occurrences) == (R, True, 1)


@st.composite
def histories(draw: st.DrawFn) -> list[AlertEvent]:
    """Alternating beginnings and ends with gaps on both sides of the window, some beginnings said twice."""
    events, at, status = [], 0.0, F
    for _ in range(draw(st.integers(1, 12))):
        events.append(
            event(at, status, fired=at if status is F else events[-1].fired_at.timestamp() - NOON.timestamp())
        )
        is_repeated = status is F and draw(st.booleans())
        status = F if is_repeated or status is R else R
        at += draw(st.sampled_from([1.0, 60.0, 299.0, 300.0, 301.0, 900.0, 4000.0]))
    return events


def reference(events: Sequence[AlertEvent]) -> list[tuple[float, float, str, int]]:
    """The definition, word for word: neighbours belong together when they are near, or when the earlier one fires."""
    parts: list[list[AlertEvent]] = [[events[0]]]
    for before, after in pairwise(events):
        if after.at - before.at <= WINDOW or before.status is F:
            parts[-1].append(after)
        else:
            parts.append([after])
    return [
        (
            (part[0].at - NOON).total_seconds(),
            (part[-1].at - NOON).total_seconds(),
            part[-1].status.value,
            sum(one.status is F for one in part),
        )
        for part in parts
    ]


@given(histories())
def test_in_order_it_is_the_definition_event_by_event_and_all_at_once(events: list[AlertEvent]) -> None:
    assert spans(told(events)) == reference(events)
    assert spans(fold_events([], events)) == reference(events)


@given(histories(), st.randoms(use_true_random=False))
def test_all_at_once_the_order_does_not_matter(events: list[AlertEvent], random) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    assert spans(fold_events([], shuffled)) == reference(events)


@given(histories(), st.randoms(use_true_random=False))
def test_out_of_order_nothing_is_lost_doubled_or_left_firing(events: list[AlertEvent], random) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    found, wanted = spans(told(shuffled)), reference(events)
    assert found[0][0] == wanted[0][0]
    assert (found[-1][1], found[-1][2]) == (wanted[-1][1], wanted[-1][2])
    assert [one for one in found[:-1] if one[2] == "FIRING"] == []
    for first, last, _, _ in wanted:  # a stretch may have become longer, never shorter or two
        assert sum(low <= first and last <= high for low, high, _, _ in found) == 1


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 600)), min_size=1, max_size=20))
def test_other_fingerprints_between_do_not_matter(said: list[tuple[str, int]]) -> None:
    """A-B-A: what B says has no part in A's window."""
    alone = fold_events([], [event(at) for name, at in said if name == "A"])
    assert len(alone) == (1 if any(name == "A" for name, _ in said) else 0)
