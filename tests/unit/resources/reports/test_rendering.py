"""What a reader of the files sees. No lake: the reports are composed from frames made by hand."""

from __future__ import annotations

from datetime import date
from html.parser import HTMLParser

import pytest

from domain.reporting.compose import compose_report
from domain.reporting.period import ReportKind, compute_span
from domain.reporting.report import Report
from resources.reports.html import render_html
from resources.reports.markdown import render_markdown
from resources.reports.pdf import render_pdf
from tests.fakes import report_data as fake

pytestmark = pytest.mark.requirement("C7")


class _Reader(HTMLParser):
    """Collects the text outside scripts, and every address the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.addresses: list[str] = []
        self._is_hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_hidden = tag in {"script", "style"}
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        self._is_hidden = False

    def handle_data(self, data: str) -> None:
        if not self._is_hidden:
            self.text.append(data)


def report_of(kind: ReportKind = ReportKind.WEEKLY, **changes: object) -> Report:
    return compose_report(fake.full_data(**changes), compute_span(kind, date(2026, 10, 26)))


@pytest.mark.parametrize("kind", list(ReportKind))
def test_the_page_is_self_contained_and_shows_every_headline(kind: ReportKind) -> None:
    report = report_of(kind)
    reader = _Reader()
    page = render_html(report)
    reader.feed(page)
    text = " ".join(reader.text)
    assert reader.addresses == ["data:,"]
    assert "Plotly" in page
    for figure in report.headlines:
        assert figure.title in text
    assert "on target" in text or "off target" in text


def test_names_from_the_estate_cannot_become_markup() -> None:
    evil = "</script><b>x"
    page = render_html(report_of(availability=fake.availability(evil, 20.0, 24.0)))
    assert evil not in page
    assert "&lt;/script&gt;&lt;b&gt;x" in page


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render_html(report_of()) == render_html(report_of())
    first, pages = render_pdf(report_of())
    assert render_pdf(report_of())[0] == first
    assert first.startswith(b"%PDF")
    assert 2 <= pages <= 8


def test_an_empty_report_still_prints() -> None:
    span = compute_span(ReportKind.WEEKLY, date(2026, 10, 26))
    report = compose_report(fake.empty_data(), span)
    assert "not known" in render_html(report)
    assert render_pdf(report)[1] >= 1


def test_a_service_with_an_endless_name_and_many_rows_fits_on_paper() -> None:
    import polars as pl

    names = [f"service-{'x' * 150}-{index}" for index in range(80)]
    availability = pl.concat([fake.availability(name, 23.0, 24.0) for name in names])
    report = report_of(availability=availability)
    assert render_pdf(report)[1] >= 3
    assert "The first 40 of 80 rows" in render_html(report)


def test_the_preview_for_dagster_has_one_row_per_headline() -> None:
    report = report_of()
    lines = render_markdown(report).splitlines()
    assert sum(line.startswith("| ") for line in lines) == len(report.headlines) + 1
