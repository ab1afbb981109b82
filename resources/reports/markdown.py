"""A report in a few lines of Markdown: for the asset page in Dagster."""

from __future__ import annotations

from domain.reporting.report import Report
from domain.reporting.wording import describe_counted, format_change, format_value
from resources.reports.palette import MARKS


def render_markdown(report: Report) -> str:
    """The summary and the headline figures as a table."""
    rows = [
        f"| {figure.title} | {format_value(figure.value, figure.unit)} | {MARKS[figure.verdict]} {figure.verdict.value} "
        f"| {format_change(figure, report.span.noun)} | {'' if figure.value is None else describe_counted(figure)} |"
        for figure in report.headlines
    ]
    table = "\n".join(["| Figure | Value | Status | Change | Counted from |", "|---|---|---|---|---|", *rows])
    return "\n\n".join([f"**{report.title}, {report.span.current.label}**", " ".join(report.sentences), table])
