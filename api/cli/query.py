"""`etlmon query`: one SELECT on the lake, read-only, as table, CSV, JSON or Parquet."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InputDataError


class Format(StrEnum):
    """Output formats."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


app = typer.Typer(add_completion=False)


@app.command(
    help="Run one SELECT on the lake. Views: signals_wide (loader_code, metric_name, labels, metric_value, captured_at), "
    "capture_ledger; tables: `etlmon query 'SHOW TABLES'`.\n\n"
    'Example: etlmon query "SELECT metric_name, count(*) FROM signals_wide GROUP BY 1" --format csv'
)
def query(
    sql: Annotated[str, typer.Argument(help="one SELECT, DESCRIBE, SUMMARIZE or SHOW")],
    format_: Annotated[Format, typer.Option("--format", "-f", help="how rows are written")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="file to write; needed for parquet")] = None,
    home: Annotated[Path | None, typer.Option(help="home of the platform")] = None,
    limit: Annotated[int, typer.Option(help="rows shown as a table; other formats write all")] = 50,
) -> None:
    """See the decorator: the help has an example."""
    from resources.lake.connection import check_select
    from resources.platform import open_platform
    from resources.settings import load_settings

    check_select(sql)
    if format_ is Format.PARQUET and out is None:
        raise InputDataError("parquet cannot be shown on a terminal", suggestion="add -o FILE.parquet")
    with open_platform(load_settings(home=home), is_read_only=True) as (_, lake):
        relation = lake.relation(sql)
        if format_ is Format.TABLE and out is None:
            print(relation.show_text(limit))
        else:
            relation.write(format_.value, str(out) if out else None, sys.stdout)
