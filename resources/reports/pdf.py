"""A report as PDF on A4, made by fpdf2 with the DejaVu letters that matplotlib brings along. Nothing from outside PyPI."""

from __future__ import annotations

import io
from datetime import UTC, datetime, time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from domain.reporting.report import Figure, Report, Section, Verdict
from domain.reporting.wording import describe_counted, format_change, format_value, is_better
from resources.reports.palette import MARKS, VERDICTS
from resources.reports.paper_charts import render_png
from resources.reports.pdf_page import (
    ACCENT,
    FONT,
    INK,
    MARGIN,
    RULE,
    SOFT,
    WIDTH,
    draw_table,
    paragraph,
    rgb,
    text_style,
)

if TYPE_CHECKING:
    from fpdf import FPDF

_GAP, _CARD_HEIGHT, _CHART_HEIGHT, _FIRST_ROWS_HEIGHT = 4.0, 33.0, 66.0, 32.0


def render_pdf(report: Report) -> tuple[bytes, int]:
    """The document and its number of pages. The same report gives the same bytes."""
    pdf = _new_document(report)
    pdf.add_page()
    _opening(pdf, report)
    _cards(pdf, report)
    for section in report.sections:
        _section(pdf, section)
    return bytes(pdf.output()), pdf.pages_count


def _new_document(report: Report) -> FPDF:
    from fpdf import FPDF

    footer = f"{report.title} · {report.span.current.label} · as of {report.span.as_of:%Y-%m-%d}"

    class Document(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            text_style(self, 7.5, SOFT)
            self.cell(WIDTH / 2 + 50, 5, footer)
            self.cell(WIDTH / 2 - 50, 5, f"{self.page_no()} / {{nb}}", align="R")

    pdf = Document(format="A4")
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    fonts = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    pdf.add_font(FONT, "", fonts / "DejaVuSans.ttf")
    pdf.add_font(FONT, "B", fonts / "DejaVuSans-Bold.ttf")
    pdf.set_margins(MARGIN, 14, MARGIN)
    pdf.set_auto_page_break(auto=True, margin=17)
    pdf.set_creation_date(datetime.combine(report.span.as_of, time(), UTC))
    pdf.set_title(f"{report.title}, {report.span.current.label}")
    pdf.set_lang("en")
    return pdf


def _opening(pdf: FPDF, report: Report) -> None:
    span = report.span
    paragraph(pdf, report.title, 10, ACCENT, is_bold=True)
    paragraph(pdf, span.current.label[:1].upper() + span.current.label[1:], 19, is_bold=True)
    paragraph(pdf, f"Compared with {span.previous.label}. As of {span.as_of:%Y-%m-%d}; all times UTC.", 8.5, SOFT)
    pdf.ln(3)
    top = pdf.get_y()
    pdf.set_left_margin(MARGIN + 4)
    for index, sentence in enumerate(report.sentences):
        text_style(pdf, 11 if index == 0 else 9.2, is_bold=index == 0)
        pdf.set_x(MARGIN + 4)
        pdf.multi_cell(WIDTH - 4, 5.6 if index == 0 else 4.9, sentence, align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.set_left_margin(MARGIN)
    pdf.set_fill_color(*ACCENT)
    pdf.rect(MARGIN, top, 1.1, pdf.get_y() - top, style="F")
    pdf.ln(5)


def _cards(pdf: FPDF, report: Report) -> None:
    width = (WIDTH - 2 * _GAP) / 3
    top = pdf.get_y()
    for index, figure in enumerate(report.headlines):
        row, column = divmod(index, 3)
        _card(
            pdf,
            figure,
            report.span.noun,
            x=MARGIN + column * (width + _GAP),
            y=top + row * (_CARD_HEIGHT + _GAP),
            width=width,
        )
    rows = -(-len(report.headlines) // 3)
    pdf.set_xy(MARGIN, top + rows * (_CARD_HEIGHT + _GAP))


def _card(pdf: FPDF, figure: Figure, noun: str, *, x: float, y: float, width: float) -> None:
    pdf.set_draw_color(*RULE)
    pdf.rect(x, y, width, _CARD_HEIGHT, round_corners=True, corner_radius=1.5)
    pdf.set_xy(x + 3.5, y + 3)
    text_style(pdf, 8.5, is_bold=True)
    pdf.cell(width - 7, 4, figure.title)
    if figure.target or figure.value is None:
        pdf.set_xy(x + 3.5, y + 3)
        text_style(pdf, 7.5, rgb(VERDICTS[figure.verdict]), is_bold=True)
        pdf.cell(width - 7, 4, f"{MARKS[figure.verdict]} {figure.verdict.value}", align="R")
    pdf.set_xy(x + 3.5, y + 8.5)
    text_style(pdf, 17 if figure.value is not None else 13, INK if figure.value is not None else SOFT, is_bold=True)
    pdf.cell(width - 7, 8, format_value(figure.value, figure.unit))
    pdf.set_xy(x + 3.5, y + 17.5)
    better = is_better(figure)
    colour = INK if better is None else rgb(VERDICTS[Verdict.GOOD if better else Verdict.BAD])
    text_style(pdf, 7.5, colour)
    pdf.cell(width - 7, 4, format_change(figure, noun) + {True: " (better)", False: " (worse)", None: ""}[better])
    pdf.set_xy(x + 3.5, y + 22.3)
    text_style(pdf, 7.2, SOFT)
    counted = "No data were captured." if figure.value is None else describe_counted(figure)
    pdf.multi_cell(width - 7, 3.6, counted, align="L")


def _section(pdf: FPDF, section: Section) -> None:
    needed = 14 + 10 * len(section.sentences) + (_CHART_HEIGHT if section.charts else _FIRST_ROWS_HEIGHT)
    if pdf.will_page_break(needed):
        pdf.add_page()
    pdf.ln(3)
    pdf.set_draw_color(*RULE)
    pdf.line(MARGIN, pdf.get_y(), MARGIN + WIDTH, pdf.get_y())
    pdf.ln(3)
    paragraph(pdf, section.title, 13, is_bold=True)
    pdf.ln(1)
    for sentence in section.sentences:
        paragraph(pdf, sentence)
        pdf.ln(0.8)
    for chart in section.charts:
        pdf.ln(1.5)
        paragraph(pdf, chart.title, 8.5, is_bold=True)
        pdf.image(io.BytesIO(render_png(chart)), x=MARGIN, w=WIDTH, alt_text=chart.title)
        if chart.note:
            paragraph(pdf, chart.note, 7.5, SOFT)
    for table in section.tables:
        draw_table(pdf, table)
