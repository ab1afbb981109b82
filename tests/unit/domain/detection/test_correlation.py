"""Which alerts are one incident, and which of them is the cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.detection.correlation import CorrelationPolicy, Group, Member, correlate, find_absorbed, rank_roots
from domain.detection.service_graph import Edge, ServiceGraph
from domain.vocabulary import Severity
from resources.alerts.policy import load_correlation_policy

pytestmark = pytest.mark.requirement("D7")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
POLICY = CorrelationPolicy(alike=["loader"])
CALLS = [("gateway", "auth"), ("gateway", "loader"), ("gateway", "import-export"), ("auth", "postgres"), ("auth", "redis"),
         ("loader", "postgres"), ("loader", "redis"), ("import-export", "postgres")]  # fmt: skip
GRAPH = ServiceGraph(
    [
        *(Edge(f"service:{one}", f"service:{other}", "calls") for one, other in CALLS),
        Edge("pod:loader-6f8b-k4n7p", "service:loader", "member-of"),
        Edge("service:postgres", "node:worker-2", "runs-on"),
    ],
    [("loader:*", "service:loader")],
)


def alert(number: int, minutes: float = 0, *, rule: str = "", full: bool = False, **labels: str) -> Member:
    at = NOON + timedelta(minutes=minutes)
    rule_id = rule or f"rule-{number}"
    places = GRAPH.locate(labels, rule_id)
    return Member(number, rule_id, f"title {number}", "", Severity.HIGH, "transaction", at, at, places, full)


def together(*alerts: Member) -> list[set[int]]:
    return [{one.alert_id for one in group.joined} for group in correlate(alerts, [], GRAPH, POLICY)]


@pytest.mark.parametrize(
    ("labels", "subject"),
    [
        ({"service": "loader", "pod": "x", "node": "n"}, "service:loader"),
        ({"pod": "loader-6f8b-k4n7p"}, "service:loader"),
        ({"pod": "import-export-8d7c-m3p9r"}, "service:import-export"),
        ({"instance": "postgres:9187"}, "service:postgres"),
        ({"instance": "10.0.0.1:80"}, "instance:10.0.0.1:80"),
        ({"node": "worker-2", "mountpoint": "/"}, "node:worker-2"),
        ({"loader": "orders"}, "loader:orders"),
        ({}, "rule:r"),
    ],
)
def test_labels_name_a_place(labels: dict[str, str], subject: str) -> None:
    assert GRAPH.locate(labels, "r").subject == subject


def test_the_graph_is_walked_both_ways_and_nearest_first() -> None:
    assert GRAPH.dependencies("service:gateway") == {
        "service:auth": 1, "service:loader": 1, "service:import-export": 1, "service:postgres": 2, "service:redis": 2,
        "node:worker-2": 3,
    }  # fmt: skip
    assert GRAPH.depends("loader:orders", "service:postgres")
    assert not GRAPH.depends("service:postgres", "service:gateway")
    assert "service:gateway" in GRAPH.dependents("service:postgres")


def test_a_cascade_is_one_incident_and_the_full_pool_its_root() -> None:
    cascade = [
        alert(1, 0, service="gateway"),
        alert(2, 1, caller="gateway", callee="loader"),
        alert(3, 2, service="loader"),
        alert(4, 3, service="loader", full=True),
        alert(5, 4, loader="orders"),
    ]
    assert together(*cascade) == [{1, 2, 3, 4, 5}]
    assert rank_roots(cascade, GRAPH)[0] == (cascade[3], "service:loader")


def test_a_slow_database_is_accused_when_several_callers_suffer() -> None:
    callers = [alert(k, k, caller=name, callee="postgres") for k, name in enumerate(["loader", "auth"], 1)]
    pool = alert(9, 0, service="loader", full=True)
    root, place = rank_roots([pool, *callers], GRAPH)[0]
    assert (root.alert_id, place) == (1, "service:postgres")
    root, place = rank_roots([pool, callers[0]], GRAPH)[0]
    assert (root.alert_id, place) == (9, "service:loader")  # one caller alone may be ill himself


def test_siblings_are_two_incidents_though_one_calls_both() -> None:
    found = together(alert(1, service="auth"), alert(2, service="import-export"), alert(3, 1, service="gateway"))
    assert sorted(map(len, found)) == [1, 2]


def test_too_far_apart_is_not_one_incident() -> None:
    assert together(alert(1, 0, service="loader"), alert(2, 16, service="gateway")) == [{1}, {2}]


def test_runs_that_come_once_in_an_hour_meet_late_what_lasts() -> None:
    service, late = alert(1, 0, service="loader"), alert(2, 50, loader="orders")
    assert together(service, late) == [{1, 2}], "it runs inside the service that is ill"
    alike = alert(3, 0, rule="slow", loader="orders"), alert(4, 50, rule="slow", loader="refunds")
    assert together(*alike) == [{3, 4}]
    assert together(service, alert(2, 61, loader="orders")) == [{1}, {2}], "an hour at most"
    assert together(replace(service, is_firing=False), late) == [{1}, {2}], "it is over"


def test_a_storm_of_one_rule_is_one_incident() -> None:
    many = [alert(k, rule="disk", node=f"n{k}") for k in range(200)]
    (storm,) = correlate(many, [], GRAPH, POLICY)
    assert (len(storm.joined), storm.root_place) == (200, "storm:disk")
    few = [alert(k, rule="disk", node=f"n{k}") for k in range(10)]
    assert len(correlate(few, [], GRAPH, POLICY)) == 10


def test_what_names_no_place_belongs_to_the_one_incident_near_in_time() -> None:
    log = alert(9, 2, error_type="POOL")
    assert together(alert(1, service="loader"), log) == [{1, 9}]
    assert together(alert(1, 4, service="loader"), log) == [{1, 9}]
    assert sorted(map(len, together(alert(1, service="auth"), alert(2, service="import-export"), log))) == [1, 1, 1]
    assert sorted(map(len, together(alert(1, 30, service="loader"), log))) == [1, 1]
    assert rank_roots([log, alert(1, 3, service="gateway")], GRAPH)[0][1] == "service:gateway"


def test_loaders_that_fail_alike_are_one_incident_where_the_policy_says_so() -> None:
    policy = CorrelationPolicy(alike=["loader"])
    failing = [
        alert(k, k, rule="loader-failing", loader=name) for k, name in enumerate(["orders", "payments", "refunds"])
    ]
    slow = alert(9, 1, rule="loader-slow", loader="invoices")
    found = correlate([*failing, slow], [], ServiceGraph(), policy)
    assert sorted(len(group.joined) for group in found) == [1, 3]


def open_incident(number: int, minutes: float, *alerts: Member) -> Group:
    at = NOON + timedelta(minutes=minutes)
    return Group(number, rank_roots(alerts, GRAPH)[0][1], at, at, opened_at=at, members=list(alerts))


def test_a_later_alert_joins_what_is_open() -> None:
    def joins(new: Member) -> bool:
        (group,) = correlate([new], [open_incident(7, 0, alert(1, service="loader"))], GRAPH, POLICY)
        return group.incident_id == 7

    assert joins(alert(2, 10, service="gateway"))
    assert joins(alert(3, 200, service="loader"))  # its place still fires
    assert not joins(alert(4, 200, service="gateway"))


def test_drills_and_the_real_thing_stay_apart() -> None:
    drill = open_incident(7, 0, alert(1, service="loader"))
    drill.is_drill = True
    (group,) = correlate([alert(2, 1, service="loader")], [drill], GRAPH, POLICY)
    assert group.incident_id is None


def test_the_cause_that_is_found_later_takes_young_symptoms_in() -> None:
    auth, loader = open_incident(1, 0, alert(1, service="auth")), open_incident(2, 1, alert(2, service="loader"))
    (cause,) = correlate([alert(3, 2, service="postgres")], [auth, loader], GRAPH, POLICY)
    cause.root_place = rank_roots(cause.everybody, GRAPH)[0][1]
    other = loader if cause is auth else auth
    now = NOON + timedelta(minutes=3)
    assert find_absorbed([cause], [auth, loader], GRAPH, now=now, policy=POLICY) == [(other, cause)]
    late = NOON + timedelta(minutes=30)
    assert find_absorbed([cause], [auth, loader], GRAPH, now=late, policy=POLICY) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["gateway", "auth", "loader", "postgres", "redis"]), st.integers(0, 40)), max_size=25
    )
)
def test_every_alert_belongs_to_one_incident_and_the_order_of_arrival_does_not_matter(
    said: list[tuple[str, int]],
) -> None:
    alerts = [alert(k, minutes, service=name) for k, (name, minutes) in enumerate(said)]
    found = together(*alerts)
    assert sorted(one for group in found for one in group) == list(range(len(alerts)))
    assert sorted(map(sorted, together(*reversed(alerts)))) == sorted(map(sorted, found))


def test_the_shipped_policy_can_be_read() -> None:
    policy = load_correlation_policy()
    assert policy.flapping.on_at > policy.flapping.off_at
    assert policy.inhibit
    assert policy.severities["critical"] is Severity.CRITICAL
