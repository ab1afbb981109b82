"""What a report is made of. No frames, no markup: renderers draw exactly what stands here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from domain.reporting.period import Span

MOST_ROWS = 40


class Verdict(StrEnum):
    """The traffic light, in words as well as in colour."""

    GOOD = "on target"
    WATCH = "watch"
    BAD = "off target"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Target:
    """Where green and yellow end. `is_higher_better` says on which side."""

    target: float
    watch: float
    is_higher_better: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with what it was counted from.

    Attributes:
        value: None means not known.
        numerator, denominator: what was divided; None where the figure is no ratio.
        counted: words for both, with `{numerator}` and `{denominator}` in them.
        previous: the same figure of the period before; None means not known.
        target: for the traffic light; None where nobody set one.
    """

    key: str
    title: str
    value: float | None
    unit: str
    counted: str
    numerator: float | None = None
    denominator: float | None = None
    previous: float | None = None
    target: Target | None = None
    is_higher_better: bool | None = None
    is_plural: bool = False

    @property
    def verdict(self) -> Verdict:
        """UNKNOWN without a value; GOOD without a target."""
        if self.value is None:
            return Verdict.UNKNOWN
        if self.target is None:
            return Verdict.GOOD
        sign = 1 if self.target.is_higher_better else -1
        if sign * self.value >= sign * self.target.target:
            return Verdict.GOOD
        return Verdict.WATCH if sign * self.value >= sign * self.target.watch else Verdict.BAD


@dataclass(frozen=True, slots=True)
class Line:
    """One line or set of bars; None is a gap, drawn as one."""

    name: str
    days: list[date]
    values: list[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot over days. `target` is drawn as a dashed line."""

    title: str
    unit: str
    lines: list[Line]
    target: float | None = None
    is_bars: bool = False
    note: str = ""

    @property
    def is_target_label_below(self) -> bool:
        """Where the target's label goes: to the side with fewer values."""
        values = [value for line in self.lines for value in line.values if value is not None]
        return self.target is not None and 2 * sum(value >= self.target for value in values) >= len(values)


@dataclass(frozen=True, slots=True)
class Table:
    """Text cells; a Verdict in a cell is drawn as a light. `numeric` names the columns set flush right.

    Only the first MOST_ROWS rows are kept, and `note` says so: rows come in the order of their importance.
    """

    columns: list[str]
    rows: list[list[str | Verdict]]
    numeric: frozenset[int] = frozenset()
    empty: str = "Nothing to show."
    note: str = ""

    def __post_init__(self) -> None:
        """Cut what no reader would read."""
        if len(self.rows) > MOST_ROWS:
            object.__setattr__(self, "note", f"The first {MOST_ROWS} of {len(self.rows)} rows, the most telling first.")
            object.__setattr__(self, "rows", self.rows[:MOST_ROWS])


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its sentences, figures, plot and table."""

    title: str
    sentences: list[str]
    figures: list[Figure] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """The whole, top to bottom."""

    span: Span
    title: str
    sentences: list[str]
    headlines: list[Figure]
    sections: list[Section]

    @property
    def figures(self) -> list[Figure]:
        """Headlines and the figures of all sections."""
        return [*self.headlines, *(figure for section in self.sections for figure in section.figures)]
