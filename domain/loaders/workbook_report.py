"""What an import of a workbook did or would do: counts, one outcome per loader, one error per cell (A8). JSON names as the API has them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class ImportMode(StrEnum):
    """`atomic`: any error and nothing is imported. `per-row`: loaders without an error are imported."""

    ATOMIC = "atomic"
    PER_ROW = "per-row"


class ImportTarget(StrEnum):
    """State in which imported versions land."""

    DRAFT = "DRAFT"
    PENDING = "PENDING"


class RowOutcome(StrEnum):
    """What became of one loader. In a dry run: what would become of it."""

    CREATED = "created"  # a new version
    EDITED = "edited"  # the draft that was there
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    HELD_BACK = "held-back"  # without an error itself, but the import is atomic


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class WorkbookError(_Document):
    """One error. `row` is 0 and `column` empty where it is about the whole sheet; `code` where it is about no loader."""

    sheet: str
    row: int = Field(ge=0)
    column: str = Field(description="letter of the column")
    header: str
    code: str
    reason: str
    suggestion: str

    @property
    def where(self) -> str:
        """Sheet and cell as a spreadsheet names them: `Loaders!C5`."""
        return f"{self.sheet}!{self.column}{self.row or ''}".rstrip("!")


class ImportedLoader(_Document):
    """One loader of the workbook. `version` is 0 where none was written."""

    code: str
    row: int
    outcome: RowOutcome
    version: int = 0


class ImportReport(_Document):
    """The whole answer. `errors` holds the first thousand of `error_count`."""

    import_id: str = Field(description="empty where nothing was written, so nothing recorded")
    file_name: str
    file_hash: str = Field(description="SHA-256 of the file, hexadecimal")
    mode: ImportMode
    target: ImportTarget
    is_dry_run: bool
    is_repeated: bool = Field(description="the same file was imported before; this is the result of that time")
    imported_by: str
    imported_at: datetime
    is_applied: bool = Field(description="this call brought its loaders in, or found them there already")
    counts: dict[RowOutcome, int]
    error_count: int
    errors: list[WorkbookError]
    loaders: list[ImportedLoader]


MOST_ERRORS = 1_000


def count_outcomes(loaders: list[ImportedLoader]) -> dict[RowOutcome, int]:
    """Outcome → loaders, every outcome named."""
    found = Counter(one.outcome for one in loaders)
    return {outcome: found[outcome] for outcome in RowOutcome}
