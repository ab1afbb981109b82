"""Capture into a real lake: exactly once under every overlap, isolated, complete in its ledger."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from domain.errors import SourceTimeoutError
from domain.loaders.definition import LoaderDefinition
from resources.capture.engine import CaptureContext, CaptureEngine
from resources.capture.locks import hold_loader_locks
from resources.capture.outcomes import CaptureRun
from resources.postgres.loaders_repository import ActiveLoader
from tests.fakes.computed_source import ComputedSource
from tests.fakes.platform import Platform

NOW = datetime(2026, 3, 10, 12, 0, 40, tzinfo=UTC)


def loader(code: str = "DEMO-A", **changes: object) -> ActiveLoader:
    body: dict[str, object] = {
        "code": code,
        "title": code,
        "source": "prometheus",
        "connection": {"url": "http://nowhere"},
        "schedule": "*/5 * * * *",
        "step_s": 60,
        "expected_latency_s": 30,
        "history_s": 3600,
        "prometheus": [{"metric_name": "requests", "promql": "up"}],
    }
    return ActiveLoader(LoaderDefinition.model_validate({**body, **changes}), version=1)


def smooth(index: int, at: datetime) -> float | None:
    return index * 1000 + at.timestamp() % 1000


@pytest.fixture
def source() -> ComputedSource:
    return ComputedSource(smooth)


@pytest.fixture
def run(platform: Platform, source: ComputedSource) -> Callable[..., CaptureRun]:
    engine = CaptureEngine(platform.lake, platform.url, sources=lambda _: source, connections={}, concurrency=4)

    def call(*loaders: ActiveLoader, at: datetime = NOW, period: tuple[datetime, datetime] | None = None) -> CaptureRun:
        context = CaptureContext(now=at, run_id="run", correlation_id="corr")
        if period:
            return engine.capture_range(list(loaders), context, start=period[0], end=period[1])
        return engine.capture_due(list(loaders), context)

    return call


def signals(platform: Platform) -> dict[tuple[int, datetime], float]:
    rows = platform.lake.query("SELECT series_id, captured_at, metric_value FROM signals").rows()
    found = {(series, at): value for series, at, value in rows}
    assert len(found) == len(rows), "a signal is there twice"
    return found


@pytest.mark.requirement("B6")
def test_first_capture_takes_history_and_the_next_only_what_is_new(
    platform: Platform, run: Callable[..., CaptureRun], source: ComputedSource
) -> None:
    first = run(loader())
    assert first.outcomes["DEMO-A"].watermark == datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
    assert len(signals(platform)) == 3 * 60
    again = run(loader())
    assert (again.signals, again.outcomes["DEMO-A"].windows) == (0, 0)
    later = run(loader(), at=NOW + timedelta(minutes=10))
    assert later.outcomes["DEMO-A"].windows == 2
    assert source.calls[-1][1:] == (datetime(2026, 3, 10, 12, 0, tzinfo=UTC), datetime(2026, 3, 10, 12, 10, tzinfo=UTC))
    assert len(signals(platform)) == 3 * 70


@pytest.mark.requirement("B6")
def test_an_outage_leaves_no_gap_and_no_duplicate(
    platform: Platform, run: Callable[..., CaptureRun], source: ComputedSource
) -> None:
    run(loader())
    source.failures["DEMO-A"] = SourceTimeoutError("no answer", suggestion="look at it")
    failed = run(loader(), at=NOW + timedelta(minutes=10))
    assert failed.outcomes["DEMO-A"].error is not None
    run(loader(), at=NOW + timedelta(minutes=15))
    ledger = platform.lake.query("SELECT outcome, count(*) AS n FROM capture_ledger GROUP BY ALL").rows()
    assert dict(ledger) == {"captured": 12, "missing": 3}
    source.failures.clear()
    run(loader(), at=NOW + timedelta(minutes=20))
    assert len(signals(platform)) == 3 * 80
    ledger = platform.lake.query("SELECT outcome, count(*) AS n FROM capture_ledger GROUP BY ALL").rows()
    assert dict(ledger) == {"captured": 14, "late": 2}, "only what came later than two periods after it was due is late"


@pytest.mark.requirement("B6")
def test_recapture_of_a_range_changes_nothing_and_changed_windows_are_replaced(
    platform: Platform, run: Callable[..., CaptureRun], source: ComputedSource
) -> None:
    run(loader())
    before = signals(platform)
    period = (NOW - timedelta(minutes=31), NOW - timedelta(minutes=12))
    same = run(loader(), period=period)
    assert (same.outcomes["DEMO-A"].windows, same.outcomes["DEMO-A"].unchanged_windows) == (0, 5)
    changed_at = datetime(2026, 3, 10, 11, 41, tzinfo=UTC)
    source.value = lambda i, at: -1.0 if at == changed_at else smooth(i, at)
    again = run(loader(), period=period)
    assert again.outcomes["DEMO-A"].windows == 1, "only the touched window is written"
    after = signals(platform)
    assert {k for k in after if after[k] != before[k]} == {k for k in before if k[1] == changed_at}


@pytest.mark.requirement("B7")
def test_late_rows_reopen_only_their_window(
    platform: Platform, run: Callable[..., CaptureRun], source: ComputedSource
) -> None:
    hole = datetime(2026, 3, 10, 11, 57, tzinfo=UTC)
    source.value = lambda i, at: None if at == hole else smooth(i, at)
    run(loader(late_lookback_s=900))
    source.value = smooth
    later = run(loader(late_lookback_s=900), at=NOW + timedelta(minutes=5))
    outcome = later.outcomes["DEMO-A"]
    assert (outcome.windows, outcome.unchanged_windows, outcome.late_rows) == (2, 2, 3)
    assert len(signals(platform)) == 3 * 65
    row = platform.lake.query("SELECT window_start, late_rows FROM capture_ledger WHERE late_rows > 0").row(0)
    assert row == (datetime(2026, 3, 10, 11, 55, tzinfo=UTC), 3)


@pytest.mark.requirement("B7")
def test_bad_values_go_to_quarantine_with_a_reason_and_are_not_doubled(
    platform: Platform, run: Callable[..., CaptureRun], source: ComputedSource
) -> None:
    bad = {0: math.nan, 1: math.inf}
    at_bad = datetime(2026, 3, 10, 11, 30, tzinfo=UTC)
    source.value = lambda i, at: bad.get(i, 1.0) if at == at_bad else smooth(i, at)
    run(loader())
    run(loader(), period=(NOW - timedelta(hours=1), NOW))
    rows = platform.lake.query(
        "SELECT reason, raw_value, labels::VARCHAR, captured_at FROM quarantine ORDER BY reason"
    ).rows()
    assert rows == [("INFINITE", "inf", '{"n":"1"}', at_bad), ("NOT_A_NUMBER", "NaN", '{"n":"0"}', at_bad)]
    assert len(signals(platform)) == 3 * 60 - 2


@pytest.mark.requirement("B8")
def test_an_exploding_loader_keeps_its_top_series_and_says_so(
    platform: Platform, run: Callable[..., CaptureRun], source: ComputedSource
) -> None:
    source.series = 50
    outcome = run(loader(max_series=10)).outcomes["DEMO-A"]
    assert (outcome.series, outcome.dropped_series) == (10, 40)
    kept = platform.lake.query("SELECT (labels->>'n')::INT AS n FROM series ORDER BY n")["n"].to_list()
    assert kept == list(range(40, 50))
    reason, detail = platform.lake.query("SELECT reason, detail FROM quarantine").row(0)
    assert reason == "SERIES_CAP"
    assert "40 series over max_series=10" in detail


def test_a_broken_loader_fails_alone(
    platform: Platform, run: Callable[..., CaptureRun], source: ComputedSource
) -> None:
    source.failures["DEMO-B"] = RuntimeError("a defect")
    result = run(loader("DEMO-A"), loader("DEMO-B"), loader("DEMO-C"))
    assert [one.code for one in result.failed] == ["DEMO-B"]
    assert len(signals(platform)) == 2 * 3 * 60
    row = platform.lake.query("SELECT error_type, reason FROM capture_ledger WHERE loader_code = 'DEMO-B' LIMIT 1").row(
        0
    )
    assert row[0] == "SOURCE_ERROR"
    assert "RuntimeError" in row[1]


def test_an_unconfigured_connection_is_named(platform: Platform, run: Callable[..., CaptureRun]) -> None:
    error = run(loader(connection="nowhere")).outcomes["DEMO-A"].error
    assert error is not None
    assert error.error_type == "CONFIGURATION_ERROR"
    assert "ETLMON_NOWHERE_URL" in error.suggestion


@pytest.mark.requirement("B7")
def test_a_source_that_forgot_its_past_erases_nothing_until_the_range_is_captured_on_purpose(
    platform: Platform, run: Callable[..., CaptureRun], source: ComputedSource
) -> None:
    run(loader(late_lookback_s=1800))
    forgotten = datetime(2026, 3, 10, 11, 50, tzinfo=UTC)
    source.value = lambda i, at: None if at < forgotten else smooth(i, at)
    run(loader(late_lookback_s=1800), at=NOW + timedelta(minutes=5))
    assert len(signals(platform)) == 3 * 65
    run(loader(), period=(forgotten - timedelta(minutes=10), forgotten))
    assert len(signals(platform)) == 3 * 55


@pytest.mark.requirement("B6")
def test_the_next_capture_finds_the_locks_of_the_last_one_given_back(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    unnoticed: list[Any] = []
    close = psycopg.Connection.close

    def leave_open(connection: psycopg.Connection[Any]) -> None:
        unnoticed.append(connection)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "close", leave_open)  # a busy server notices it a while later
        for _ in range(2):
            with hold_loader_locks(platform.url, ["DEMO-A", "DEMO-B"]) as locks:
                assert locks.codes == {"DEMO-A", "DEMO-B"}
    assert len(unnoticed) == 2
    for connection in unnoticed:
        close(connection)
