"""`etlmon doctor`: everything that may be wrong, each with the way to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import EtlmonError

if TYPE_CHECKING:
    from resources.doctor.finding import Finding
    from resources.settings import Settings

app = typer.Typer(add_completion=False)
_MARKS = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "problem": "[red]✗[/red]"}


@app.command(
    help="Look at machine, files, database, lake, sources, loaders and processes; change nothing. Exit code 1 when there is a "
    "problem.\n\nExample: etlmon doctor --home ./.etlmon"
)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable findings")] = False,
    home: Annotated[Path | None, typer.Option(help="home of the platform")] = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.doctor.finding import Verdict

    findings: list[Finding] = []
    for finding in _examine(home):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    if any(finding.verdict is Verdict.PROBLEM for finding in findings):
        raise typer.Exit(1)


def _examine(home: Path | None) -> Iterator[Finding]:
    from resources.doctor.finding import problem
    from resources.settings import load_settings

    try:
        settings = load_settings(home=home)
    except EtlmonError as error:
        yield problem("settings", error.reason, error.suggestion)
        return
    yield from _examine_platform(settings)


def _examine_platform(settings: Settings) -> Iterator[Finding]:
    from resources.doctor.capture import check_capture
    from resources.doctor.finding import problem, warning
    from resources.doctor.machine import check_machine
    from resources.doctor.notification import check_notification
    from resources.doctor.services import check_analytics, check_services
    from resources.doctor.storage import check_database, check_lake, check_lake_folder
    from resources.doctor.tickets import check_tickets
    from resources.lake.connection import open_lake
    from resources.platform import open_database

    yield from check_machine(settings)
    yield from check_services(settings)
    yield from check_tickets(settings)
    if settings.database_url is None and not (settings.home / "instance_id").exists():
        yield warning("database", "this home was never started", "start it: `etlmon up`")
        return
    try:
        with open_database(settings) as url:
            found = list(check_database(url))
            if all(one.verdict != "problem" for one in found):
                found.append(check_lake_folder(settings, url))
            yield from found
            if any(one.verdict == "problem" for one in found):
                return
            yield from check_notification(settings, url)
            with open_lake(settings, url, is_read_only=True) as lake:
                yield from check_lake(lake)
                yield from check_capture(settings, url, lake)
                yield from check_analytics(lake)
    except EtlmonError as error:
        yield problem("storage", error.reason, error.suggestion)


def _print(finding: Finding) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{_MARKS[finding.verdict]} {finding.check}: ", end="")
    console.print(finding.detail, markup=False)
    if finding.remedy:
        console.print(f"    → {finding.remedy}", markup=False)
