"""What travels between fetching, committing and the reader of a capture run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.answers import Answer
from domain.capture.normalise import CapturedRange
from domain.capture.windows import WindowRange
from domain.errors import EtlmonError
from domain.vocabulary import SourceKind
from resources.postgres.loaders_repository import ActiveLoader


@dataclass(frozen=True, slots=True)
class Piece:
    """One fetch: consecutive windows of one loader. `windows` may begin before `due_start` to look for late rows."""

    loader: ActiveLoader
    windows: WindowRange
    due_start: datetime
    is_backfill: bool
    moves_watermark: bool

    @property
    def complete_until(self) -> datetime:
        """Where the watermark stands once this piece is committed. A push loader is complete up to now, whatever came."""
        return self.due_start if self.loader.definition.source is SourceKind.PUSH else self.windows.end


@dataclass(frozen=True, slots=True)
class Fetched:
    """A piece that the source answered."""

    piece: Piece
    answer: Answer
    captured: CapturedRange
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A piece that it did not."""

    piece: Piece
    error: EtlmonError
    duration_ms: float


@dataclass(slots=True)
class LoaderOutcome:
    """What a run did for one loader, for metadata, the CLI and logs."""

    code: str
    version: int
    windows: int = 0
    unchanged_windows: int = 0
    missing_windows: int = 0
    signals: int = 0
    late_rows: int = 0
    log_lines: int = 0
    series: int = 0
    quarantined: int = 0
    dropped_series: int = 0
    duration_ms: float = 0.0
    watermark: datetime | None = None
    is_busy: bool = False
    error: EtlmonError | None = None

    @property
    def is_ok(self) -> bool:
        """No error; a loader that had nothing due is well too."""
        return self.error is None


@dataclass(slots=True)
class CaptureRun:
    """The whole run."""

    outcomes: dict[str, LoaderOutcome] = field(default_factory=dict)

    @property
    def signals(self) -> int:
        """Signals written."""
        return sum(outcome.signals for outcome in self.outcomes.values())

    @property
    def failed(self) -> list[LoaderOutcome]:
        """Loaders with an error."""
        return [outcome for outcome in self.outcomes.values() if outcome.error is not None]
