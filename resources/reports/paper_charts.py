"""A chart of the domain as a PNG for paper, by matplotlib without a display."""

from __future__ import annotations

import io

from domain.reporting.report import Chart
from resources.reports.palette import LINES, TARGET

_WIDTH_IN, _HEIGHT_IN, _DPI = 7.1, 2.35, 200
_MOST_TICKS = 9


def render_png(chart: Chart) -> bytes:
    """The picture; gaps stay gaps. The same chart gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import DateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    bottom: list[float] = []
    for index, line in enumerate(chart.lines):
        colour = LINES[index % len(LINES)]
        values = [float("nan") if value is None else value for value in line.values]
        if chart.is_bars:
            heights = [value or 0.0 for value in line.values]
            bottom = bottom or [0.0] * len(heights)
            axes.bar(line.days, heights, bottom=bottom, color=colour, label=line.name, width=0.7)  # type: ignore[arg-type]
            bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
        else:
            axes.plot(line.days, values, color=colour, label=line.name, linewidth=1.6, marker="o", markersize=3)  # type: ignore[arg-type]
    if chart.target is not None:
        side = "top" if chart.is_target_label_below else "bottom"
        axes.axhline(chart.target, color=TARGET, linestyle="--", linewidth=1)
        axes.annotate(
            f"target {chart.target:g} {chart.unit}",
            (1, chart.target),
            xycoords=("axes fraction", "data"),
            ha="right",
            va=side,
            fontsize=7,
            color=TARGET,
            xytext=(-2, -2 if chart.is_target_label_below else 2),
            textcoords="offset points",
        )
    days = sorted({day for line in chart.lines for day in line.days})
    axes.set_xticks(days[:: -(-len(days) // _MOST_TICKS)])  # type: ignore[arg-type]
    axes.xaxis.set_major_formatter(DateFormatter("%d %b"))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} {chart.unit}")
    axes.tick_params(labelsize=7.5, colors="#5b6675", length=0)
    axes.grid(axis="y", color="#e3e7ec", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#c9d0d8")
    if chart.is_bars:
        axes.set_ylim(bottom=0)
    if len(chart.lines) > 1:
        figure.legend(loc="outside upper left", ncols=6, fontsize=7.5, frameon=False, handlelength=1.4)
    target = io.BytesIO()
    figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()
