"""`etlmon loader import` and `etlmon loader export`: Excel workbooks of loaders (A8). `api.cli.loader` registers both."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli.acting import open_control, permitted
from domain.errors import InputDataError
from domain.loaders.workbook_report import ImportMode, ImportReport, ImportTarget, RowOutcome
from domain.vocabulary import VersionState

_MOST_SHOWN = 50

EXPORT_HELP = (
    "Write loaders into an Excel workbook; what the role may not see is masked.\n\n"
    "Example: etlmon loader export loaders.xlsx --code ORDERS-DB --code ORDERS-HTTP"
)
IMPORT_HELP = (
    "Bring the loaders of an Excel workbook in, as drafts or for approval. Exit code 1 when a row has an error.\n\n"
    "Example: etlmon loader import loaders.xlsx --dry-run"
)


def export_workbook(
    file: Annotated[Path, typer.Argument(help="workbook to write (.xlsx); an older one is replaced")],
    *,
    code: Annotated[list[str] | None, typer.Option(help="loader to write, repeatable; none: all")] = None,
    state: Annotated[VersionState, typer.Option(help="the newest version in this state")] = VersionState.ACTIVE,
    template: Annotated[bool, typer.Option("--template", help="an empty workbook to fill in")] = False,
    user: Annotated[str | None, typer.Option(help="act as this user; the password is asked")] = None,
    home: Annotated[Path | None, typer.Option(help="home of the platform")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")] = False,
) -> None:
    """See EXPORT_HELP."""
    from api.cli.stage_progress import StageProgress

    target = file.expanduser().absolute()
    _require_folder(target)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with open_control(home) as control, StageProgress(is_shown=not as_json) as bar:
            caller = permitted(control, user, "loaders", "export")
            count = 0
            if template:
                control.workbooks.write_template(partial)
            else:
                count = control.workbooks.export(partial, caller=caller, codes=code or [], state=state, progress=bar)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    if as_json:
        print(json.dumps({"file": str(target), "loaders": count, "bytes": target.stat().st_size}))
    else:
        print(f"{target}: {'template' if template else f'{count:,} loaders'}, {target.stat().st_size / 1e6:,.1f} MB")


def _require_folder(target: Path) -> None:
    if target.suffix.lower() != ".xlsx":
        raise InputDataError(f"{target.name} is no name of a workbook", suggestion="let it end in .xlsx")
    if not target.parent.is_dir():
        raise InputDataError(f"{target.parent} is no folder", suggestion="make it, or write somewhere else")


def import_workbook(
    file: Annotated[Path, typer.Argument(help="workbook to read (.xlsx)")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="judge everything, change nothing")] = False,
    mode: Annotated[
        ImportMode, typer.Option(help="atomic: any error and nothing is imported; per-row: loaders without error are")
    ] = ImportMode.ATOMIC,
    target: Annotated[
        ImportTarget, typer.Option(help="as drafts, or submitted for approval", case_sensitive=False)
    ] = ImportTarget.DRAFT,
    user: Annotated[str | None, typer.Option(help="act as this user; the password is asked")] = None,
    home: Annotated[Path | None, typer.Option(help="home of the platform")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the whole report on stdout")] = False,
) -> None:
    """See IMPORT_HELP."""
    from api.cli.stage_progress import StageProgress
    from resources.workbook.package import read_workbook_file

    data = read_workbook_file(file.expanduser())
    with open_control(home) as control:
        caller = permitted(control, user, "loaders", "import")
        run = control.workbooks.preview if dry_run else control.workbooks.apply
        with StageProgress(is_shown=not as_json) as bar:
            report = run(data, caller=caller, file_name=file.name, mode=mode, target=target, progress=bar)
    if as_json:
        print(report.model_dump_json(by_alias=True))
    else:
        _show(report)
    if report.error_count:
        sys.exit(1)


def _show(report: ImportReport) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=False)
    if report.errors:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in ("cell", "loader", "error", "what to do"):
            table.add_column(name, overflow="fold")
        for one in report.errors[:_MOST_SHOWN]:
            table.add_row(*(_plain(text) for text in (one.where, one.code, one.reason, one.suggestion)))
        console.print(table)
        if report.error_count > _MOST_SHOWN:
            console.print(f"… and {report.error_count - _MOST_SHOWN:,} more; --json has the first thousand")
    console.print(_plain(_sum_up(report)))


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape("".join(one if one.isprintable() else " " for one in text))


def _sum_up(report: ImportReport) -> str:
    counts = ", ".join(f"{report.counts[one]:,} {one.value}" for one in RowOutcome if report.counts.get(one))
    if report.is_repeated:
        when = f"{report.imported_at:%Y-%m-%d %H:%M} UTC by {report.imported_by}"
        return f"{report.file_name}: this very file was imported {when} ({counts}); nothing changed now"
    what = "dry run, nothing changed" if report.is_dry_run else f"imported as {report.target.value}"
    if not (report.is_dry_run or report.is_applied):
        what = "nothing imported"
    return f"{report.file_name}: {what}: {counts or 'no loader'}, {report.error_count:,} errors"
