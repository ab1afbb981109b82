"""The samples that rules need, out of the lake: the newest ones for an evaluation, a range of them for a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from domain.detection.rule import Anomalous, BaselineMultiple, Burst, Ratio, Rule
from domain.detection.window import SignalsWindow
from domain.signals import POINTS_SCHEMA
from resources.detection.lake_evidence import LakeEvidence
from resources.lake.connection import Lake

#: Older samples are history: they lengthen streaks, but nobody is woken for them.
CATCH_UP = timedelta(minutes=15)
#: Samples before the ones to judge, at least so many: streaks and "so many of the last" need them.
_STEPS_BEFORE = 8
#: A loader that is late for longer is taken as gone.
_LONGEST_LATENESS = timedelta(days=1)
#: Loaders with longer steps are read apart, so that their long reach does not make all others expensive.
_SLOW_STEP_S = 900.0


@dataclass(frozen=True, slots=True)
class ReadWindow:
    """The window, and per loader up to where it is judged when this evaluation is over."""

    window: SignalsWindow
    reached: dict[str, datetime]


def read_window(lake: Lake, rules: Sequence[Rule], marks: dict[str, datetime], *, now: datetime) -> ReadWindow:
    """What one evaluation looks at.

    Args:
        marks: loader → up to where its samples were judged before.
    """
    series = _read_series(lake, rules)
    complete: dict[str, datetime] = dict(lake.query("SELECT loader_code, complete_until FROM watermarks").iter_rows())
    reach = timedelta(seconds=max((rule.window_s for rule in rules), default=0.0))
    steps = max([_STEPS_BEFORE, *(rule.samples_needed + 2 for rule in rules)])
    spans = _plan_spans(series, complete, marks, reach=reach, steps=steps, now=now)
    points = _read_points(lake, series, spans)
    reached = {**_newest(series, points), **complete}
    fast = spans.filter(pl.col("step_s") <= _SLOW_STEP_S)["since"].min()
    window = SignalsWindow(
        series,
        points,
        LakeEvidence(
            lake,
            _with_baseline(series, rules),
            since=fast if isinstance(fast, datetime) else now - CATCH_UP - reach,
            now=now,
        ),
        decided_until_us={code: _us(at) - 1 for code, at in spans.select("loader_code", "decided").iter_rows()},
        complete_until_us={code: min(_us(at), _us(now)) for code, at in complete.items()},
    )
    return ReadWindow(window, reached)


def read_history(lake: Lake, rules: Sequence[Rule], *, since: datetime, until: datetime) -> SignalsWindow:
    """Everything in [since, until], to be judged as if for the first time."""
    series = _read_series(lake, rules)
    with lake.staged("_watched", series.select("series_id")):
        points = lake.query(
            "SELECT series_id, captured_at, metric_value FROM signals SEMI JOIN _watched USING (series_id)"
            " WHERE captured_at >= ? AND captured_at <= ?",
            [since, until],
        )
    complete: dict[str, datetime] = dict(lake.query("SELECT loader_code, complete_until FROM watermarks").iter_rows())
    return SignalsWindow(
        series,
        points,
        LakeEvidence(lake, _with_baseline(series, rules), since=since, now=until, is_history=True),
        complete_until_us={code: min(_us(at), _us(until)) for code, at in complete.items()},
        is_history=True,
    )


def _read_series(lake: Lake, rules: Sequence[Rule]) -> pl.DataFrame:
    metrics = sorted({name for rule in rules for name in rule.series.metrics} | _divisors(rules))
    return lake.query(
        # what was stored before NUL characters were refused must not stop detection, whose records cannot hold them
        "SELECT series_id, loader_code, metric_name, replace(labels::VARCHAR, '\\u0000', '\\ufffd') AS labels, step_s FROM series"
        " WHERE list_contains(?, metric_name)",
        [metrics],
    )


def _with_baseline(series: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    kinds = (BaselineMultiple, Burst, Anomalous)
    names = {name for rule in rules if isinstance(rule.when, kinds) for name in rule.series.metrics}
    return series.filter(pl.col("metric_name").is_in(list(names)))


def _plan_spans(
    series: pl.DataFrame,
    complete: dict[str, datetime],
    marks: dict[str, datetime],
    *,
    reach: timedelta,
    steps: int,
    now: datetime,
) -> pl.DataFrame:
    """loader_code, step_s, decided, since, until: what is judged of each loader, and what is read for it."""
    loaders = series.group_by("loader_code").agg(pl.col("step_s").max().fill_null(60.0))
    rows = []
    for code, step_s in loaders.iter_rows():
        step, until = timedelta(seconds=step_s), complete.get(code, now)
        oldest = now - CATCH_UP - 2 * step
        decided = max(marks.get(code, oldest), oldest)
        first = max(min(decided, until), now - _LONGEST_LATENESS)
        rows.append((code, step_s, decided, first - reach - steps * step, until))
    names = ["loader_code", "step_s", "decided", "since", "until"]
    instant = pl.Datetime("us", "UTC")
    types = [pl.String(), pl.Float64(), instant, instant, instant]
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


def _read_points(lake: Lake, series: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Samples of each loader in its span. What its capture has not completed comes with a later evaluation."""
    parts = [pl.DataFrame(schema=POINTS_SCHEMA)]
    is_slow = pl.col("step_s") > _SLOW_STEP_S
    for some in (spans.filter(~is_slow), spans.filter(is_slow)):
        if some.is_empty():
            continue
        watched = series.select("series_id", "loader_code").join(some, on="loader_code")
        with lake.staged("_watched", watched.select("series_id", "since", "until")):
            part = lake.query(
                "SELECT series_id, captured_at, metric_value FROM signals JOIN _watched USING (series_id)"
                " WHERE captured_at >= ? AND captured_at <= ? AND captured_at >= since AND captured_at <= until",
                [some["since"].min(), some["until"].max()],
            )
        parts.append(part.select(list(POINTS_SCHEMA)))
    return pl.concat(parts)


def _newest(series: pl.DataFrame, points: pl.DataFrame) -> dict[str, datetime]:
    """loader_code → its newest sample, for what is pushed: nobody says up to where that is complete."""
    ends = points.group_by("series_id").agg(pl.col("captured_at").max()).join(series, on="series_id")
    found = ends.group_by("loader_code").agg(pl.col("captured_at").max() + pl.duration(microseconds=1))
    return dict(found.iter_rows())


def _divisors(rules: Sequence[Rule]) -> set[str]:
    return {name for rule in rules if isinstance(rule.when, Ratio) for name in rule.when.divisor.metrics}


def _us(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1e6)
