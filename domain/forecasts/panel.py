"""What every forecast model reads, and the one method it has. No model here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from domain.seasonality.regular_grid import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Panel:
    """Histories with one step and the same seasonal periods, right-aligned.

    Attributes:
        values: (rows, L); NaN before the first value of a row, none after it.
        observed: (rows, L) false where the value was interpolated.
        periods: seasonal periods in steps, shortest first; empty when there is no season.
        step_s: distance of two columns in seconds.
    """

    values: Floats
    observed: Bools
    periods: tuple[int, ...]
    step_s: float

    @property
    def lengths(self) -> Ints:
        """(rows,) number of values of each row."""
        return np.asarray((~np.isnan(self.values)).sum(axis=1), dtype=np.int64)


class ForecastModel(Protocol):
    """A way of continuing histories."""

    @property
    def name(self) -> str:
        """Stable name, stored beside the forecast."""

    def forecast(self, panel: Panel, horizon: int) -> Floats:
        """(rows, horizon) expected values of the next steps; a whole row of NaN where the model has no answer."""
