"""Letters, colours and tables on an A4 page of fpdf2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.reporting.report import Table, Verdict
from resources.reports.palette import MARKS, VERDICTS

if TYPE_CHECKING:
    from fpdf import FPDF

INK, SOFT, RULE, ACCENT = (28, 36, 48), (91, 102, 117), (214, 219, 226), (47, 109, 181)
MARGIN, WIDTH = 15.0, 180.0
FONT = "DejaVu"
_CELL_PADDING = 2.8


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def text_style(pdf: FPDF, size: float, colour: tuple[int, int, int] = INK, *, is_bold: bool = False) -> None:
    pdf.set_font(FONT, "B" if is_bold else "", size)
    pdf.set_text_color(*colour)


def paragraph(
    pdf: FPDF, text: str, size: float = 9.2, colour: tuple[int, int, int] = INK, *, is_bold: bool = False
) -> None:
    text_style(pdf, size, colour, is_bold=is_bold)
    pdf.set_x(MARGIN)
    pdf.multi_cell(WIDTH, size * 0.52, text, align="L", new_x="LMARGIN", new_y="NEXT")


def _text_of(content: str | Verdict) -> str:
    return f"{MARKS[content]} {content.value}" if isinstance(content, Verdict) else content


def _column_widths(pdf: FPDF, table: Table) -> tuple[float, ...]:
    """Millimetres: first what each column needs so that no word or number breaks, then the rest by length of content."""

    def width(text: str) -> float:
        return float(pdf.get_string_width(text)) + _CELL_PADDING

    least, wished = [], []
    for index, name in enumerate(table.columns):
        cells = [_text_of(row[index]) for row in table.rows]
        unbroken = cells if index in table.numeric else [word for cell in cells for word in cell.split()]
        head = [1.12 * width(word) for word in name.split()]  # the heading is bold
        least.append(max([*head, *map(width, unbroken)], default=_CELL_PADDING))
        wished.append(max([*head, *map(width, cells)], default=_CELL_PADDING))
    spare = max(WIDTH - sum(least), 0.0)
    asked = sum(wished) - sum(least)
    share = [(want - need) / asked if asked else 1 / len(least) for want, need in zip(wished, least, strict=True)]
    widths = [need + spare * part for need, part in zip(least, share, strict=True)]
    return tuple(one * WIDTH / sum(widths) for one in widths)


def draw_table(pdf: FPDF, table: Table) -> None:
    pdf.ln(2)
    if not table.rows:
        paragraph(pdf, table.empty, 8.5, SOFT)
        return
    from fpdf.fonts import FontFace

    heading = FontFace(emphasis="BOLD", color=SOFT, fill_color=None)
    aligns = tuple("RIGHT" if index in table.numeric else "LEFT" for index in range(len(table.columns)))
    pdf.set_draw_color(*RULE)
    pdf.set_fill_color(255, 255, 255)
    text_style(pdf, 7.4)
    with pdf.table(
        width=int(WIDTH),
        col_widths=_column_widths(pdf, table),
        text_align=aligns,
        headings_style=heading,
        line_height=4.0,
        borders_layout="HORIZONTAL_LINES",
        padding=(0.9, 1.2),
        v_align="T",
    ) as drawn:
        head = drawn.row()
        for name in table.columns:
            head.cell(name)
        for row in table.rows:
            line = drawn.row()
            for content in row:
                if isinstance(content, Verdict):
                    line.cell(
                        f"{MARKS[content]} {content.value}",
                        style=FontFace(color=rgb(VERDICTS[content]), emphasis="BOLD"),
                    )
                else:
                    line.cell(content)
    if table.note:
        pdf.ln(1)
        paragraph(pdf, table.note, 7.5, SOFT)
