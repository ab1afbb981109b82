"""The variants of the autoregression that take part in the blend: short and long memory, with season, trend, logarithm.

Lags are given in steps and follow from the periods, so that one list serves hourly, five-minute and weekly series alike.
"""

from __future__ import annotations

from domain.forecasts.autoregression import Autoregression

Periods = tuple[int, ...]
#: Longest run of neighbouring lags in the variants with long memory.
LONG_RUN = 27


def _ascending(*lags: int) -> tuple[int, ...]:
    return tuple(sorted({lag for lag in lags if lag >= 1}))


def _around(periods: Periods, reach: int = 1) -> list[int]:
    return [period + offset for period in periods for offset in range(-reach, reach + 1)]


def short_lags(periods: Periods) -> tuple[int, ...]:
    """The last five steps, whatever the season."""
    del periods
    return (1, 2, 3, 4, 5)


def seasonal_lags(periods: Periods) -> tuple[int, ...]:
    """The last three steps and the neighbourhood of one season ago."""
    return _ascending(1, 2, 3, *_around(periods)) if periods else ()


def long_lags(periods: Periods) -> tuple[int, ...]:
    """A run of the last steps, every cycle of the short season within the long one, the neighbourhood of each."""
    if not periods:
        return tuple(range(1, 13))
    short, long = periods[0], periods[-1]
    cycles = range(2 * short, long, short) if long > short else [2 * short]
    return _ascending(*range(1, min(short, LONG_RUN) + 1), *_around((short,), 3), *cycles, *_around((long,), 2))


def cycle_lags(periods: Periods) -> tuple[int, ...]:
    """Only values of (nearly) equal phase, so that errors of the first steps do not run through the season."""
    if not periods:
        return ()
    short, long = periods[0], periods[-1]
    cycles = range(short, long + 1, short) if long > short else (short, 2 * short, 3 * short)
    return _ascending(*cycles, long - 1, long, long + 1)


def change_lags(periods: Periods) -> tuple[int, ...]:
    """For seasonal differences: the last steps, the last season and the longest one."""
    if not periods:
        return ()
    short, long = periods[0], periods[-1]
    return _ascending(1, 2, 3, *_around((short,)), 2 * short, *_around((long,)))


def trend_lags(periods: Periods) -> tuple[int, ...]:
    """For first differences: the last four steps and the neighbourhood of one season ago."""
    return _ascending(1, 2, 3, 4, *_around(periods))


VARIANTS: tuple[Autoregression, ...] = tuple(
    Autoregression(name + suffix, choose_lags, choose_difference, is_log=bool(suffix))
    for name, choose_lags, choose_difference in (
        ("ar_short", short_lags, lambda _: 0),
        ("ar_seasonal", seasonal_lags, lambda _: 0),
        ("ar_long", long_lags, lambda _: 0),
        ("ar_cycles", cycle_lags, lambda _: 0),
        ("ar_trend", trend_lags, lambda _: 1),
        ("ar_trend_long", long_lags, lambda _: 1),
        ("ar_cycle_change", change_lags, lambda periods: periods[0] if periods else 0),
        ("ar_season_change", change_lags, lambda periods: periods[-1] if periods else 0),
    )
    for suffix in ("", "_log")
)
