"""A report as PDF on A4, made by fpdf2 with the DejaVu letters that matplotlib brings along. Nothing from outside PyPI."""

from __future__ import annotations

import io
from datetime import UTC, datetime, time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from domain.reporting.report import Figure, Report, Section, Table, Verdict
from domain.reporting.wording import describe_counted, format_change, format_value, is_better
from resources.reports.palette import MARKS, VERDICTS
from resources.reports.paper_charts import render_png

if TYPE_CHECKING:
    from fpdf import FPDF

_INK, _SOFT, _RULE, _ACCENT = (28, 36, 48), (91, 102, 117), (214, 219, 226), (47, 109, 181)
_MARGIN, _WIDTH, _GAP, _CARD_HEIGHT = 15.0, 180.0, 4.0, 33.0
_FONT = "DejaVu"


def render_pdf(report: Report) -> tuple[bytes, int]:
    """The document and its number of pages. The same report gives the same bytes."""
    pdf = _new_document(report)
    pdf.add_page()
    _opening(pdf, report)
    _cards(pdf, report)
    for section in report.sections:
        _section(pdf, section)
    return bytes(pdf.output()), pdf.pages_count


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _new_document(report: Report) -> FPDF:
    from fpdf import FPDF

    footer = f"{report.title} · {report.span.current.label} · as of {report.span.as_of:%Y-%m-%d}"

    class Document(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            _text_style(self, 7.5, _SOFT)
            self.cell(_WIDTH / 2 + 50, 5, footer)
            self.cell(_WIDTH / 2 - 50, 5, f"{self.page_no()} / {{nb}}", align="R")

    pdf = Document(format="A4")
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    fonts = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    pdf.add_font(_FONT, "", fonts / "DejaVuSans.ttf")
    pdf.add_font(_FONT, "B", fonts / "DejaVuSans-Bold.ttf")
    pdf.set_margins(_MARGIN, 14, _MARGIN)
    pdf.set_auto_page_break(auto=True, margin=17)
    pdf.set_creation_date(datetime.combine(report.span.as_of, time(), UTC))
    pdf.set_title(f"{report.title}, {report.span.current.label}")
    pdf.set_lang("en")
    return pdf


def _text_style(pdf: FPDF, size: float, colour: tuple[int, int, int] = _INK, *, is_bold: bool = False) -> None:
    pdf.set_font(_FONT, "B" if is_bold else "", size)
    pdf.set_text_color(*colour)


def _paragraph(pdf: FPDF, text: str, size: float = 9.2, colour: tuple[int, int, int] = _INK, *, is_bold: bool = False) -> None:
    _text_style(pdf, size, colour, is_bold=is_bold)
    pdf.set_x(_MARGIN)
    pdf.multi_cell(_WIDTH, size * 0.52, text, align="L", new_x="LMARGIN", new_y="NEXT")


def _opening(pdf: FPDF, report: Report) -> None:
    span = report.span
    _paragraph(pdf, report.title, 10, _ACCENT, is_bold=True)
    _paragraph(pdf, span.current.label[:1].upper() + span.current.label[1:], 19, is_bold=True)
    _paragraph(pdf, f"Compared with {span.previous.label}. As of {span.as_of:%Y-%m-%d}; all times UTC.", 8.5, _SOFT)
    pdf.ln(3)
    top = pdf.get_y()
    pdf.set_left_margin(_MARGIN + 4)
    for index, sentence in enumerate(report.sentences):
        _text_style(pdf, 11 if index == 0 else 9.2, is_bold=index == 0)
        pdf.set_x(_MARGIN + 4)
        pdf.multi_cell(_WIDTH - 4, 5.6 if index == 0 else 4.9, sentence, align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.set_left_margin(_MARGIN)
    pdf.set_fill_color(*_ACCENT)
    pdf.rect(_MARGIN, top, 1.1, pdf.get_y() - top, style="F")
    pdf.ln(5)


def _cards(pdf: FPDF, report: Report) -> None:
    width = (_WIDTH - 2 * _GAP) / 3
    top = pdf.get_y()
    for index, figure in enumerate(report.headlines):
        row, column = divmod(index, 3)
        _card(pdf, figure, report.span.noun, x=_MARGIN + column * (width + _GAP), y=top + row * (_CARD_HEIGHT + _GAP), width=width)
    rows = -(-len(report.headlines) // 3)
    pdf.set_xy(_MARGIN, top + rows * (_CARD_HEIGHT + _GAP))


def _card(pdf: FPDF, figure: Figure, noun: str, *, x: float, y: float, width: float) -> None:
    pdf.set_draw_color(*_RULE)
    pdf.rect(x, y, width, _CARD_HEIGHT, round_corners=True, corner_radius=1.5)
    pdf.set_xy(x + 3.5, y + 3)
    _text_style(pdf, 8.5, is_bold=True)
    pdf.cell(width - 7, 4, figure.title)
    if figure.target or figure.value is None:
        pdf.set_xy(x + 3.5, y + 3)
        _text_style(pdf, 7.5, _rgb(VERDICTS[figure.verdict]), is_bold=True)
        pdf.cell(width - 7, 4, f"{MARKS[figure.verdict]} {figure.verdict.value}", align="R")
    pdf.set_xy(x + 3.5, y + 8.5)
    _text_style(pdf, 17 if figure.value is not None else 13, _INK if figure.value is not None else _SOFT, is_bold=True)
    pdf.cell(width - 7, 8, format_value(figure.value, figure.unit))
    pdf.set_xy(x + 3.5, y + 17.5)
    better = is_better(figure)
    colour = _INK if better is None else _rgb(VERDICTS[Verdict.GOOD if better else Verdict.BAD])
    _text_style(pdf, 7.5, colour)
    pdf.cell(width - 7, 4, format_change(figure, noun) + {True: " (better)", False: " (worse)", None: ""}[better])
    pdf.set_xy(x + 3.5, y + 22.3)
    _text_style(pdf, 7.2, _SOFT)
    counted = "No data were captured." if figure.value is None else describe_counted(figure)
    pdf.multi_cell(width - 7, 3.6, counted, align="L")


def _section(pdf: FPDF, section: Section) -> None:
    needed = 22 + (60 if section.charts else 0)
    if pdf.will_page_break(needed):
        pdf.add_page()
    pdf.ln(3)
    pdf.set_draw_color(*_RULE)
    pdf.line(_MARGIN, pdf.get_y(), _MARGIN + _WIDTH, pdf.get_y())
    pdf.ln(3)
    _paragraph(pdf, section.title, 13, is_bold=True)
    pdf.ln(1)
    for sentence in section.sentences:
        _paragraph(pdf, sentence)
        pdf.ln(0.8)
    for chart in section.charts:
        pdf.ln(1.5)
        _paragraph(pdf, chart.title, 8.5, is_bold=True)
        pdf.image(io.BytesIO(render_png(chart)), x=_MARGIN, w=_WIDTH, alt_text=chart.title)
        if chart.note:
            _paragraph(pdf, chart.note, 7.5, _SOFT)
    for table in section.tables:
        _table(pdf, table)


def _column_widths(table: Table) -> tuple[float, ...]:
    """Proportional to the longest content of each column, within bounds."""
    lengths = [
        max(max((len(word) for word in name.split()), default=1), *(min(len(str(row[index])), 26) for row in table.rows))
        for index, name in enumerate(table.columns)
    ]
    return tuple(float(max(length, 7)) for length in lengths)


def _table(pdf: FPDF, table: Table) -> None:
    pdf.ln(2)
    if not table.rows:
        _paragraph(pdf, table.empty, 8.5, _SOFT)
        return
    from fpdf.fonts import FontFace

    heading = FontFace(emphasis="BOLD", color=_SOFT, fill_color=None)
    aligns = tuple("RIGHT" if index in table.numeric else "LEFT" for index in range(len(table.columns)))
    pdf.set_draw_color(*_RULE)
    _text_style(pdf, 7.4)
    with pdf.table(
        width=int(_WIDTH), col_widths=_column_widths(table), text_align=aligns, headings_style=heading, line_height=4.0,
        borders_layout="HORIZONTAL_LINES", padding=(0.9, 1.2), v_align="T",
    ) as drawn:
        head = drawn.row()
        for name in table.columns:
            head.cell(name)
        for row in table.rows:
            line = drawn.row()
            for content in row:
                if isinstance(content, Verdict):
                    line.cell(f"{MARKS[content]} {content.value}", style=FontFace(color=_rgb(VERDICTS[content]), emphasis="BOLD"))
                else:
                    line.cell(content)
