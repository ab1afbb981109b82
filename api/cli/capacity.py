"""`etlmon capacity FILE --limit 90`: when gauges reach a limit. Works on any machine, without a running platform."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from api.cli.refusals import report_refusals
from api.cli.series_answer import RULES_OF_FILES, AsJson, give_rows, list_refusals, name_stage
from api.cli.series_file import SeriesFile, check_out, load_series
from api.cli.stage_progress import StageProgress
from api.cli.timestamp_style import render_like
from domain.errors import ConfigurationError

app = typer.Typer(add_completion=False)
HELP = f"""Say for every gauge of FILE when it is first at or above the limit.

Out: series (where FILE has it),reaches_at,lower,upper,growth_per_day,probability, one row per gauge. probability is the
share of simulated futures that get there within the horizon; reaches_at is their median, and empty where the probability is
below 0.2; an empty upper end lies beyond the horizon. The horizon is cut to three times the history of a gauge. A row
without a probability is a gauge with too little history (ten steps at least), named on stderr; if all are, that is an error.
Of several values of one day, or of one step where there are few days, the highest counts.

{RULES_OF_FILES}
"""
EXAMPLE = "Example: etlmon capacity disks.csv --limit 90 --horizon 60"


@app.command(help=HELP, epilog=EXAMPLE)
def capacity(  # noqa: PLR0917 - the options of the command
    file: Annotated[
        Path, typer.Argument(help="csv, csv.gz or parquet with timestamp, value and optional series.", metavar="FILE")
    ],
    limit: Annotated[float, typer.Option("--limit", help="The level in question, in the unit of the values.")],
    horizon: Annotated[float, typer.Option("--horizon", help="How many days to look ahead.")] = 45.0,
    level: Annotated[float, typer.Option("--level", help="Share of simulated futures inside lower..upper.")] = 0.8,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to a .csv, .csv.gz or .parquet file, not to stdout.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read, simulate, write."""
    from threadpoolctl import threadpool_limits

    from domain.capacity import compute_capacity

    if math.isnan(limit):
        raise ConfigurationError("--limit is not a number", suggestion="give a number such as 90")
    check_out(out)
    # Thousands of small matrices: a second BLAS thread only spins.
    with StageProgress() as show, threadpool_limits(1):
        show("reading", 0, None)
        source = load_series(file)
        points, source = source.points(), source.heads()
        progress = name_stage(show, "gauges simulated, twice each")
        result = compute_capacity(points, limit, horizon_days=horizon, level=level, on_progress=progress)
    report_refusals(result.refused, source.names())
    answer, names = shape_rows(result.dates, source), source.names()
    reaching = answer.height - answer["reaches_at"].null_count()
    summary = {"series": names.height, "reaching": reaching, "refused": list_refusals(result.refused, names)}
    give_rows(answer, out, as_json=as_json, summary=summary)


def shape_rows(dates: pl.DataFrame, source: SeriesFile) -> pl.DataFrame:
    """One row per gauge in the order of the file, times in its style."""
    named = source.names().join(dates, on="series_id", how="left", maintain_order="left")
    sample = source.frame["timestamp_text"]
    ends = [render_like(named[name], sample).alias(name) for name in ("reaches_at", "lower", "upper")]
    columns = ["reaches_at", "lower", "upper", "growth_per_day", "probability"]
    return named.with_columns(ends).select(*(["series"] if source.has_series else []), *columns)
