"""The Prometheus source against the real server: what PromQL says is what arrives, whatever the length and the labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from domain.answers import ANSWER_POINTS_SCHEMA, Answer
from domain.errors import SourceLimitError, SourceQueryError, SourceTimeoutError
from domain.loaders.definition import Connection, LoaderDefinition
from resources.metrics_prometheus import PrometheusSource
from tests.fakes.real_prometheus import running_prometheus

pytestmark = [pytest.mark.needs("prometheus"), pytest.mark.requirement("B1")]

T0 = 1_700_000_040  # a whole minute
START = datetime.fromtimestamp(T0, UTC)
LONG_LABEL = "L" * 65_536
ODD = 'quo"te back\\slash new\nline λ🦀'


def _history() -> str:
    """A long gauge, a histogram, a counter that restarts, a gap, odd values, odd labels, many series."""
    odd = ODD.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    lines = ["# TYPE ramp gauge"]
    lines += [f"ramp {k} {T0 + 60 * k}" for k in range(15_000)]
    lines += ["# TYPE odd gauge"]
    lines += [
        f'odd{{text="{odd}"}} {value} {T0 + 60 * k}' for k, value in enumerate(["1", "NaN", "+Inf", "-Inf", "2.5e-7"])
    ]
    lines += [f'odd{{text="{LONG_LABEL}"}} 7 {T0}']
    lines += ["# TYPE restarts counter"]
    lines += [f"restarts_total {(k % 10) * 60} {T0 + 60 * k}" for k in range(20)]
    lines += ["# TYPE gap gauge"]
    lines += [f"gap {k} {T0 + 60 * k}" for k in (*range(5), *range(30, 35))]
    lines += ["# TYPE many gauge"]
    lines += [f'many{{pod="p{pod}",zone="z{pod % 3}"}} {pod} {T0 + 60 * k}' for pod in range(300) for k in range(5)]
    lines += ["# TYPE took histogram"]
    for service in ("auth", "gateway"):
        for le, share in (("0.1", 0.5), ("0.5", 0.9), ("1.0", 1.0), ("+Inf", 1.0)):
            lines += [
                f'took_bucket{{service="{service}",le="{le}"}} {100 * k * share:g} {T0 + 60 * k}' for k in range(20)
            ]
        lines += [f'took_count{{service="{service}"}} {100 * k} {T0 + 60 * k}' for k in range(20)]
        lines += [f'took_sum{{service="{service}"}} {20 * k} {T0 + 60 * k}' for k in range(20)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), _history(), "--query.max-samples=100000") as url:
        yield url


Fetch = Callable[..., Answer]


@pytest.fixture
def fetch(url: str) -> Fetch:
    source = PrometheusSource()

    def ask(
        promql: str, *, minutes: float = 5, offset_s: float = 0, labels: tuple[str, ...] = (), **limits: float
    ) -> Answer:
        loader = LoaderDefinition.model_validate(
            {
                "code": "T-PROM", "title": "t", "source": "prometheus", "connection": "p", "schedule": "* * * * *",
                "step_s": 60, "prometheus": [{"metric_name": "m", "promql": promql, "labels": list(labels)}], **limits,
            }
        )  # fmt: skip
        start = START + timedelta(seconds=offset_s)
        return source.fetch(loader, Connection(url=url), start=start, end=start + timedelta(minutes=minutes))

    return ask


def _rows(answer: Answer) -> list[tuple[float, float]]:
    return [
        (at.timestamp() - T0, value)
        for at, value in answer.points.sort("captured_at").select("captured_at", "metric_value").rows()
    ]


def test_values_arrive_at_every_step_and_the_end_is_excluded(fetch: Fetch) -> None:
    answer = fetch("ramp", minutes=3)
    assert answer.points.schema == pl.Schema(ANSWER_POINTS_SCHEMA)
    assert [(one.metric_name, one.labels) for one in answer.series] == [("m", {})]
    assert _rows(answer) == [(0, 0), (60, 1), (120, 2)]
    assert answer.requests == 1


def test_more_than_11_000_points_come_in_several_requests_without_gap_or_double(fetch: Fetch) -> None:
    answer = fetch("ramp", minutes=15_000)
    assert answer.requests > 1
    assert _rows(answer) == [(60 * k, k) for k in range(15_000)]
    assert len(answer.series) == 1


def test_a_query_the_server_would_refuse_as_too_fine_is_cut(fetch: Fetch) -> None:
    answer = fetch("ramp", minutes=200, step_s=1)
    assert answer.points.height == 12_000


def test_a_percentile_of_histogram_buckets_by_service(fetch: Fetch) -> None:
    answer = fetch("histogram_quantile(0.99, sum by (le, service) (rate(took_bucket[5m])))", minutes=1, offset_s=600)
    assert sorted(one.labels["service"] for one in answer.series) == ["auth", "gateway"]
    assert answer.points["metric_value"].to_list() == pytest.approx([0.95, 0.95])


@pytest.mark.requirement("B7")
def test_nan_and_infinities_arrive_as_they_are(fetch: Fetch) -> None:
    values = [value for _, value in _rows(fetch('odd{text=~"(?s:quo.*)"}'))]
    assert (values[0], values[2], values[3], values[4]) == (1, math.inf, -math.inf, 2.5e-7)
    assert math.isnan(values[1])


def test_labels_with_quotes_newlines_unicode_and_64_kilobytes(fetch: Fetch) -> None:
    assert {one.labels["text"] for one in fetch("odd").series} == {ODD, LONG_LABEL}
    assert fetch('odd{text="' + LONG_LABEL + '"}').points.height == 5  # does not fit into a URL, so it is posted


@pytest.mark.requirement("B7")
def test_a_counter_reset_is_seen_raw_and_handled_by_promql(fetch: Fetch) -> None:
    assert [value for _, value in _rows(fetch("restarts_total", minutes=12))][9:] == [540, 0, 60]
    [(_, rate)] = _rows(fetch("rate(restarts_total[10m])", minutes=1, offset_s=15 * 60))
    assert 0 < rate < 1.2


def test_a_gap_longer_than_the_staleness_of_the_server_is_no_data(fetch: Fetch) -> None:
    seconds = {at for at, _ in _rows(fetch("gap", minutes=35))}
    assert {0, 240} <= seconds
    assert not {at for at in seconds if 600 < at < 1_800}
    assert fetch("nothing_of_this_name").points.is_empty()


def test_only_the_named_labels_are_kept(fetch: Fetch) -> None:
    answer = fetch("sum by (zone, pod) (many)", labels=("pod",))
    assert all(list(one.labels) == ["pod"] for one in answer.series)
    assert len(answer.series) == 300


def test_labels_that_make_two_series_equal_are_refused_with_the_way_out(fetch: Fetch) -> None:
    with pytest.raises(SourceQueryError, match="same labels once only zone are kept") as caught:
        fetch("many", labels=("zone",))
    assert "sum by" in caught.value.suggestion


def test_a_promql_error_is_told_in_the_words_of_prometheus(fetch: Fetch) -> None:
    with pytest.raises(SourceQueryError, match="parse error") as caught:
        fetch("sum(rate(ramp[5m])")
    assert caught.value.as_dict()["errorType"] == "SOURCE_QUERY_ERROR"
    assert caught.value.context["promql"] == "sum(rate(ramp[5m])"
    with pytest.raises(SourceQueryError, match="many-to-many"):
        fetch("many * on() many")


def test_a_slow_query_ends_with_the_loader_s_patience(fetch: Fetch) -> None:
    with pytest.raises(SourceTimeoutError) as caught:
        fetch("quantile_over_time(0.5, ramp[2h:1s])", minutes=100, offset_s=7_200, step_s=1, timeout_s=0.3)
    assert "timeout_s" in caught.value.suggestion


@pytest.mark.requirement("B8")
def test_an_explosion_of_series_keeps_the_highest_and_counts_the_rest(fetch: Fetch) -> None:
    answer = fetch("many  # a comment", max_series=10)
    assert sorted(int(one.labels["pod"][1:]) for one in answer.series) == list(range(290, 300))
    assert answer.points.height == 50
    assert answer.dropped_series == 290
    assert fetch("many", max_series=100).dropped_series == 0


def test_too_many_samples_in_one_instant_is_a_limit(fetch: Fetch) -> None:
    with pytest.raises(SourceLimitError) as caught:
        fetch("sum_over_time(many[1h:1s])", minutes=1, offset_s=600)
    assert "aggregate" in caught.value.suggestion
