"""Events in, incidents out, on a real database: what a person on call would notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from domain.detection.alert_event import AlertStatus, Category
from domain.detection.platform_events import event_of_failed_run, event_of_succeeded_run
from domain.errors import InputDataError, RuleFileError
from domain.incidents.lifecycle import Action, Request
from domain.vocabulary import Severity
from resources.alerts.topology import read_graph, refresh_graph
from tests.fakes.alert_world import NOON, AlertWorld, as_drill, make_event, make_world
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("D7")
HIGH, CRITICAL = Severity.HIGH, Severity.CRITICAL


@pytest.fixture
def world(platform: Platform) -> Iterator[AlertWorld]:
    found = make_world(platform)
    yield found
    found.engine.dispose()


def cascade() -> list[list]:
    """A pool runs full; the loader gets slow; the gateway fails; twelve alerts in four minutes, symptoms first."""
    infra = Category.INFRASTRUCTURE
    return [
        [make_event(0, rule="gateway-errors", metric="http_error_ratio_pct", service="gateway"),
         make_event(0, rule="call-errors", metric="call_error_pct", caller="gateway", callee="loader")],
        [make_event(1, service="gateway"), make_event(1, rule="transaction-errors", metric="http_error_ratio_pct", service="loader"),
         make_event(1, rule="log-errors", metric="log_lines_5m", service="loader", level="ERROR")],
        [make_event(2, rule="db-pool", metric="db_pool_pct", service="loader", category=infra, severity=CRITICAL),
         make_event(2, service="loader"), make_event(2, rule="pool-pending", metric="db_pool_pending", service="loader")],
        [make_event(3, rule="etl-slow", metric="etl_duration_s", loader="orders"),
         make_event(3, rule="etl-slow", metric="etl_duration_s", loader="payments"),
         make_event(3, rule="gateway-timeouts", metric="gateway_timeout_ratio_pct", service="gateway", endpoint="/api/signals"),
         make_event(3, rule="latency-anomaly", category=Category.STATISTICAL, severity=Severity.MEDIUM, service="gateway")],
    ]  # fmt: skip


def test_a_cascade_of_twelve_alerts_is_one_incident_with_the_pool_as_root(world: AlertWorld) -> None:
    opened = [one for step in cascade() for one in world.receive(*step).opened]
    assert len(opened) == 1
    incident = world.incident(opened[0])
    root = world.rows("SELECT rule_id FROM alerts WHERE alert_id = :id", id=incident.root_alert_id)[0]
    assert (root.rule_id, incident.service, incident.category, incident.severity) == (
        "db-pool",
        "loader",
        "infrastructure",
        "CRITICAL",
    )
    assert incident.title == "db-pool on loader"
    assert "root-changed" in world.timeline(opened[0])
    assert world.rows("SELECT count(*) AS n FROM alerts WHERE incident_id = :id", id=opened[0])[0].n == 12
    inhibited = world.rows("SELECT rule_id FROM alerts WHERE suppressed_by LIKE 'inhibited:%' ORDER BY 1")
    assert [row.rule_id for row in inhibited] == ["api-latency-p99", "latency-anomaly", "pool-pending"]
    assert world.paged() == [(opened[0], "opened")]
    assert incident.onset_at == NOON - timedelta(seconds=60)


def test_deduplicated_and_reopened_within_the_window_it_is_one_alert_and_one_incident(world: AlertWorld) -> None:
    first = world.receive(make_event(0))
    world.receive(make_event(0.5, over=True, began=0))
    again = world.receive(make_event(5))
    assert (first.new_alerts, again.new_alerts, again.opened) == (1, 0, ())
    (row,) = world.rows("SELECT occurrences, status, incident_id FROM alerts")
    assert (row.occurrences, row.status, row.incident_id) == (2, "FIRING", first.opened[0])


def test_replaying_a_batch_opens_nothing_more(world: AlertWorld) -> None:
    batch = [make_event(0), make_event(0, service="auth"), make_event(1, over=True, began=0)]
    opened = world.receive(*batch[:2]).opened
    for _ in range(2):
        assert world.receive(*batch).opened == ()
    assert len(world.rows("SELECT 1 FROM incidents")) == len(opened)


def test_a_late_event_that_bridges_two_alerts_merges_them(world: AlertWorld) -> None:
    for minutes in (0, 20):
        world.receive(make_event(minutes))
        world.receive(make_event(minutes + 1, over=True, began=minutes))
    world.receive(make_event(6, over=True, began=6), make_event(6), at=21)
    assert world.rows("SELECT count(*) AS n FROM alerts")[0].n == 2  # 0..6 and 20..21 are still apart
    found = world.receive(*(make_event(m, over=over, began=m) for m in (10.5, 15.5) for over in (False, True)), at=22)
    assert found.merged_alerts == 1
    (row,) = world.rows("SELECT fired_at, resolved_at, occurrences FROM alerts")
    assert (row.fired_at, row.resolved_at, row.occurrences) == (NOON, NOON + timedelta(minutes=21), 5)


def test_what_began_and_ended_while_nobody_looked_is_recorded_and_tells_nobody(world: AlertWorld) -> None:
    found = world.receive(make_event(0), make_event(2, over=True, began=0), at=30)
    assert (found.new_alerts, found.opened, world.told) == (1, (), [])
    (why,) = world.rows("SELECT kind FROM alert_decisions")
    assert why.kind == "over-before-seen"


def test_an_incident_is_over_when_its_alerts_are_for_five_minutes(world: AlertWorld) -> None:
    (incident_id,) = world.receive(make_event(0), make_event(0, service="gateway")).opened
    world.receive(make_event(10, over=True, began=0))
    assert world.review(20).resolved == ()
    world.receive(make_event(21, over=True, began=0, service="gateway"))
    assert world.review(25.9).resolved == ()
    assert world.review(26).resolved == (incident_id,)
    assert world.review(27).resolved == ()


@pytest.mark.requirement("E1")
def test_a_relapse_within_the_hour_reopens_and_a_later_one_names_the_former(world: AlertWorld) -> None:
    (incident_id,) = world.receive(make_event(0)).opened
    world.receive(make_event(10, over=True, began=0))
    world.review(16)
    assert world.receive(make_event(70)).reopened == (incident_id,)
    assert world.incident(incident_id).state == "OPEN"
    world.receive(make_event(80, over=True, began=70))
    world.review(90)
    (other,) = world.receive(make_event(200)).opened
    assert other != incident_id
    assert f"INC-{incident_id}" in world.incident(other).summary
    assert "former-incident" in world.timeline(other)


def test_flapping_is_one_page_and_stays_at_its_incident(world: AlertWorld) -> None:
    for k in range(12):
        world.receive(make_event(k * 2, over=k % 2 == 1, began=k * 2 - k % 2 * 2))
        world.review(k * 2)
    (row,) = world.rows("SELECT is_flapping, incident_id, status FROM alerts")
    assert (row.is_flapping, row.status) == (True, "RESOLVED")
    assert world.paged() == [(row.incident_id, "opened")]
    assert "flapping" in world.timeline(row.incident_id)
    assert world.review(40).resolved == ()  # quiet for long, and still flapping
    after = world.review(51)
    assert (after.calmed, after.resolved) == (1, (row.incident_id,))
    assert not world.rows("SELECT is_flapping FROM alerts")[0].is_flapping


def test_flapping_does_not_bring_back_what_a_person_has_closed(world: AlertWorld) -> None:
    for k in range(7):
        world.receive(make_event(k * 2, over=k % 2 == 1, began=k * 2 - k % 2 * 2))
    (incident_id,) = {row.incident_id for row in world.rows("SELECT incident_id FROM alerts")}
    with world.transaction() as connection:
        world.incidents.act(
            connection, incident_id, Request(Action.RESOLVE, "ann", "page", NOON + timedelta(minutes=13))
        )
    world.receive(make_event(14, over=True, began=12))
    world.receive(make_event(16))
    (row,) = world.rows("SELECT suppressed_by FROM alerts")
    assert (row.suppressed_by, world.incident(incident_id).state) == ("flapping", "RESOLVED")
    world.review(60)  # it flaps no more and fires still: now it counts
    assert world.incident(incident_id).state == "OPEN"


def test_what_fires_on_although_a_person_resolved_it_comes_back(world: AlertWorld) -> None:
    (incident_id,) = world.receive(make_event(0)).opened
    with world.transaction() as connection:
        world.incidents.act(
            connection, incident_id, Request(Action.RESOLVE, "ann", "page", NOON + timedelta(minutes=5))
        )
    assert world.review(19).reopened == ()
    assert world.review(20).reopened == (incident_id,)
    assert world.review(21).reopened == ()


def silence(world: AlertWorld, *, until: float, value: str = "loader") -> None:
    with world.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO silences (matchers, starts_at, ends_at, reason, created_by, created_at) VALUES"
                " (jsonb_build_array(jsonb_build_object('label', 'service', 'op', '=', 'value', CAST(:value AS text))),"
                " :now, :until, 'known', 'ann', :now)"
            ),
            {"value": value, "now": NOON - timedelta(minutes=1), "until": NOON + timedelta(minutes=until)},
        )


def test_a_silenced_alert_is_recorded_and_its_incident_opens_when_the_silence_ends(world: AlertWorld) -> None:
    silence(world, until=30)
    found = world.receive(make_event(0))
    assert (found.new_alerts, found.held_back, found.opened) == (1, 1, ())
    assert world.rows("SELECT suppressed_by FROM alerts")[0].suppressed_by == "silence:1"
    assert world.why(1)[-1] == "Nobody was paged: it is held back by silence:1."
    assert world.review(29).opened == ()
    decided = len(world.rows("SELECT 1 FROM alert_decisions"))
    assert world.review(29.5).opened == ()
    assert len(world.rows("SELECT 1 FROM alert_decisions")) == decided  # looking again says nothing new
    (incident_id,) = world.review(30).opened
    assert world.rows("SELECT suppressed_by, incident_id FROM alerts")[0] == (None, incident_id)


def test_a_silenced_alert_that_ends_meanwhile_tells_nobody(world: AlertWorld) -> None:
    silence(world, until=30)
    world.receive(make_event(0))
    world.receive(make_event(10, over=True, began=0))
    assert world.review(31).opened == ()
    assert world.told == []


def test_a_symptom_speaks_up_when_its_cause_is_over_and_it_is_not(world: AlertWorld) -> None:
    pool = {"rule": "db-pool", "metric": "db_pool_pct", "severity": Severity.MEDIUM, "service": "loader"}
    (incident_id,) = world.receive(make_event(0, **pool)).opened
    world.receive(make_event(1, service="loader"))
    assert world.incident(incident_id).severity == "MEDIUM"  # the symptom is seen there and makes nothing worse
    (symptom,) = world.rows("SELECT alert_id, suppressed_by FROM alerts WHERE suppressed_by IS NOT NULL")
    told = f"It is seen at INC-{incident_id} and told nobody itself: held back by {symptom.suppressed_by}."
    assert told in world.why(symptom.alert_id)
    world.receive(make_event(5, over=True, began=0, **pool))
    assert world.review(10.5).resolved == ()
    assert world.incident(incident_id).severity == "HIGH"
    assert world.rows("SELECT 1 FROM alerts WHERE suppressed_by IS NOT NULL") == []


def test_the_cause_that_is_found_later_swallows_young_incidents(world: AlertWorld) -> None:
    (auth,) = world.receive(make_event(0, service="auth")).opened
    (exports,) = world.receive(make_event(1, service="import-export")).opened
    world.receive(make_event(2, rule="pg-cpu", metric="pod_cpu_pct", service="postgres"))
    states = {one: world.incident(one) for one in (auth, exports)}
    (left,) = [row for row in states.values() if row.merged_into is None]
    assert (left.service, left.state) == ("postgres", "OPEN")
    assert world.rows("SELECT count(*) AS n FROM alerts WHERE incident_id = :id", id=left.incident_id)[0].n == 3


def test_the_root_of_an_old_incident_stays(world: AlertWorld) -> None:
    (incident_id,) = world.receive(make_event(0, service="gateway")).opened
    world.receive(make_event(11, service="loader"))
    assert world.incident(incident_id).service == "gateway"
    assert world.rows("SELECT count(*) AS n FROM alerts WHERE incident_id = :id", id=incident_id)[0].n == 2


def test_split_makes_two_incidents_with_clocks_and_timelines(world: AlertWorld) -> None:
    (incident_id,) = world.receive(make_event(0), make_event(0, service="gateway")).opened
    alerts = world.rows("SELECT alert_id FROM alerts ORDER BY labels->>'service'")
    with world.transaction() as connection:
        view = world.desk.split(connection, incident_id, [alerts[0].alert_id], actor="ann", cause="api", now=NOON)
    assert (view.service, world.timeline(incident_id)[-1], world.timeline(view.incident_id)[-1]) == (
        "gateway",
        "split",
        "split-from",
    )
    assert len(world.rows("SELECT 1 FROM sla_clocks WHERE incident_id = :id", id=view.incident_id)) == 3
    with world.transaction() as connection, pytest.raises(InputDataError, match="only be split"):
        world.desk.split(connection, incident_id, [alerts[1].alert_id], actor="ann", cause="api", now=NOON)


def test_drills_stay_apart_and_are_marked(world: AlertWorld) -> None:
    (real,) = world.receive(make_event(0)).opened
    (drill,) = world.receive(as_drill(make_event(1, rule="db-pool", service="loader"))).opened
    assert (world.incident(real).is_drill, world.incident(drill).is_drill) == (False, True)


def test_signs_that_postgresql_cannot_hold_stop_no_alert(world: AlertWorld) -> None:
    odd = replace(make_event(0, service="load\0er"), title="NUL \0 in it", summary="half a sign \ud800")
    (incident_id,) = world.receive(odd).opened
    assert world.incident(incident_id).title == "NUL \ufffd in it"
    (row,) = world.rows("SELECT labels, summary FROM alerts")
    assert (row.labels, row.summary) == ({"service": "load\ufffder"}, "half a sign ?")
    assert world.receive(replace(odd, status=AlertStatus.RESOLVED, at=odd.at + timedelta(minutes=1))).ended_alerts == 1


@pytest.mark.requirement("D6")
def test_a_broken_rule_file_is_one_alert_until_it_is_mended(world: AlertWorld, tmp_path: Path) -> None:
    error = RuleFileError(f"{tmp_path}/x.yaml:3: field for: …", suggestion="for_s", file=f"{tmp_path}/x.yaml")
    (incident_id,) = world.receive(broken=[error], at=0).opened
    assert world.receive(broken=[error], at=1).events == 0
    assert world.receive(make_event(2, service="other")).ended_alerts == 0  # somebody who did not look at rule files
    assert world.receive(broken=[], at=3).ended_alerts == 1
    assert world.review(9).resolved == (incident_id,)
    assert world.incident(incident_id).category == "platform"


@pytest.mark.requirement("E4")
def test_a_failed_run_of_dagster_is_an_alert_and_the_next_good_one_ends_it(world: AlertWorld) -> None:
    failed = event_of_failed_run(job="capture", run_id="r1", error="boom", failed_at=NOON, loader="STATS")
    (incident_id,) = world.receive(failed).opened
    assert world.incident(incident_id).title == "Run of capture failed for STATS"
    good = event_of_succeeded_run(job="capture", run_id="r2", ended_at=NOON + timedelta(minutes=3), loader="STATS")
    assert world.receive(good).ended_alerts == 1


def test_alerts_of_a_rule_that_is_gone_end_with_the_next_look(world: AlertWorld) -> None:
    world.receive(make_event(0))
    with world.transaction() as connection:
        connection.execute(text("INSERT INTO detection_marks VALUES ('loader:X', :now)"), {"now": NOON})
    assert world.review(1).gone == 1


def test_the_graph_comes_from_the_labels_of_what_is_captured(world: AlertWorld, platform: Platform) -> None:
    platform.lake.execute(
        "INSERT INTO series (series_id, loader_code, metric_name, labels) VALUES"
        """ (1, 'D', 'calls_per_s', '{"caller": "web", "callee": "shop"}'),"""
        """ (2, 'D', 'breaker_state', '{"service": "shop", "callee": "db"}'),"""
        """ (3, 'D', 'pod_cpu_pct', '{"service": "db", "pod": "db-0", "node": "n1"}')"""
    )
    with world.transaction() as connection:
        assert refresh_graph(connection, platform.lake, now=NOON + timedelta(hours=1)) == 4
        assert refresh_graph(connection, platform.lake, now=NOON + timedelta(hours=1, minutes=4)) == 0
        graph = read_graph(connection, world.desk._policy)
    assert graph.depends("service:web", "node:n1")
    assert graph.depends("service:web", "service:db")
    assert graph.locate({"pod": "db-0"}, "r").subject == "service:db"
