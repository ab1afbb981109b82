"""The state machine of all keys at once, against one that walks sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.detection.firing import Observations, compute_transitions


@dataclass
class Walker:
    """One key, the way one would say it aloud."""

    for_us: int
    recover_us: int
    is_firing: bool = False
    bad_since: int | None = None
    good_since: int | None = None

    def step(self, at: int, judgement: str, *, is_new: bool) -> tuple[bool, int] | None:
        """The change that this sample makes: (fires, since)."""
        self.bad_since = (at if self.bad_since is None else self.bad_since) if judgement == "bad" else None
        self.good_since = (at if self.good_since is None else self.good_since) if judgement == "good" else None
        if not is_new:
            return None
        if not self.is_firing and self.bad_since is not None and at - self.bad_since >= self.for_us:
            self.is_firing = True
            return True, self.bad_since
        if self.is_firing and self.good_since is not None and at - self.good_since >= self.recover_us:
            self.is_firing = False
            return False, self.good_since
        return None


JUDGEMENTS = st.lists(st.sampled_from(["bad", "good", "neither"]), min_size=1, max_size=30)
SERIES = st.tuples(JUDGEMENTS, st.lists(st.integers(1, 4), min_size=30, max_size=30), st.booleans())


@pytest.mark.requirement("D6")
@settings(max_examples=300, deadline=None)
@given(
    keys=st.lists(SERIES, min_size=1, max_size=5),
    for_us=st.integers(0, 6),
    recover_us=st.integers(0, 6),
    after=st.integers(-1, 40),
)
def test_all_keys_at_once_are_as_one_after_the_other(
    keys: list[tuple[list[str], list[int], bool]], for_us: int, recover_us: int, after: int
) -> None:
    expected, key, at, judged = [], [], [], []
    for number, (judgements, steps, fired) in enumerate(keys):
        walker = Walker(for_us, recover_us, is_firing=fired)
        times = np.cumsum(steps)[: len(judgements)].tolist()
        for time, judgement in zip(times, judgements, strict=True):
            change = walker.step(time, judgement, is_new=time > after)
            if change is not None:
                expected.append((number, time, *change))
        key += [number] * len(judgements)
        at += times
        judged += judgements
    seen = Observations(
        key=np.array(key),
        at_us=np.array(at, np.int64),
        value=np.zeros(len(at)),
        is_bad=np.array([one == "bad" for one in judged]),
        is_good=np.array([one == "good" for one in judged]),
    )
    before = np.array([fired for _, _, fired in keys])
    found = compute_transitions(seen, firing=before, for_us=for_us, recover_us=recover_us, after_us=after)
    since = np.where(found.is_firing, found.onset_us, found.over_since_us)
    said = zip(seen.key[found.sample], seen.at_us[found.sample], found.is_firing, since, strict=True)
    assert [tuple(int(part) for part in one) for one in said] == [tuple(map(int, one)) for one in expected]


def test_a_gap_ends_a_streak() -> None:
    yes, no = np.ones(3, np.bool_), np.zeros(3, np.bool_)
    seen = Observations(np.zeros(3, np.int64), np.array([0, 10, 30]), np.zeros(3), yes, no)
    found = compute_transitions(seen, firing=no[:1], for_us=20, recover_us=0, gap_us=15)
    assert found.sample.size == 0
    assert compute_transitions(seen, firing=no[:1], for_us=20, recover_us=0).sample.tolist() == [2]


def test_nothing_seen_changes_nothing() -> None:
    none = np.zeros(0, np.int64)
    seen = Observations(none, none, np.zeros(0), none.astype(np.bool_), none.astype(np.bool_))
    assert compute_transitions(seen, firing=np.zeros(0, np.bool_), for_us=0, recover_us=0).sample.size == 0
