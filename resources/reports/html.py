"""A report as one HTML file that needs nothing from outside: styles, data and Plotly are inside."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any

import orjson

from domain.reporting.report import Figure, Report, Section, Table, Verdict
from domain.reporting.wording import describe_counted, format_change, format_value, is_better
from resources.reports.palette import MARKS
from resources.reports.plotly_charts import render_plotly

_CLASSES = {Verdict.GOOD: "good", Verdict.WATCH: "watch", Verdict.BAD: "bad", Verdict.UNKNOWN: "unknown"}


def render_html(report: Report) -> str:
    """The whole page. The same report gives the same text."""
    from plotly.offline import get_plotlyjs

    charts: list[dict[str, Any]] = []
    body = "".join(_section(section, charts) for section in report.sections)
    folder = files("resources.reports")
    span = report.span
    title = f"{report.title}, {span.current.label}"
    data = orjson.dumps(charts).decode().replace("<", "\\u003c")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<style>{(folder / 'report.css').read_text()}</style></head><body><main>"
        f'<header><p class="eyebrow">{escape(report.title)}</p><h1>{escape(_capital(span.current.label))}</h1>'
        f'<p class="meta">Compared with {escape(span.previous.label)}. As of {span.as_of:%Y-%m-%d}; all times UTC.</p></header>'
        f'<div class="summary">{"".join(f"<p>{escape(sentence)}</p>" for sentence in report.sentences)}</div>'
        f'<div class="cards">{"".join(_card(figure, span.noun) for figure in report.headlines)}</div>'
        f"{body}<footer>Every figure is a ratio of sums over the period shown; hours and windows without data are left out "
        "of both sides and counted under “What these figures rest on”.</footer></main>"
        f"<script>{get_plotlyjs()}</script>"
        f'<script id="charts" type="application/json">{data}</script>'
        f"<script>{(folder / 'report.js').read_text()}</script></body></html>\n"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _light(verdict: Verdict) -> str:
    return f'<span class="light {_CLASSES[verdict]}"><span aria-hidden="true">{MARKS[verdict]}</span> {verdict.value}</span>'


def _card(figure: Figure, noun: str) -> str:
    light = _light(figure.verdict) if figure.target or figure.value is None else ""
    better = is_better(figure)
    judged = {True: ' <span class="better">(better)</span>', False: ' <span class="worse">(worse)</span>', None: ""}[
        better
    ]
    kind = "value unknown" if figure.value is None else "value"
    change = format_change(figure, noun)
    counted = "No data were captured." if figure.value is None else describe_counted(figure)
    return (
        f'<div class="card" data-figure="{figure.key}"><h3>{escape(figure.title)}{light}</h3>'
        f'<p class="{kind}">{escape(format_value(figure.value, figure.unit))}</p>'
        + (f'<p class="change">{escape(change)}{judged}</p>' if change else "")
        + f"<p>{escape(counted)}</p></div>"
    )


def _section(section: Section, charts: list[dict[str, Any]]) -> str:
    parts = [f"<section><h2>{escape(section.title)}</h2>", *(f"<p>{escape(text)}</p>" for text in section.sentences)]
    for chart in section.charts:
        identifier = f"chart-{len(charts) + 1}"
        charts.append(render_plotly(chart, identifier))
        note = f'<p class="note">{escape(chart.note)}</p>' if chart.note else ""
        parts.append(
            f'<div class="chart"><h3>{escape(chart.title)}</h3><div class="plot" id="{identifier}" role="img" '
            f'aria-label="{escape(chart.title)}"></div>{note}</div>'
        )
    return "".join([*parts, *(_table(table) for table in section.tables), "</section>"])


def _table(table: Table) -> str:
    if not table.rows:
        return f'<p class="empty">{escape(table.empty)}</p>'

    def cell(tag: str, index: int, content: str | Verdict) -> str:
        kind = ' class="number"' if index in table.numeric else ""
        inner = _light(content) if isinstance(content, Verdict) else escape(content)
        return f"<{tag}{kind}>{inner}</{tag}>"

    head = "".join(cell("th", index, name) for index, name in enumerate(table.columns))
    rows = "".join(
        "<tr>" + "".join(cell("td", i, content) for i, content in enumerate(row)) + "</tr>" for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}'
