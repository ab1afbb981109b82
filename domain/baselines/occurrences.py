"""The occurrences of each hour in the window: when they were, what their means were, and which days are alike.

An occurrence is one clock hour on one day. Arrays are [hour of day, day], the day counted as day of week and week:
this is the order of the cells that `time_of_week` sorts points into.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.baselines.levels import FIRST_WEEKEND_HOUR, HOURS_PER_DAY, HOURS_PER_WEEK

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Counts and means of all series, [series, hour of day, day], with the ages in days of the cells' middles.

    Attributes:
        points: how many points fell into the cell.
        mean: NaN where none did.
        age: [hour of day, day], before the end of the window.
        is_weekend: [day].

    """

    points: NDArray[np.int64]
    mean: Floats
    age: Floats
    is_weekend: NDArray[np.bool_]


def arrange_occurrences(points: NDArray[np.int64], mean: Floats, *, weeks: int, end_hour: int) -> Occurrences:
    """The cells of all series, in the order hour of day, day of week, week back.

    Args:
        points: 168 · weeks counts per series.
        mean: of the same cells.
        weeks: length of the window.
        end_hour: hour of the week at which the window ends.

    """
    shape = (-1, HOURS_PER_DAY, 7 * weeks)
    day = np.repeat(np.arange(7), weeks)
    return Occurrences(
        points=points.reshape(shape),
        mean=mean.reshape(shape),
        age=_ages(day, np.tile(np.arange(weeks), 7), end_hour=end_hour),
        is_weekend=day * HOURS_PER_DAY >= FIRST_WEEKEND_HOUR,
    )


def _ages(day: NDArray[np.int64], week: NDArray[np.int64], *, end_hour: int) -> Floats:
    hour_of_week = day[None, :] * HOURS_PER_DAY + np.arange(HOURS_PER_DAY)[:, None]
    hours_back = (end_hour - 1 - hour_of_week) % HOURS_PER_WEEK + HOURS_PER_WEEK * week[None, :]
    ages: Floats = (hours_back + 0.5) / HOURS_PER_DAY
    return ages
