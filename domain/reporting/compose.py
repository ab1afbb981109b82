"""The three reports, as lists of sections. A new section is a file in `sections/` and a line here."""

from __future__ import annotations

from domain.reporting.data import ReportData
from domain.reporting.period import ReportKind, Span
from domain.reporting.report import Figure, Report, Section, Verdict
from domain.reporting.sections.anomalies import compose_anomalies, compute_anomalies
from domain.reporting.sections.availability import compose_availability, compute_uptime
from domain.reporting.sections.capacity import compose_capacity, compute_filling
from domain.reporting.sections.comparison import compose_comparison
from domain.reporting.sections.completeness import compose_completeness, compute_completeness
from domain.reporting.sections.errors import compose_errors, compute_error_rate
from domain.reporting.sections.forecasts import compose_forecasts
from domain.reporting.sections.latency import compose_latency, compute_latency
from domain.reporting.sections.loaders import compose_loaders, compute_loader_success
from domain.reporting.sections.sla import compose_sla, compute_services_meeting
from domain.reporting.wording import describe_change, join_names

_TITLES = {
    ReportKind.WEEKLY: "Weekly summary",
    ReportKind.MONTHLY: "Month over month",
    ReportKind.SLA: "Service level report",
}


def compose_report(data: ReportData, span: Span) -> Report:
    """The report of that kind and period. Deterministic: the same frames give the same report."""
    headlines, sections = {
        ReportKind.WEEKLY: _weekly,
        ReportKind.MONTHLY: _monthly,
        ReportKind.SLA: _sla,
    }[span.kind](data, span)
    return Report(
        span=span, title=_TITLES[span.kind], sentences=_summary(headlines, span), headlines=headlines, sections=sections
    )


def _weekly(data: ReportData, span: Span) -> tuple[list[Figure], list[Section]]:
    headlines = [
        compute_uptime(data, span),
        compute_error_rate(data, span),
        compute_latency(data, span),
        compute_loader_success(data, span),
        compute_anomalies(data, span),
        compute_filling(data),
    ]
    return headlines, [
        compose_availability(data, span),
        compose_errors(data, span),
        compose_latency(data, span),
        compose_loaders(data, span),
        compose_anomalies(data, span),
        compose_capacity(data, span),
        compose_forecasts(data, span),
        compose_completeness(data, span),
    ]


def _monthly(data: ReportData, span: Span) -> tuple[list[Figure], list[Section]]:
    headlines = [
        compute_uptime(data, span),
        compute_error_rate(data, span),
        compute_latency(data, span),
        compute_loader_success(data, span),
        compute_anomalies(data, span),
        compute_filling(data),
    ]
    return headlines, [
        compose_comparison(data, span),
        compose_availability(data, span),
        compose_errors(data, span),
        compose_latency(data, span),
        compose_loaders(data, span),
        compose_capacity(data, span),
        compose_completeness(data, span),
    ]


def _sla(data: ReportData, span: Span) -> tuple[list[Figure], list[Section]]:
    headlines = [compute_services_meeting(data, span), compute_uptime(data, span), compute_completeness(data, span)]
    return headlines, [
        compose_sla(data, span),
        compose_loaders(data, span),
        compose_completeness(data, span),
    ]


def _summary(headlines: list[Figure], span: Span) -> list[str]:
    """Two or three sentences for the reader who stops here."""
    by_verdict = {verdict: [f.title for f in headlines if f.verdict is verdict] for verdict in Verdict}
    known = [f for f in headlines if f.verdict is not Verdict.UNKNOWN and f.target]
    good = [f for f in known if f.verdict is Verdict.GOOD]
    sentences = [f"{len(good)} of {len(known)} headline figures with a target are on target."] if known else []
    if by_verdict[Verdict.BAD]:
        sentences.append(f"Off target: {join_names(by_verdict[Verdict.BAD])}.")
    if by_verdict[Verdict.WATCH]:
        sentences.append(f"To watch: {join_names(by_verdict[Verdict.WATCH])}.")
    if by_verdict[Verdict.UNKNOWN]:
        sentences.append(f"Not known: {join_names(by_verdict[Verdict.UNKNOWN])}.")
    worst = next((f for f in headlines if f.verdict is Verdict.BAD), None) or next(
        (f for f in headlines if f.verdict is Verdict.WATCH), None
    )
    return [*sentences, *([describe_change(worst, span.noun)] if worst else [])]
