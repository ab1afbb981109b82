"""The online template miner: lines in, template ids out.

One setting for all systems. Masking and counting run over the whole column; Python sees each distinct masked line once.
What it has learned is the `MinerState`.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from domain.log_patterns.masking import compute_masked
from domain.log_patterns.state import MinerState
from domain.log_patterns.tokens import parse_line

__all__ = ["MaskedBatch", "MinerState", "compute_masked_batch", "mine_cluster_numbers", "mine_templates"]


def mine_templates(messages: pl.Series, state: MinerState) -> tuple[MinerState, pl.DataFrame]:
    """Template of each message: known ones at once, new ones learned on the way.

    Args:
        messages: strings without log header; a null counts as the empty message.
        state: advanced in place.

    Returns:
        The same state, and a frame (row, template_id) with one row per message in order, as of the end of this batch
        (`MinerState.aliases` tells which ids were merged later). No messages give an empty frame.

    """
    numbers = mine_cluster_numbers(compute_masked_batch(messages), state)
    names = pl.DataFrame(
        {"number": range(len(state.clusters)), "template_id": state.current_ids()}, schema=_NAMES_SCHEMA
    )
    rows = numbers.to_frame("number").with_row_index("row")
    return state, rows.join(names, on="number", how="left", maintain_order="left").select("row", "template_id")


_NAMES_SCHEMA: dict[str, pl.DataType] = {"number": pl.UInt32(), "template_id": pl.String()}


class MaskedBatch(NamedTuple):
    """Messages before learning: `rows` (row, message) and the distinct `texts` (message, count, row, shape)."""

    rows: pl.DataFrame
    texts: pl.DataFrame


def compute_masked_batch(messages: pl.Series) -> MaskedBatch:
    """The part of mining that needs no state, so that it can run beside the learning of an earlier batch."""
    rows = messages.rename("message").to_frame().with_row_index("row")
    texts = rows.group_by("message", maintain_order=True).agg(pl.len().alias("count"), pl.col("row").first())
    return MaskedBatch(rows, texts.with_columns(compute_masked(texts.get_column("message")).alias("shape")))


def mine_cluster_numbers(batch: MaskedBatch, state: MinerState) -> pl.Series:
    """Cluster number (UInt32) of each message; `MinerState.current_ids` turns numbers into ids, at any later time."""
    shapes = batch.texts.group_by("shape", maintain_order=True).agg(pl.col("count").sum(), pl.col("row").min())
    numbers = [
        state.learn(parse_line(shape), count=count, line_number=state.lines_seen + row + 1)
        for shape, count, row in shapes.iter_rows()
    ]
    state.lines_seen += batch.rows.height
    known = shapes.select("shape", pl.Series("number", numbers, dtype=pl.UInt32))
    known = batch.texts.join(known, on="shape", how="left", maintain_order="left").select("message", "number")
    numbered = batch.rows.join(known, on="message", how="left", maintain_order="left", nulls_equal=True)
    return numbered.get_column("number")
