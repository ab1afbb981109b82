"""Faults made on purpose, remembered: for tests of drills (`domain.ports.FaultInjector`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.errors import SourceUnreachableError


@dataclass
class MadeFaults:
    """`active`: fault → since when. `is_away`: nothing answers any more."""

    is_present: bool = True
    is_away: bool = False
    active: dict[str, datetime] = field(default_factory=dict)

    def is_there(self) -> bool:
        return self.is_present

    def make(self, fault: str, *, at: datetime, for_s: float) -> None:
        assert for_s >= 60
        self._ask()
        self.active[fault] = at

    def clear(self, fault: str) -> None:
        self._ask()
        self.active.pop(fault, None)

    def _ask(self) -> None:
        if self.is_away:
            raise SourceUnreachableError("the simulator does not answer", suggestion="start it")
