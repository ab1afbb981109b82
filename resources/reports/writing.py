"""From a lake to two files: read, compose, render, write each file whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from domain.errors import StorageError
from domain.reporting.compose import compose_report
from domain.reporting.period import ReportKind, Span, compute_span
from domain.reporting.report import Report
from resources.lake.connection import Lake
from resources.reports.html import render_html
from resources.reports.pdf import render_pdf
from resources.reports.reading import load_report_data


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """What was written where."""

    report: Report
    html: Path
    pdf: Path
    pages: int


def report_stem(span: Span) -> str:
    """File name without suffix; one per kind and period."""
    return f"{span.kind.value}-{span.current.start:%Y-%m-%d}"


def write_report(lake: Lake, kind: ReportKind, *, as_of: date, out: Path) -> WrittenReport:
    """Write `<kind>-<first day>.html` and `.pdf` into a folder, replacing an older make of the same period.

    Raises:
        NotFoundError: the marts have not been built.
        StorageError: the lake cannot be read, or the folder cannot be written.
    """
    span = compute_span(kind, as_of)
    report = compose_report(load_report_data(lake, span), span)
    document, pages = render_pdf(report)
    stem = report_stem(span)
    html_path, pdf_path = out / f"{stem}.html", out / f"{stem}.pdf"
    try:
        out.mkdir(parents=True, exist_ok=True)
        _replace(html_path, render_html(report).encode())
        _replace(pdf_path, document)
    except OSError as error:
        raise StorageError(
            f"the report cannot be written to {out}: {error}", suggestion="choose another --out"
        ) from error
    return WrittenReport(report, html_path, pdf_path, pages)


def _replace(path: Path, content: bytes) -> None:
    staging = path.with_name(f".{path.name}.new")
    staging.write_bytes(content)
    staging.replace(path)
