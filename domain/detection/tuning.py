"""How good a rule is by what people said of its alerts, and by how much its threshold would have to move (D8).

Nothing changes a rule: the answer is a table of steps, each with what it would have spared and what it would have missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: So few verdicts say nothing.
ENOUGH = 5
#: Below this share of true positives a rule is called noisy.
GOOD_PCT = 70.0
_STEPS_PCT = (5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0)


@dataclass(frozen=True, slots=True)
class Precision:
    """Counts of one rule; `precision_pct` is None while nobody has judged."""

    rule_id: str
    alerts: int
    true_positives: int
    false_positives: int

    @property
    def precision_pct(self) -> float | None:
        """True positives of all judged alerts, per cent."""
        judged = self.true_positives + self.false_positives
        return None if judged == 0 else 100.0 * self.true_positives / judged

    @property
    def is_noisy(self) -> bool:
        """Enough verdicts, and too many of them say that it was nothing."""
        precision = self.precision_pct
        return self.true_positives + self.false_positives >= ENOUGH and precision is not None and precision < GOOD_PCT


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold that could be, and what it would have done with the judged alerts."""

    threshold: float
    moved_pct: float
    spared_false: int
    missed_true: int
    precision_pct: float | None


def suggest_steps(threshold: float, *, false_values: Sequence[float], true_values: Sequence[float]) -> list[Step]:
    """Steps away from the values that fired, up to the first one that spares all false positives.

    Args:
        threshold: what the rule compares with now.
        false_values, true_values: the values with which judged alerts fired.

    Returns:
        Nothing where there is no false positive, or where the values lie on both sides of the threshold.
    """
    false, true = np.asarray(false_values, float), np.asarray(true_values, float)
    everything = np.concatenate([false, true])
    if false.size == 0 or threshold == 0:
        return []
    is_above = bool((everything >= threshold).all())
    if not is_above and not (everything <= threshold).all():
        return []
    steps = []
    for moved in _STEPS_PCT:
        limit = threshold + (1 if is_above else -1) * abs(threshold) * moved / 100
        spared = int(((false <= limit) if is_above else (false >= limit)).sum())
        missed = int(((true <= limit) if is_above else (true >= limit)).sum())
        left_false, left_true = false.size - spared, true.size - missed
        precision = 100.0 * left_true / (left_true + left_false) if left_true + left_false else None
        steps.append(Step(limit, moved, spared, missed, precision))
        if spared == false.size:
            break
    return steps
