"""`etlmon score`: causal anomaly scores of the series in a file. Works without a running platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from api.cli.series_answer import RULES_OF_FILES, AsJson, give_rows, name_stage
from api.cli.series_file import SeriesFile, check_out, load_series
from api.cli.stage_progress import StageProgress
from domain.progress import Progress, ignore_progress

app = typer.Typer(add_completion=False)

HELP = f"""Score every row of FILE from the rows before it: 0 is usual, 0.5 and above is an anomaly.

FILE is csv, csv.gz or parquet with the columns timestamp, value and, for many series in one call, series.
The answer has timestamp, value, score, is_anomaly (and series) in the order of FILE. An episode raises one alarm, then
stays quiet unless it gets worse. Scores compare between series, whatever the unit. Rows without a value and the first
20 rows of a series score 0; over the next few hundred rows a young series has to surprise more to be heard. Rows of one
series with the same time count one after the other, in the order of FILE.

{RULES_OF_FILES}
"""
EPILOG = "Example: etlmon score requests.csv -o scores.csv"


@app.command(help=HELP, epilog=EPILOG)
def score(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="csv, csv.gz or parquet", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="csv, csv.gz or parquet; without it, CSV on standard output")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read, score, write."""
    check_out(out)
    with StageProgress() as show:
        show("reading", 0, None)
        source = load_series(file)
        answer = compute_scores(source, on_progress=name_stage(show, "rows scored"))
    summary = {"series": source.names().height, "anomalies": answer["is_anomaly"].sum()}
    give_rows(answer, out, as_json=as_json, summary=summary)


def compute_scores(series: SeriesFile, *, on_progress: Progress = ignore_progress) -> pl.DataFrame:
    """timestamp, value, score, is_anomaly (and series where the file has it), one row per row of the file, in its order."""
    from domain.anomalies.causal import score_series

    scored = (
        score_series(series.points(), on_progress=on_progress).select("row_id", "score", "is_anomaly").sort("row_id")
    )
    columns = ["timestamp_text", "value", *(["series"] if series.has_series else [])]
    answer = series.frame.select(columns).hstack(scored.drop("row_id")).rename({"timestamp_text": "timestamp"})
    names = ["timestamp", "value", "score", "is_anomaly", "series"]
    return answer.select([name for name in names if name in answer.columns])
