"""The three reports as Dagster assets: files under HOME/reports, their headline figures as metadata, checks on both.

`REPORT_ASSETS` and `REPORT_CHECKS` are what definitions assemble. A run without configuration makes the report of today;
`as_of` makes any past one again.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    Config,
    MaterializeResult,
    MetadataValue,
    asset,
    asset_check,
)
from pydantic import Field

from domain.errors import InputDataError
from domain.reporting.period import ReportKind, compute_span
from etlmon_assets import keys
from etlmon_assets.marts import mart_key
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.reports.markdown import render_markdown
from resources.reports.reading import MARTS
from resources.reports.writing import WrittenReport, report_stem, write_report

_KEYS = {
    ReportKind.WEEKLY: keys.REPORT_WEEKLY,
    ReportKind.MONTHLY: keys.REPORT_MONTHLY,
    ReportKind.SLA: keys.REPORT_SLA,
}
_DESCRIPTIONS = {
    ReportKind.WEEKLY: "Weekly summary for executives: uptime, error trend, performance, loaders, anomalies, capacity, forecast.",
    ReportKind.MONTHLY: "Month over month: every figure of the month beside the month before.",
    ReportKind.SLA: "SLA compliance: targets kept or missed per service, minutes down, what was left out and what nobody saw.",
}
_DEPENDENCIES: list[AssetKey] = [
    *(mart_key(name) for name in MARTS),
    keys.SIGNALS,
    keys.ANOMALIES,
    keys.CAPACITY,
    keys.FORECASTS,
]
_KNOWN = "headline_figures_known"


class ReportConfig(Config):
    """What to make."""

    as_of: str = Field(default="", description="the day the report is made for, YYYY-MM-DD (UTC); empty: today")


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text) if text else utc_now().date()
    except ValueError:
        raise InputDataError(
            f"as_of {text!r} is not a day", suggestion="write it as 2026-11-23, or leave it empty"
        ) from None


def _folder(platform: PlatformResource) -> Path:
    return platform.settings().home / "reports"


def _metadata(written: WrittenReport) -> dict[str, Any]:
    report = written.report
    return {
        "html": MetadataValue.path(written.html),
        "pdf": MetadataValue.path(written.pdf),
        "pages": written.pages,
        "period": report.span.current.label,
        "figures": len(report.figures),
        "summary": MetadataValue.md(render_markdown(report)),
        **{figure.key: figure.value for figure in report.headlines if figure.value is not None},
    }


def _judge(written: WrittenReport) -> AssetCheckResult:
    unknown = [figure.title for figure in written.report.headlines if figure.value is None]
    return AssetCheckResult(
        check_name=_KNOWN,
        passed=not unknown,
        severity=AssetCheckSeverity.WARN,
        metadata={"not_known": ", ".join(unknown) or "none", "headline_figures": len(written.report.headlines)},
    )


def _make_asset(kind: ReportKind) -> AssetsDefinition:
    @asset(
        key=_KEYS[kind],
        group_name=keys.GROUP_REPORTS,
        owners=keys.OWNERS,
        kinds={"html", "pdf", "plotly"},
        description=_DESCRIPTIONS[kind],
        deps=_DEPENDENCIES,
        check_specs=[AssetCheckSpec(_KNOWN, asset=_KEYS[kind], description="No headline figure is “not known”.")],
    )
    def report(
        context: AssetExecutionContext, config: ReportConfig, platform: PlatformResource
    ) -> Iterator[MaterializeResult[None]]:
        with platform.open(is_read_only=True) as (_, lake):
            written = write_report(lake, kind, as_of=_parse_day(config.as_of), out=_folder(platform))
        context.log.info(" ".join(written.report.sentences))
        yield MaterializeResult(metadata=_metadata(written), check_results=[_judge(written)])

    return report


def _make_check(kind: ReportKind) -> AssetChecksDefinition:
    @asset_check(
        asset=_KEYS[kind],
        name="is_current",
        description="The report of the period that is due today has been written.",
    )
    def is_current(platform: PlatformResource) -> AssetCheckResult:
        path = _folder(platform) / f"{report_stem(compute_span(kind, utc_now().date()))}.html"
        return AssetCheckResult(
            passed=path.exists(), severity=AssetCheckSeverity.WARN, metadata={"expected_file": MetadataValue.path(path)}
        )

    return is_current


REPORT_ASSETS: list[AssetsDefinition] = [_make_asset(kind) for kind in ReportKind]
REPORT_CHECKS: list[AssetChecksDefinition] = [_make_check(kind) for kind in ReportKind]
