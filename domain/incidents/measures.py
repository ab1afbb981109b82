"""How fast incidents are found and dealt with: MTTD, MTTA, time to mitigate, MTTR, with median and 90th percentile (E3).

Definitions, per fault (a fault is one incident, or several that were merged into one):
- detect: first evidence of the fault (the earliest bad sample of its alerts) → first opening. Not from the first alert, which
  would measure the alerting alone. An incident opened without evidence, or split off another, has none.
- acknowledge: opening, or the reopening before it where nobody had acknowledged until then → first acknowledgement by anybody.
- mitigate: first opening → the impact is over (MONITORING, or RESOLVED where nobody said so before).
- resolve: first opening → the last resolution; a reopened incident counts once, with all the time in between.
Wall-clock times: a snooze does not shorten them (it stops the SLA clocks of `sla`, which are another matter).

Medians and percentiles, because durations of incidents are skewed and their means mislead: Davidovic, "Incident Metrics in SRE"
(O'Reilly 2021). Percentiles interpolate linearly: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from domain.vocabulary import Severity


class Duration(StrEnum):
    """What is measured."""

    DETECT = "detect"
    ACKNOWLEDGE = "acknowledge"
    MITIGATE = "mitigate"
    RESOLVE = "resolve"


#: Duration → columns of the instants between which it lies.
_BETWEEN = {
    Duration.DETECT: ("onset_at", "opened_at"),
    Duration.ACKNOWLEDGE: ("awaited_at", "acknowledged_at"),
    Duration.MITIGATE: ("opened_at", "mitigated_at"),
    Duration.RESOLVE: ("opened_at", "resolved_at"),
}
_INSTANT = pl.Datetime("us", "UTC")
#: Faults as `compute_measures` wants them, one a row; null where something has not happened or is not known.
FAULTS = pl.Schema(
    {"severity": pl.String, "is_drill": pl.Boolean} | {name: _INSTANT for pair in _BETWEEN.values() for name in pair}
)


@dataclass(frozen=True, slots=True)
class Statistic:
    """Seconds over those faults for which it is known; `count` says of how many. None of none: no data is never 0."""

    count: int
    median_s: float | None
    p90_s: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One line: a severity, or None for all; drills are in a line of their own. `faults` counts also those still open."""

    severity: Severity | None
    is_drill: bool
    faults: int
    durations: dict[Duration, Statistic]


def compute_measures(faults: pl.DataFrame) -> list[Measured]:
    """All real faults, each severity (also those without a fault), then drills.

    Args:
        faults: columns of `FAULTS`.
    """
    seconds = faults.select(
        "severity",
        "is_drill",
        *(
            # a clock that ran backwards between two machines is no negative time
            (pl.col(end) - pl.col(begin)).dt.total_microseconds().clip(lower_bound=0).truediv(1e6).alias(one.value)
            for one, (begin, end) in _BETWEEN.items()
        ),
    )
    real, drills = seconds.filter(~pl.col("is_drill")), seconds.filter("is_drill")
    lines = [_line(real, None, is_drill=False)]
    lines += [_line(real.filter(pl.col("severity") == one.value), one, is_drill=False) for one in Severity]
    return [*lines, _line(drills, None, is_drill=True)]


def _line(seconds: pl.DataFrame, severity: Severity | None, *, is_drill: bool) -> Measured:
    return Measured(severity, is_drill, seconds.height, {one: _statistic(seconds[one.value]) for one in Duration})


def _statistic(values: pl.Series) -> Statistic:
    known = values.drop_nulls()
    return Statistic(
        count=known.len(),
        median_s=known.quantile(0.5, interpolation="linear"),
        p90_s=known.quantile(0.9, interpolation="linear"),
    )
