"""Alerts whose object is gone: a pod that was replaced, a table that was dropped. A source that is late is not gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from domain.detection.alert_event import AlertEvent
from domain.detection.event_texts import Fact, make_event
from domain.detection.keyed import STEPS_OF_SILENCE, Firing, Keyed, read_identities
from domain.detection.rule import CapacityNear, LogPattern, Rule
from domain.detection.window import Selection, SignalsWindow

#: A loader that has captured nothing for so long is not late but gone.
_LOADER_GONE_US = 86_400_000_000
_NEVER_US = -(2**62)


@dataclass(frozen=True, slots=True)
class _Reach:
    """What is known of an identity: captured up to, distance of its samples."""

    complete_us: int
    step_us: int


def end_vanished(
    rule: Rule, window: SignalsWindow, selection: Selection, keyed: Keyed, firing: dict[str, Firing], *, now: datetime
) -> tuple[list[AlertEvent], list[Firing]]:
    """What fires and has had no judgement for `stale_s` of what its loader has captured (or 2.5 of its steps) is over.

    Returns:
        The events of these, and what goes on firing.
    """
    told = keyed.seen.is_bad | keyed.seen.is_good
    last_us: dict[str, int] = dict(
        zip(keyed.identities.gather(keyed.seen.key[told]).to_list(), keyed.seen.at_us[told].tolist(), strict=True)
    )
    now_us = int(now.timestamp() * 1e6)
    stale_us = int(rule.stale_s * 1e6)
    is_sampled = not isinstance(rule.when, LogPattern | CapacityNear)
    reaches = _reaches(rule, window, selection) if is_sampled else {}
    over: list[AlertEvent] = []
    stay: list[Firing] = []
    for identity, one in firing.items():
        reach = reaches.get(identity, _Reach(now_us, 0))
        silent_us = reach.complete_us - last_us.get(identity, _NEVER_US)
        is_silent = silent_us > max(stale_us, int(STEPS_OF_SILENCE * reach.step_us))
        if is_silent or now_us - reach.complete_us > _LOADER_GONE_US:
            why = f"no sample for {rule.stale_s:.0f} s: its object is gone, or nothing is measured there any more"
            over.append(make_event(rule, one, is_firing=False, at=now, fact=Fact(over=why)))
        else:
            stay.append(one)
    return over, stay


def _reaches(rule: Rule, window: SignalsWindow, selection: Selection) -> dict[str, _Reach]:
    if selection.is_empty:
        return {}
    named = read_identities(rule, window, selection.series).with_columns(
        complete=pl.Series(window.complete_until_us[selection.series]),
        step=pl.Series(window.step_us[selection.series]),
    )
    ends = named.group_by("identity").agg(pl.col("complete", "step").max())
    return {identity: _Reach(complete, step) for identity, complete, step in ends.iter_rows()}
