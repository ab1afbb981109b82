"""`control.workbooks`: loaders out to workbooks and in again, for the API, its pages and the command line (A8).

An import is read and judged as a whole, then put in by `LoaderVersions.put_many`, remembered and audited, all in one
transaction. A dry run is the same transaction taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from domain.access.permissions import Caller, check_permission
from domain.loaders.workbook_report import ImportMode, ImportReport, ImportTarget
from domain.loaders.workbook_rows import list_hidden
from domain.vocabulary import VersionState
from resources.access.audit_log import AuditLog
from resources.access.field_policies import FieldPolicies
from resources.clock import utc_now
from resources.loaders.versions import LoaderVersions
from resources.postgres.engine import transaction
from resources.workbook.exporting import read_documents, require_codes
from resources.workbook.history import find_import, get_import, hold_file, insert_import, list_imports
from resources.workbook.importing import begin_report, note_import, parse_file, put_loaders
from resources.workbook.writing import write_workbook

Progress = Callable[[str, int, int], None]


class Workbooks:
    """Exports and imports. Safe to use from many threads."""

    def __init__(self, engine: Engine, loaders: LoaderVersions, policies: FieldPolicies, audit: AuditLog) -> None:
        self._engine = engine
        self._loaders = loaders
        self._policies = policies
        self._audit = audit

    # out ----------------------------------------------------------------------------------------------------------------

    def export(
        self,
        path: Path,
        *,
        caller: Caller,
        codes: Sequence[str] = (),
        state: VersionState = VersionState.ACTIVE,
        progress: Progress | None = None,
    ) -> int:
        """Write loaders as the caller may see them; the newest version of each in the state. The number of loaders.

        Args:
            codes: which; none means all that have a version in the state.

        Raises:
            NotPermittedError: the caller may not export. NotFoundError: a code has no such version.
            InputDataError: a text does not fit into a cell.
        """
        check_permission(caller, "loaders", "export")
        effects = self._policies.effects("loaders", caller.role)
        with transaction(self._engine) as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            total = require_codes(connection, codes, state=state)
            documents = read_documents(
                connection,
                self._loaders.codec,
                codes,
                state=state,
                effects=effects,
                progress=(lambda done: progress("writing", done, total)) if progress else None,
            )
            return write_workbook(path, documents, hidden=list_hidden(effects))

    def write_template(self, path: Path) -> None:
        """An empty workbook with typed columns, drop-downs and notes."""
        write_workbook(path, [])

    # in -----------------------------------------------------------------------------------------------------------------

    def preview(
        self,
        data: bytes,
        *,
        caller: Caller,
        file_name: str,
        mode: ImportMode = ImportMode.ATOMIC,
        target: ImportTarget = ImportTarget.DRAFT,
        progress: Progress | None = None,
    ) -> ImportReport:
        """What `apply` would do; nothing changes. Raises like `apply`."""
        return self._run(
            data, caller=caller, file_name=file_name, mode=mode, target=target, is_dry_run=True, progress=progress
        )

    def apply(
        self,
        data: bytes,
        *,
        caller: Caller,
        file_name: str,
        mode: ImportMode = ImportMode.ATOMIC,
        target: ImportTarget = ImportTarget.DRAFT,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Bring the loaders of a workbook in. With errors: nothing (`atomic`), or the loaders without one (`per-row`).

        The same bytes in the same mode with the same target again change nothing and answer the result of the first time
        that they changed something.

        Raises:
            WorkbookRefusedError: the file is no workbook of loaders; the reason says what it is.
            NotPermittedError: the caller may not import, or not submit when the target is PENDING.
        """
        return self._run(
            data, caller=caller, file_name=file_name, mode=mode, target=target, is_dry_run=False, progress=progress
        )

    def list_imports(self, *, limit: int = 100, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Imports that were made, the newest first, without their rows; and how many there are."""
        with transaction(self._engine) as connection:
            return list_imports(connection, limit=limit, offset=offset)

    def get_import(self, import_id: str) -> ImportReport:
        """One import with its rows and errors.

        Raises:
            NotFoundError: no such import.
        """
        with transaction(self._engine) as connection:
            return get_import(connection, import_id)

    def _run(
        self,
        data: bytes,
        *,
        caller: Caller,
        file_name: str,
        mode: ImportMode,
        target: ImportTarget,
        is_dry_run: bool,
        progress: Progress | None,
    ) -> ImportReport:
        check_permission(caller, "loaders", "import")
        if target is ImportTarget.PENDING:
            check_permission(caller, "loaders", "submit")
        tell = progress or (lambda *_: None)
        tell("reading", 0, 3)
        parsed = parse_file(data, effects=self._policies.effects("loaders", caller.role))
        tell("checking against what is stored" if is_dry_run else "importing", 1, 3)
        blank = begin_report(
            data, caller=caller, file_name=file_name, mode=mode, target=target, is_dry_run=is_dry_run, at=utc_now()
        )
        with transaction(self._engine) as connection:
            hold_file(connection, blank.file_hash)
            before = find_import(connection, blank.file_hash, mode=mode, target=target)
            if before is not None:
                return before.model_copy(update={"is_repeated": True, "is_dry_run": is_dry_run, "is_applied": False})
            report = put_loaders(connection, parsed, blank, caller=caller, loaders=self._loaders)
            if report.import_id:
                insert_import(connection, report)
                note_import(connection, report, audit=self._audit)
            elif (begun := connection.get_transaction()) is not None:
                begun.rollback()
        tell("done", 3, 3)
        return report
