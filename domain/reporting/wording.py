"""Numbers and changes in words: one place decides how many digits a reader sees and when a change is worth a word."""

from __future__ import annotations

from domain.reporting.report import Figure

NOT_KNOWN = "not known"
_NOTICEABLE = 0.05  # a relative change below this is called unchanged


def format_count(value: float | None) -> str:
    """A whole number with thousands separated by a thin space; from ten million on in millions."""
    if value is None:
        return NOT_KNOWN
    if abs(value) >= 1e7:
        return f"{value / 1e6:,.1f} million".replace(",", "\u202f")
    if abs(value) < 10 and abs(value - round(value)) > 0.05:
        return f"{value:.1f}"
    return f"{value:,.0f}".replace(",", "\u202f")


def format_value(value: float | None, unit: str) -> str:
    """A value with its unit. Percentages near 0 and 100 keep the digits that matter, and never round up to 100 %."""
    if value is None:
        return NOT_KNOWN
    if unit == "%":
        distance = min(abs(value), abs(100 - value))
        digits = 0 if distance < 1e-9 else 1 if distance >= 10 else 2 if distance >= 0.01 else 3
        text = f"{value:.{digits}f}"
        return f"{'99.999' if value < 100 and float(text) == 100 else text} %"
    return f"{format_count(value)} {unit}".strip()


def describe_counted(figure: Figure) -> str:
    """What the figure was counted from. A numerator that would round to its denominator keeps a decimal."""
    numerator, denominator = format_count(figure.numerator), format_count(figure.denominator)
    if numerator == denominator and figure.numerator is not None and figure.numerator != figure.denominator:
        numerator = f"{figure.numerator:,.1f}".replace(",", "\u202f")
    return figure.counted.format(numerator=numerator, denominator=denominator)


def format_change(figure: Figure, noun: str) -> str:
    """The change since the period before, short: for below a headline number."""
    if figure.value is None:
        return ""
    if figure.previous is None:
        return f"the {noun} before: not known"
    before = format_value(figure.previous, figure.unit)
    if not _is_noticeable(figure):
        return f"unchanged from {before}"
    return f"{'up' if figure.value > figure.previous else 'down'} from {before}"


def _is_noticeable(figure: Figure) -> bool:
    assert figure.value is not None
    assert figure.previous is not None
    change = abs(figure.value - figure.previous)
    if figure.unit == "%":  # near either end of the scale the distance to it is what changes
        scale = min(abs(figure.previous), abs(100 - figure.previous))
        return change > max(0.005, _NOTICEABLE * scale)
    return change > _NOTICEABLE * abs(figure.previous)


def is_better(figure: Figure) -> bool | None:
    """Whether the change is for the better; None when there is none, or no better side."""
    side = figure.target.is_higher_better if figure.target else figure.is_higher_better
    if side is None or figure.value is None or figure.previous is None or not _is_noticeable(figure):
        return None
    return (figure.value > figure.previous) is side


def describe_change(figure: Figure, noun: str) -> str:
    """One sentence: the value, what it was counted from, and how it compares with the period before."""
    if figure.value is None:
        return f"{figure.title} is not known: no data were captured for it in this {noun}."
    verb = "were" if figure.is_plural else "was"
    start = f"{figure.title} {verb} {format_value(figure.value, figure.unit)} ({describe_counted(figure)})"
    if figure.previous is None:
        return f"{start}; nothing is known of the {noun} before."
    before = format_value(figure.previous, figure.unit)
    better = is_better(figure)
    if not _is_noticeable(figure):
        return f"{start}, unchanged from {before} the {noun} before."
    word = "up" if figure.value > figure.previous else "down"
    judgement = {True: ", an improvement", False: ", a deterioration", None: ""}[better]
    return f"{start}, {word} from {before} the {noun} before{judgement}."


def join_names(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def plural(count: float, word: str) -> str:
    """`1 hour`, `3 hours`."""
    return f"{format_count(count)} {word}" if count == 1 else f"{format_count(count)} {word}s"
