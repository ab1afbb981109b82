"""What an asset shows of itself in the Dagster UI: tables, plots, check results. No computing of figures here."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    MarkdownMetadataValue,
    MetadataValue,
)

from resources.analytics.soundness import RULES, count_violations
from resources.lake.connection import Lake

_PREVIEW_ROWS = 8


def table(frame: pl.DataFrame, *, rows: int = _PREVIEW_ROWS) -> MarkdownMetadataValue:
    """The first rows as a Markdown table; an empty frame says so."""
    if frame.is_empty():
        return MetadataValue.md("_no rows_")
    head = frame.head(rows)
    lines = ["| " + " | ".join(head.columns) + " |", "|" + "---|" * head.width]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in head.rows()]
    if frame.height > rows:
        lines.append(f"\n_{frame.height - rows} more rows_")
    return MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return str(value).replace("|", "\\|").replace("\n", " ")[:80]


def line_plot(
    frame: pl.DataFrame,
    *,
    x: str,
    lines: Sequence[str],
    title: str,
    unit: str = "",
    band: tuple[str, str] | None = None,
    points: str | None = None,
) -> MarkdownMetadataValue:
    """A small plot of columns over time, with an optional band (lower, upper) and marked points, as an inline picture."""
    if frame.is_empty():
        return MetadataValue.md("_nothing to plot yet_")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), dpi=90, layout="constrained")
    axes = figure.subplots()
    at = frame[x].to_list()
    if band:
        axes.fill_between(
            at, _floats(frame, band[0]), _floats(frame, band[1]), color="#3b82f6", alpha=0.15, linewidth=0
        )
    for name, color in zip(lines, ("#1d4ed8", "#64748b", "#0f766e", "#b45309"), strict=False):
        axes.plot(at, _floats(frame, name), label=name.replace("_", " "), color=color, linewidth=1.2)
    if points:
        axes.scatter(at, _floats(frame, points), color="#dc2626", s=14, zorder=3, label=points.replace("_", " "))
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_ylabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    for label in axes.get_xticklabels():
        label.set_fontsize(8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})")


def _floats(frame: pl.DataFrame, column: str) -> list[float]:
    return frame[column].cast(pl.Float64).fill_null(float("nan")).to_list()


def check(
    key: AssetKey, name: str, *, is_passed: bool, summary: str, is_blocking: bool = False, **metadata: Any
) -> AssetCheckResult:
    """A check result whose description says what was found, in figures."""
    severity = AssetCheckSeverity.ERROR if is_blocking else AssetCheckSeverity.WARN
    return AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=bool(is_passed),
        severity=severity,
        description=summary,
        metadata=metadata,
    )


def rule_specs(key: AssetKey) -> list[AssetCheckSpec]:
    """Specs of the soundness rules of a table, for the asset that writes it."""
    rules = RULES.get(key.path[-1], [])
    return [AssetCheckSpec(rule.name, asset=key, description=rule.text) for rule in rules]


def rule_checks(lake: Lake, key: AssetKey) -> Iterator[AssetCheckResult]:
    """Their results."""
    for rule in RULES.get(key.path[-1], []):
        broken = count_violations(lake, rule)
        yield check(key, rule.name, is_passed=broken == 0, summary=f"{broken} rows break the rule", is_blocking=True)
