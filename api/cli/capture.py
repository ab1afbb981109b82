"""`etlmon capture`: the capture run of the platform, by hand."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from domain.errors import InputDataError

if TYPE_CHECKING:
    from resources.capture.outcomes import CaptureRun, LoaderOutcome

app = typer.Typer(add_completion=False)


@app.command(
    help="Capture every window that is due now; with --from and --to that range again (equal content changes nothing).\n\n"
    "Example: etlmon capture --loader STATS-PERF --from 2026-11-01 --to 2026-11-02T12:00"
)
def capture(
    loader: Annotated[list[str] | None, typer.Option("--loader", "-l", help="loader code; repeat for several")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="first instant, ISO 8601, UTC unless it has a zone")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="first instant after the range")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")] = False,
    home: Annotated[Path | None, typer.Option(help="home of the platform")] = None,
) -> None:
    """See the decorator: the help has an example. Exit code 1 when a loader failed."""
    from resources.capture.engine import CaptureContext
    from resources.capture.service import capture as run_capture
    from resources.clock import utc_now
    from resources.json_logs import new_correlation_id
    from resources.platform import open_platform, prepare_storage
    from resources.settings import load_settings

    period = _period(from_, to)
    settings = load_settings(home=home)
    with open_platform(settings, prepare=prepare_storage) as (url, lake), ProgressLine(is_shown=not as_json) as advance:
        context = CaptureContext(now=utc_now(), run_id="cli", correlation_id=new_correlation_id())
        run = run_capture(settings, url, lake, context, codes=loader, period=period, progress=advance)
    _print(run, as_json=as_json)
    if run.failed:
        raise typer.Exit(1)


def _period(start: str | None, end: str | None) -> tuple[datetime, datetime] | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InputDataError("--from and --to belong together", suggestion="give both, or neither for what is due")
    period = _instant(start, "--from"), _instant(end, "--to")
    if period[0] >= period[1]:
        raise InputDataError("--from is not before --to", suggestion="swap them")
    return period


def _instant(text: str, option: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputDataError(
            f"{option} {text!r} is no instant", suggestion="write 2026-11-01 or 2026-11-01T12:00Z"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class ProgressLine:
    """A live line of progress on a terminal; silent elsewhere."""

    def __init__(self, *, is_shown: bool) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._status = self._console.status("capturing …") if is_shown and sys.stderr.isatty() else None
        self._signals: dict[str, int] = {}

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, outcome: LoaderOutcome) -> None:
        self._signals[outcome.code] = outcome.signals
        if self._status:
            self._status.update(f"{outcome.code}: {outcome.signals:,} signals · in all {sum(self._signals.values()):,}")


def _as_dict(one: LoaderOutcome) -> dict[str, object]:
    return {
        "loader": one.code,
        "version": one.version,
        "windows": one.windows,
        "unchanged_windows": one.unchanged_windows,
        "missing_windows": one.missing_windows,
        "signals": one.signals,
        "late_rows": one.late_rows,
        "log_lines": one.log_lines,
        "quarantined": one.quarantined,
        "dropped_series": one.dropped_series,
        "duration_ms": round(one.duration_ms, 1),
        "complete_until": one.watermark.isoformat() if one.watermark else None,
        "is_busy": one.is_busy,
        "error": one.error.as_dict() if one.error else None,
    }


def _print(run: CaptureRun, *, as_json: bool) -> None:
    rows = [_as_dict(one) for _, one in sorted(run.outcomes.items())]
    if as_json:
        print(json.dumps({"signals": run.signals, "loaders": rows}, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, header_style="bold")
    for name in ("loader", "windows", "signals", "late", "quarantined", "complete until", "result"):
        shown.add_column(name, justify="right" if name in {"windows", "signals", "late", "quarantined"} else "left")
    for _, one in sorted(run.outcomes.items()):
        result = (
            f"[red]{one.error.error_type}[/red]"
            if one.error
            else "[yellow]busy elsewhere[/yellow]"
            if one.is_busy
            else "ok"
        )
        until = one.watermark.strftime("%Y-%m-%d %H:%M") if one.watermark else "–"
        shown.add_row(
            one.code,
            f"{one.windows:,}",
            f"{one.signals:,}",
            f"{one.late_rows:,}",
            f"{one.quarantined:,}",
            until,
            result,
        )
    console = Console()
    console.print(shown)
    for failure in run.failed:
        assert failure.error
        console.print(
            f"[red]{failure.code}[/red] {failure.error.reason}\n  → {failure.error.suggestion}", highlight=False
        )
