"""`etlmon templates FILE`: the template of each line of a text log. Works on any machine, without a running platform."""

from __future__ import annotations

import gzip
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import typer

from api.cli.log_lines import read_lines
from api.cli.series_answer import AsJson, print_summary
from api.cli.series_file import survive_closed_pipe
from api.cli.stage_progress import StageProgress
from domain.errors import InputDataError
from domain.log_patterns.header import detect_header, extract_messages
from domain.log_patterns.miner import MaskedBatch, MinerState, compute_masked_batch, mine_cluster_numbers

app = typer.Typer(add_completion=False)
Numbers = list[npt.NDArray[np.uint32]]
OUT_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_ROWS_PER_WRITE = 200_000
#: Blocks masked at the same time; masking leaves the interpreter, so threads do.
_WORKERS = 2
EXAMPLE = "Example: etlmon templates app.log.gz -o templates.csv --state app.state.json"


@app.command(epilog=EXAMPLE)
def templates(
    file: Annotated[Path, typer.Argument(help="A text log, plain or gzip, in UTF-8.", metavar="FILE")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to a .csv, .csv.gz or .parquet file, not to stdout.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="JSON file with what was learned; continued if it exists.")
    ] = None,
    header: Annotated[
        bool, typer.Option("--header/--no-header", help="Find and leave out time stamp, level, host, process.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Group the lines of a log by template and name the template of each line.

    Out: line_id,template_id,template with one row per line; line_id counts from 1, <*> is a variable. Template ids come
    from the content: the same log gives the same ids, and --state keeps them from file to file.

    Rules of FILE: every line counts, in the order of the file; blank ones have an empty template. Time stamps are part of
    the header or masked: their order, zone and doubles mean nothing. A table is a log like others, whatever its separator,
    its heading a line. Bytes that are not UTF-8 are replaced; of overlong lines the beginning counts; an empty file gives
    the heading alone. What is not text at all is refused.
    """
    check_out(out)
    miner = load_miner(state)
    with StageProgress() as show:
        numbers = mine_file(file, miner, has_header=header, show=show)
    frames = render_rows(miner, numbers)
    try:
        write_rows(frames, out, as_json=as_json)
        if state is not None:
            save_miner(miner, state)
    except OSError as error:
        raise InputDataError(
            f"{error.filename or out or state} cannot be written: {error.strerror or error}",
            suggestion="Name a folder with room that you may write to.",
        ) from error
    if as_json and out is not None:
        lines = sum(len(part) for part in numbers)
        print_summary(out, rows=lines, summary={"templates": len(np.unique(np.concatenate(numbers))) if lines else 0})


def check_out(out: Path | None) -> None:
    """InputDataError before the work begins if the result could not be written."""
    if out is None:
        return
    if not out.name.endswith(OUT_SUFFIXES):
        raise InputDataError(f"{out} has an unknown suffix", suggestion="Use .csv, .csv.gz or .parquet.")
    if not out.absolute().parent.is_dir():
        raise InputDataError(f"There is no folder {out.absolute().parent}", suggestion="Create it or name another.")


def load_miner(state: Path | None) -> MinerState:
    """The state of the file, or a fresh one where there is none."""
    return MinerState.from_json(state.read_bytes()) if state is not None and state.exists() else MinerState()


def save_miner(miner: MinerState, state: Path) -> None:
    """Replace the state file at once, so that it is never half a state."""
    part = state.with_name(state.name + ".part")
    part.write_text(miner.to_json(), encoding="utf-8")
    part.replace(state)


def mine_file(file: Path, miner: MinerState, *, has_header: bool, show: StageProgress) -> Numbers:
    """Cluster numbers of all lines, 4 bytes a line; the header form is found in the first block."""
    size = file.stat().st_size if file.is_file() else 0
    blocks = read_lines(file, on_progress=lambda done: show("bytes mined", done, size))
    return [mine_cluster_numbers(batch, miner).to_numpy() for batch in mask_blocks(blocks, has_header=has_header)]


def mask_blocks(blocks: Iterator[pl.Series], *, has_header: bool) -> Iterator[MaskedBatch]:
    """Masked blocks in order; the next ones are masked on the other cores meanwhile."""
    first = next(blocks, None)
    if first is None:
        return
    form = detect_header(first) if has_header else None
    waiting: deque[Future[MaskedBatch]] = deque()
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        for lines in chain([first], blocks):
            waiting.append(pool.submit(lambda block: compute_masked_batch(extract_messages(block, form)), lines))
            if len(waiting) > _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def render_rows(miner: MinerState, numbers: Numbers) -> Iterator[pl.DataFrame]:
    """Rows (line_id, template_id, template) in order, with the templates as known at the end; at least one frame."""
    names = pl.DataFrame({"template_id": miner.current_ids()}, schema={"template_id": pl.String})
    names = names.join(miner.templates().select("template_id", "template"), on="template_id", maintain_order="left")
    every = np.concatenate(numbers) if numbers else np.empty(0, dtype=np.uint32)
    for start in range(0, max(len(every), 1), _ROWS_PER_WRITE):
        part = names[every[start : start + _ROWS_PER_WRITE]]
        yield part.with_row_index("line_id", offset=start + 1).with_columns(pl.col("line_id").cast(pl.Int64))


def write_rows(frames: Iterator[pl.DataFrame], out: Path | None, *, as_json: bool) -> None:
    """Write to stdout, as JSON lines if wanted, or by suffix to a file."""
    if out is None:
        with survive_closed_pipe():
            if as_json:
                sys.stdout.buffer.writelines(frame.write_ndjson().encode() for frame in frames)
            else:
                write_csv(frames, sys.stdout.buffer)
            sys.stdout.flush()
    elif out.suffix == ".parquet":
        write_parquet(frames, out)
    elif out.suffix == ".gz":
        with gzip.open(out, "wb", compresslevel=3) as stream:
            write_csv(frames, cast("BinaryIO", stream))
    else:
        with out.open("wb") as stream:
            write_csv(frames, stream)


def write_csv(frames: Iterator[pl.DataFrame], stream: BinaryIO) -> None:
    """CSV with one heading."""
    stream.writelines(frame.write_csv(include_header=index == 0).encode() for index, frame in enumerate(frames))


def write_parquet(frames: Iterator[pl.DataFrame], out: Path) -> None:
    """One row group per frame."""
    import pyarrow.parquet as pq

    first = next(frames).to_arrow()
    with pq.ParquetWriter(out, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for frame in frames:
            writer.write_table(frame.to_arrow())
