"""A chart of the domain as Plotly's JSON. Colours of page and grid are set in the page, by light or dark."""

from __future__ import annotations

from typing import Any

from domain.reporting.report import Chart
from resources.reports.palette import LINES, TARGET


def render_plotly(chart: Chart, identifier: str) -> dict[str, Any]:
    """`{id, data, layout}` for Plotly.react; gaps stay gaps."""
    unit = chart.unit
    traces = [
        {
            "type": "bar" if chart.is_bars else "scatter",
            "name": line.name,
            "x": [day.isoformat() for day in line.days],
            "y": line.values,
            "marker": {"color": LINES[index % len(LINES)]},
            "hovertemplate": f"%{{x|%a %d %b}}: %{{y:.4~g}} {unit}<extra>{line.name if len(chart.lines) > 1 else ''}</extra>",
            **(
                {}
                if chart.is_bars
                else {
                    "mode": "lines+markers",
                    "connectgaps": False,
                    "line": {"color": LINES[index % len(LINES)], "width": 2.2},
                }
            ),
        }
        for index, line in enumerate(chart.lines)
    ]
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    if chart.target is not None:
        dashed = {"color": TARGET, "dash": "dash", "width": 1.4}
        shapes.append(
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": chart.target, "y1": chart.target, "line": dashed}
        )
        notes.append(
            {
                "xref": "paper",
                "x": 1,
                "xanchor": "right",
                "y": chart.target,
                "yanchor": "top" if chart.is_target_label_below else "bottom",
                "showarrow": False,
                "text": f"target {chart.target:g} {unit}",
                "font": {"size": 11, "color": TARGET},
            }
        )
    return {
        "id": identifier,
        "data": traces,
        "layout": {
            "margin": {"l": 56, "r": 12, "t": 12, "b": 36},
            "barmode": "stack",
            "hovermode": "closest",
            "shapes": shapes,
            "annotations": notes,
            "showlegend": len(chart.lines) > 1,
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "xaxis": {"type": "date", "tickformat": "%d %b", "showgrid": False, "nticks": 10},
            "yaxis": {"ticksuffix": f" {unit}", "rangemode": "tozero" if chart.is_bars else "normal", "nticks": 6},
        },
    }
