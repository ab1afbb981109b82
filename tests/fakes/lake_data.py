"""Five weeks of an estate with totals that can be added up by hand, written into a lake for the marts and reports.

Not for tests of capture: rows are inserted as capture would leave them. The numbers are constants per hour, with a few
named deviations, so that every expected figure is arithmetic a reader can redo.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from pydantic import SecretStr

from domain.signals import canonical_labels, compute_series_id
from resources.lake.connection import Lake, open_lake
from resources.platform import prepare_storage
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

START = datetime(2026, 9, 28, tzinfo=UTC)  # a Monday
WEEKS = 5
END = START + timedelta(weeks=WEEKS)  # Monday 2 November 2026
HOURS = WEEKS * 7 * 24

REQUESTS_PER_HOUR = {"gateway": 1200.0, "auth": 600.0}
ERRORS_PER_HOUR = {"gateway": 12.0, "auth": 3.0}
RUNS_PER_HOUR = {"orders": 4.0, "billing": 2.0}
LATENCY_MS = {"gateway": 180.0, "auth": 90.0}

#: the one bad hour: Thursday 22 October 10:00, gateway half down, with 300 errors, orders failing all its runs
BAD_HOUR = datetime(2026, 10, 22, 10, tzinfo=UTC)
BAD_UPTIME_PCT = 50.0
BAD_ERRORS = 300.0
#: hours of auth that nobody observed: Saturday 24 October 00:00-06:00
UNSEEN = (datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 24, 6, tzinfo=UTC))


@dataclass(frozen=True)
class SeriesSpec:
    """One series of the estate: every `step_s` a value per hour divided among the hour's points."""

    loader_code: str
    metric_name: str
    labels: dict[str, str]
    step_s: int
    per_hour: float
    is_count: bool
    deviations: dict[datetime, float] = field(default_factory=dict)
    unseen: tuple[datetime, datetime] | None = None

    @property
    def series_id(self) -> int:
        return compute_series_id(self.loader_code, self.metric_name, canonical_labels(self.labels))

    def points(self) -> pl.DataFrame:
        """Points stamped at the end of their step, as PromQL does."""
        steps = 3600 // self.step_s
        frame = pl.DataFrame(
            {"opens_at": pl.datetime_range(START, END, timedelta(seconds=self.step_s), closed="left", eager=True)}
        ).with_columns(hour=pl.col("opens_at").dt.truncate("1h"))
        if self.unseen:
            frame = frame.filter(~pl.col("hour").is_between(self.unseen[0], self.unseen[1], closed="left"))
        per_hour = pl.lit(self.per_hour)
        for hour, value in self.deviations.items():
            per_hour = pl.when(pl.col("hour") == hour).then(value).otherwise(per_hour)
        return frame.select(
            series_id=pl.lit(self.series_id, pl.Int64),
            captured_at=pl.col("opens_at") + timedelta(seconds=self.step_s),
            metric_value=per_hour / (steps if self.is_count else 1),
            ingested_at=pl.col("opens_at") + timedelta(seconds=self.step_s + 30),
        )


def estate() -> list[SeriesSpec]:
    """Two services and two loaders, captured by the loaders that ship."""
    specs = []
    for service, requests in REQUESTS_PER_HOUR.items():
        is_gateway = service == "gateway"
        bad = {BAD_HOUR: BAD_ERRORS} if is_gateway else {}
        down = {BAD_HOUR: BAD_UPTIME_PCT} if is_gateway else {}
        labels = {"service": service}
        specs += [
            SeriesSpec("STATS-PERF", "http_requests", labels, 300, requests, is_count=True),
            SeriesSpec(
                "STATS-PERF", "http_errors", labels, 300, ERRORS_PER_HOUR[service], is_count=True, deviations=bad
            ),
            SeriesSpec(
                "STATS-PERF",
                "api_latency_p99_ms",
                {**labels, "endpoint": "/v1"},
                300,
                LATENCY_MS[service],
                is_count=False,
            ),
            SeriesSpec(
                "STATS-AVAIL",
                "service_uptime_pct",
                labels,
                3600,
                100.0,
                is_count=False,
                deviations=down,
                unseen=None if is_gateway else UNSEEN,
            ),
        ]
    for loader, runs in RUNS_PER_HOUR.items():
        failed = {BAD_HOUR: 0.0} if loader == "orders" else {}
        specs += [
            SeriesSpec("STATS-AVAIL", "loader_runs_total", {"loader": loader}, 3600, runs, is_count=True),
            SeriesSpec(
                "STATS-AVAIL", "loader_runs_succeeded", {"loader": loader}, 3600, runs, is_count=True, deviations=failed
            ),
        ]
    return specs


def series_frame(specs: list[SeriesSpec]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "series_id": spec.series_id,
                "loader_code": spec.loader_code,
                "metric_name": spec.metric_name,
                "labels": canonical_labels(spec.labels),
                "kind": "rate" if spec.is_count else "gauge",
                "unit": "",
                "step_s": float(spec.step_s),
                "first_seen_at": START,
            }
            for spec in specs
        ]
    )


def ledger_frame() -> pl.DataFrame:
    """Hourly windows of STATS-AVAIL, all captured but the unseen ones, which are missing."""
    starts = pl.datetime_range(START, END, "1h", closed="left", eager=True)
    missing = pl.col("window_start").is_between(UNSEEN[0], UNSEEN[1], closed="left")
    return pl.DataFrame({"window_start": starts}).select(
        "window_start",
        loader_code=pl.lit("STATS-AVAIL"),
        loader_version=pl.lit(1),
        window_end=pl.col("window_start") + timedelta(hours=1),
        outcome=pl.when(missing).then(pl.lit("missing")).otherwise(pl.lit("captured")),
        is_backfill=pl.lit(value=False),
        signal_rows=pl.lit(8),
        late_rows=pl.lit(0),
        quarantined_rows=pl.lit(0),
        recorded_at=pl.col("window_start") + timedelta(hours=1, minutes=1),
    )


def open_new_lake(home: Path, postgres_url: str) -> tuple[Settings, DatabaseUrl, Lake]:
    """Migrated storage in an empty database; close the lake when done."""
    settings = Settings(home=home, database_url=SecretStr(postgres_url))
    url = DatabaseUrl.parse(postgres_url)
    prepare_storage(settings, url)
    return settings, url, open_lake(settings, url)


def fill_lake(lake: Lake, specs: list[SeriesSpec] | None = None) -> None:
    """Series, five weeks of signals and the ledger, in one transaction."""
    chosen = specs if specs is not None else estate()

    def work(into: Lake) -> None:
        into.insert("series", series_frame(chosen))
        into.insert("signals", pl.concat([spec.points() for spec in chosen]))
        into.insert("capture_attempts", ledger_frame())

    lake.write("signals", work)
