"""What a command says about series it could not answer for: a note on stderr, or an error when there is no answer at all."""

from __future__ import annotations

import polars as pl
import typer

from domain.errors import NotEnoughHistoryError

SHOWN = 5


def report_refusals(refused: pl.DataFrame, names: pl.DataFrame) -> None:
    """Tell which series were left out and why.

    Args:
        refused: series_id, reason.
        names: every series of the file: series_id and, where the file names them, series.

    Raises:
        NotEnoughHistoryError: all series were refused.
    """
    if refused.height == 0:
        return
    listed = refused.join(names, on="series_id", how="left").sort("series_id")
    lines = [_describe(row) for row in listed.head(SHOWN).iter_rows(named=True)]
    if refused.height >= names.height:
        raise NotEnoughHistoryError(
            "; ".join(lines) + (f" (and {refused.height - SHOWN} more series)" if refused.height > SHOWN else ""),
            suggestion="give a longer history at a regular step, or ask for a shorter horizon",
        )
    typer.echo(f"{refused.height} of {names.height} series have no answer:", err=True)
    for line in lines:
        typer.echo(f"  {line}", err=True)
    if refused.height > SHOWN:
        typer.echo(f"  and {refused.height - SHOWN} more", err=True)


def _describe(row: dict[str, object]) -> str:
    return f"{row['series']}: {row['reason']}" if "series" in row else str(row["reason"])
