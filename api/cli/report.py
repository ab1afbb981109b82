"""`etlmon report weekly|monthly|sla`: HTML and PDF from the marts, which are built first where they are missing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from domain.reporting.period import ReportKind
from resources.settings import load_settings

app = typer.Typer(add_completion=False)

EPILOG = "Example: etlmon report weekly --out reports --as-of 2026-11-23"


@app.command(epilog=EPILOG)
def report(  # noqa: PLR0917 - typer reads the signature
    kind: Annotated[ReportKind, typer.Argument(help="weekly: last whole ISO week; monthly, sla: the month so far.")],
    out: Annotated[Path, typer.Option("--out", help="Folder the two files go to.")],
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day the report is made for (UTC); default: today."),
    ] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Build the marts anew before reading them.")] = False,
    home: Annotated[Path | None, typer.Option("--home", help="Folder of the platform; default: ETLMON_HOME.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write the weekly, monthly or SLA report as HTML and PDF."""
    from resources.clock import utc_now
    from resources.lake.dbt_environment import build_marts
    from resources.platform import open_platform, prepare_storage
    from resources.reports.reading import has_marts
    from resources.reports.writing import write_report

    settings = load_settings(home=home)
    with open_platform(settings) as (url, lake):
        prepare_storage(settings, url)
        if refresh or not has_marts(lake):
            typer.echo("building the marts …", err=True)
            build_marts(settings, url)
        day = (as_of or utc_now()).date()
        written = write_report(lake, kind, as_of=day, out=out)
    if json_output:
        import orjson

        facts = {
            "html": str(written.html),
            "pdf": str(written.pdf),
            "pages": written.pages,
            "as_of": day,
            "figures": {f.key: f.value for f in written.report.headlines},
        }
        typer.echo(orjson.dumps(facts).decode())
    else:
        typer.echo(f"{written.html}\n{written.pdf} ({written.pages} pages)")
