"""The causal score in the lake: runs go on where the last one stood, whatever is late, lost or killed in between."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta

import polars as pl
import pytest

from domain.anomalies.causal import score_series
from domain.signals import POINTS_SCHEMA
from resources.analytics.anomalies import detect_new_anomalies
from resources.analytics.causal_scores import detect_causal_anomalies, forget_causal_state
from resources.lake.connection import Lake
from tests.fakes.causal_worker import START, judge_day_by_day, signals_of, write_signals
from tests.fakes.platform import Platform

NOW = START + timedelta(days=20)


def look(platform: Platform):
    return detect_causal_anomalies(platform.lake, folder=platform.settings.home / "state", now=NOW)


def found(lake: Lake) -> pl.DataFrame:
    return lake.query(
        "SELECT series_id, captured_at, score FROM anomalies WHERE detector = 'causal' ORDER BY series_id, captured_at"
    )


def expected_of(points: pl.DataFrame) -> pl.DataFrame:
    return (
        score_series(points.select(list(POINTS_SCHEMA)))
        .filter("is_anomaly")
        .select("series_id", "captured_at", "score")
    )


def assert_same(ours: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert expected.height > 3
    assert ours.select("series_id", "captured_at").equals(expected.select("series_id", "captured_at"))
    assert ours["score"].to_list() == pytest.approx(expected["score"].to_list())


@pytest.mark.requirement("C1")
def test_day_by_day_gives_what_the_whole_history_gives_and_one_state_file_remains(platform: Platform) -> None:
    days = [signals_of(day) for day in range(6)]
    for day in days:
        write_signals(platform.lake, day)
        assert look(platform).judged == day.height
    assert look(platform).judged == 0, "what was judged is not judged again"
    assert_same(found(platform.lake), expected_of(pl.concat(days)))
    kept = [file.name for file in (platform.settings.home / "state").iterdir()]
    assert kept == platform.lake.query("SELECT file FROM causal_states")["file"].to_list()


def test_signals_captured_again_or_late_are_counted_and_not_judged_twice(platform: Platform) -> None:
    first, second = signals_of(0), signals_of(1)
    write_signals(platform.lake, pl.concat([first, second]))
    look(platform)
    before = found(platform.lake)
    again = second.tail(50).with_columns(pl.col("ingested_at") + timedelta(days=1), metric_value=pl.lit(1e6))
    write_signals(platform.lake, again)
    result = look(platform)
    assert (result.judged, result.found, result.late) == (0, 0, 50)
    assert found(platform.lake).equals(before)


def test_a_lost_or_damaged_state_is_made_again_from_history(platform: Platform) -> None:
    days = pl.concat([signals_of(day) for day in range(4)])
    write_signals(platform.lake, days)
    look(platform)
    (file,) = (platform.settings.home / "state").iterdir()
    file.write_bytes(b"not a state")
    assert look(platform).judged == days.height
    assert_same(found(platform.lake), expected_of(days))
    forget_causal_state(platform.lake)
    assert look(platform).judged == days.height
    assert_same(found(platform.lake), expected_of(days))


def test_the_verdicts_of_baselines_and_of_the_causal_score_leave_each_other_alone(platform: Platform) -> None:
    write_signals(platform.lake, pl.concat([signals_of(day) for day in range(4)]))
    look(platform)
    before = found(platform.lake)
    detect_new_anomalies(platform.lake, now=NOW)
    assert found(platform.lake).equals(before)


def test_killed_anywhere_it_repeats_nothing_and_loses_nothing(platform: Platform) -> None:
    days, context = 9, multiprocessing.get_context("spawn")
    for patience in (0, 1, 3, None):
        ours, theirs = context.Pipe()
        worker = context.Process(target=judge_day_by_day, args=(platform.settings, platform.url, days, theirs))
        worker.start()
        theirs.close()
        try:
            heard = 0
            while patience is None or heard <= patience:
                ours.recv()
                heard += 1
        except EOFError:
            pass
        if patience is not None:
            worker.kill()
        worker.join(60)
    assert worker.exitcode == 0
    assert_same(found(platform.lake), expected_of(pl.concat([signals_of(day) for day in range(days)])))
    assert len(list((platform.settings.home / "state").iterdir())) == 1
