"""`etlmon forecast FILE --horizon N`: forecasts of the series in a file. Works on any machine, without a running platform."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from api.cli.holiday_days import load_holidays
from api.cli.refusals import report_refusals
from api.cli.series_answer import RULES_OF_FILES, AsJson, give_rows, list_refusals, name_stage
from api.cli.series_file import SeriesFile, check_out, load_series
from api.cli.stage_progress import StageProgress
from api.cli.timestamp_style import render_like

#: Years after the newest point whose holidays are looked up.
YEARS_AHEAD = 6
app = typer.Typer(add_completion=False)
HELP = f"""Forecast every series of FILE, with an interval, by the models that did best on its own past.

Out: series (where FILE has it),step,timestamp,forecast,lower,upper,model; step counts from 1. Seasons are found in the
data. A series with too little history is named on stderr and left out; if all are, that is an error. Of several values of
one step of a series their mean counts.

{RULES_OF_FILES}
"""
EXAMPLE = "Example: etlmon forecast load.csv --horizon 48 --level 0.9 -o forecast.parquet"


@app.command(help=HELP, epilog=EXAMPLE)
def forecast(  # noqa: PLR0917 - the options of the command
    file: Annotated[
        Path, typer.Argument(help="csv, csv.gz or parquet with timestamp, value and optional series.", metavar="FILE")
    ],
    horizon: Annotated[int, typer.Option("--horizon", min=1, help="How many steps ahead; the step is found.")],
    level: Annotated[float, typer.Option("--level", help="Share of future values the interval should hold.")] = 0.8,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            help="Comma-separated: naive, seasonal_naive, autoregression (the default three), ets, arima, theta, mstl, "
            "prophet (the last five are slow).",
        ),
    ] = None,
    holidays: Annotated[
        str | None,
        typer.Option("--holidays", help="A file with one date a line, or a country such as DE; days are those of UTC."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to a .csv, .csv.gz or .parquet file, not to stdout.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read, forecast, write."""
    from threadpoolctl import threadpool_limits

    from domain.forecasts import DEFAULT_MODELS, forecast_series
    from domain.forecasts.holidays import add_holidays

    check_out(out)
    families = [name.strip() for name in models.split(",")] if models is not None else list(DEFAULT_MODELS)
    # Thousands of small matrices: a second BLAS thread only spins.
    with StageProgress() as show, threadpool_limits(1):
        show("reading", 0, None)
        source = load_series(file)
        points, source = source.points(), source.heads()
        show("series forecast", 0, source.names().height)
        if holidays is not None:
            points, effects, days = take_out_holidays(points, holidays)
        result = forecast_series(
            points, horizon=horizon, level=level, models=families, on_progress=name_stage(show, "series forecast")
        )
    report_refusals(result.refused, source.names())
    forecasts = result.forecasts if holidays is None else add_holidays(result.forecasts, effects, days)
    summary = {"series": source.names().height, "refused": list_refusals(result.refused, source.names())}
    give_rows(shape_rows(forecasts, source), out, as_json=as_json, summary=summary)


def take_out_holidays(points: pl.DataFrame, wanted: str) -> tuple[pl.DataFrame, pl.DataFrame, frozenset[date]]:
    """Points without their holidays, the effects of these, and the days; forecasts reach five years on at most."""
    from domain.forecasts.holidays import smooth_holidays

    first, last = points["captured_at"].dt.year().min(), points["captured_at"].dt.year().max()
    days = load_holidays(wanted, years=range(int(first), int(last) + YEARS_AHEAD))  # type: ignore[arg-type]
    return *smooth_holidays(points, days), days


def shape_rows(forecasts: pl.DataFrame, source: SeriesFile) -> pl.DataFrame:
    """Forecast rows as the file's reader expects them: series in the order of the file, times in its style."""
    named = forecasts.join(source.names(), on="series_id", how="left", maintain_order="left")
    timestamp = render_like(named["forecast_at"], source.frame["timestamp_text"])
    columns = ["step", "timestamp", "forecast", "lower", "upper", "model"]
    return named.with_columns(timestamp=timestamp).select(*(["series"] if source.has_series else []), *columns)
