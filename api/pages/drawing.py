"""From a signal to the numbers of an SVG: scales, paths, ticks, marks that do not cover one another. Pure; the template draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl

from resources.incidents.graph import Signal

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, ROW = 960.0, 300.0, 64.0, 16.0, 28.0, 17.0
_LETTER, _MOST_ROWS = 7.2, 5
#: What differs by less, relatively or at all, is drawn as a flat line.
_FLAT, _NOTHING = 1e-6, 1e-9
Points = Sequence[tuple[float, float]]
_STEPS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant to be pointed at; `kind` is its class in the style sheet."""

    at: datetime
    words: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class PlacedMark:
    """A mark with its place; the words begin at `x`, or end there when `is_left`."""

    mark: Mark
    x: float
    y: float
    is_left: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything in units of the view box. `threshold_y` is None where there is none."""

    top: float
    line: str
    dots: list[tuple[float, float]]
    expected: str
    band: str
    threshold_y: float | None
    x_ticks: list[tuple[float, datetime]]
    y_ticks: list[tuple[float, str]]
    marks: list[PlacedMark]


def draw_signal(
    signal: Signal, *, since: datetime, until: datetime, threshold: float | None, marks: Iterable[Mark]
) -> Picture:
    """The signal with its band, limit and marks; marks outside the stretch are left out."""
    frame, length = signal.frame, (until - since).total_seconds()

    def x_of(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (at - since).total_seconds() / length, 1)

    placed = _place([one for one in marks if since <= one.at <= until], x_of)
    top = ROW * max((round(one.y / ROW) for one in placed), default=0) + 10
    low, high = _range(frame, threshold)

    def y_of(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - top) * share, 1)

    xs = [x_of(at) for at in frame["captured_at"]]
    pieces = _pieces(frame, signal.step_s)

    def trace(name: str) -> list[Points]:
        values = frame[name].fill_nan(None).to_list()
        return [[(xs[row], y_of(values[row])) for row in piece if values[row] is not None] for piece in pieces]

    values, bands = trace("metric_value"), zip(trace("upper"), trace("lower"), strict=True)
    return Picture(
        top=top,
        line=" ".join(_path(one) for one in values if len(one) > 1),
        dots=[one[0] for one in values if len(one) == 1],
        expected=" ".join(_path(one) for one in trace("expected") if len(one) > 1),
        band=" ".join(f"{_path([*above, *below[::-1]])}Z" for above, below in bands if len(above) > 1),
        threshold_y=None if threshold is None else y_of(threshold),
        x_ticks=[(x_of(at), at) for at in _instants(since, until)],
        y_ticks=[(y_of(value), f"{value:,.6g}") for value in _round_numbers(low, high)],
        marks=placed,
    )


def _range(frame: pl.DataFrame, threshold: float | None) -> tuple[float, float]:
    """Of values and limit, with room; the band widens it by its own height at most, so that the line stays readable."""
    edges = pl.concat([frame["lower"], frame["upper"]]).fill_nan(None).drop_nulls().to_list()
    seen = [*frame["metric_value"].drop_nulls().to_list(), *([] if threshold is None else [threshold])]
    low, high = min(seen), max(seen)
    spread = max(high - low, _FLAT * max(abs(low), abs(high)), _NOTHING)
    low = min([low, *(max(one, low - spread / 2) for one in edges)])
    high = max([high, *(min(one, high + spread / 2) for one in edges)])
    if 0 <= low <= (high - low) / 2:
        return 0.0, high * 1.06 if high > _NOTHING else 1.0
    room = max(high - low, spread) * 0.08
    return low - room, high + room


def _pieces(frame: pl.DataFrame, step_s: float | None) -> list[range]:
    """Rows between gaps: where three steps are missing, the line is broken."""
    gaps = frame["captured_at"].diff().dt.total_seconds()
    usual = max(step_s or 0.0, *gaps.drop_nulls().sort().slice(gaps.len() // 2, 1).to_list(), 0.0)
    breaks = [0, *(gaps > 3 * usual).arg_true().to_list(), frame.height] if usual else [0, frame.height]
    return [range(begin, end) for begin, end in pairwise(breaks) if begin < end]


def _path(points: Points) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _place(marks: Sequence[Mark], x_of: Callable[[datetime], float]) -> list[PlacedMark]:
    """Words in rows above the plot: each in the first row where it does not touch the one before."""
    ends = [-math.inf] * _MOST_ROWS
    placed = []
    for mark in sorted(marks, key=lambda one: one.at):
        x = x_of(mark.at)
        width = _LETTER * (len(mark.words) + 6)
        is_left = x + width > WIDTH
        begin = x - width if is_left else x
        row = next((number for number, end in enumerate(ends) if begin > end), _MOST_ROWS - 1)
        ends[row] = begin + width + 6
        placed.append(PlacedMark(mark, x, ROW * (row + 1) - 4, is_left))
    return placed


def _instants(since: datetime, until: datetime) -> list[datetime]:
    """Seven or so round instants."""
    length = (until - since).total_seconds()
    step = next((one for one in _STEPS_S if length / one <= 8), _STEPS_S[-1])
    first = math.ceil(since.timestamp() / step) * step
    count = int((until.timestamp() - first) // step) + 1
    return [datetime.fromtimestamp(first, UTC) + timedelta(seconds=step * number) for number in range(min(count, 60))]


def _round_numbers(low: float, high: float) -> list[float]:
    """Two to six multiples of 1, 2, 5 × 10ⁿ within the range."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough)
    first = math.ceil(low / step)
    return [round(step * number, 12) for number in range(first, int(high // step) + 1)]
