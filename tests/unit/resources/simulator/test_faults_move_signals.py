"""Every fault of the catalogue does to the signals what its proofs say, and nothing before its onset."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from resources.simulator.fault_model import FaultDefinition, FaultWindow, Proof, load_fault_catalogue
from resources.simulator.grid import DAY_MS, SAMPLES_PER_DAY, first_index_at, last_index_at
from resources.simulator.log_lines import LogBook, load_log_messages
from resources.simulator.promql.query import evaluate_range
from resources.simulator.promql.values import Vector
from resources.simulator.sample_store import SampleStore
from resources.simulator.topology import load_topology

CATALOGUE, TOPOLOGY = load_fault_catalogue(), load_topology()
DAY = 20_524  # a Thursday, the day after the weekly deploy
ONSET_S = DAY * 86_400.0 + 10 * 3600
PROOFS = [(fault, proof) for fault in CATALOGUE.faults for proof in fault.proofs]


@functools.cache
def usual_store() -> SampleStore:
    return SampleStore(TOPOLOGY, CATALOGUE, seed=7, begin_ms=(DAY - 1) * DAY_MS)


@functools.cache
def faulty_store(name: str) -> SampleStore:
    store = SampleStore(TOPOLOGY, CATALOGUE, seed=7, begin_ms=(DAY - 1) * DAY_MS)
    store.replace_windows([window_of(CATALOGUE.find(name))])
    return store


def window_of(fault: FaultDefinition) -> FaultWindow:
    return FaultWindow(f"{fault.name}-x", fault.name, ONSET_S, ONSET_S + fault.default_for_s)


def evaluate(store: SampleStore, proof: Proof, end_s: float) -> Vector:
    answer = evaluate_range(
        store,
        proof.promql,
        start_ms=int(ONSET_S * 1000) + 30_000,
        end_ms=int(end_s * 1000) - 1000,
        step_ms=30_000,
        newest_index=int(last_index_at(int(end_s * 1000))),
    )
    assert isinstance(answer, Vector)
    return answer


def largest(vector: Vector) -> float:
    return float(np.max(np.where(vector.present, vector.values, -np.inf)))


def smallest(vector: Vector) -> float:
    return float(np.min(np.where(vector.present, vector.values, np.inf)))


@pytest.mark.requirement("A18")
@pytest.mark.parametrize(("fault", "proof"), PROOFS, ids=[f"{f.name}-{i}" for i, (f, _) in enumerate(PROOFS)])
def test_a_fault_moves_its_signals_by_the_stated_amount(fault: FaultDefinition, proof: Proof) -> None:
    end_s = window_of(fault).ended_s
    usual, faulty = evaluate(usual_store(), proof, end_s), evaluate(faulty_store(fault.name), proof, end_s)
    assert usual.labels, "the query sees nothing even without the fault"
    if proof.at_least_x is not None:
        assert largest(faulty) >= proof.at_least_x * largest(usual)
    if proof.at_most_x is not None:
        assert smallest(faulty) <= proof.at_most_x * smallest(usual)
    if proof.at_least_plus is not None:
        assert largest(faulty) >= largest(usual) + proof.at_least_plus
    if proof.lost:
        assert usual.present[:, -1].all()
        assert not faulty.labels or not faulty.present[:, -1].any()


@pytest.mark.requirement("A18")
@pytest.mark.parametrize("fault", [fault for fault in CATALOGUE.faults if fault.proofs], ids=lambda fault: fault.name)
def test_history_before_the_onset_is_untouched_and_something_changes_after(fault: FaultDefinition) -> None:
    onset = int(first_index_at(int(ONSET_S * 1000)))
    before, after = [], []
    for store in (usual_store(), faulty_store(fault.name)):
        whole = store.select(lambda _: True, None, first_index=DAY * SAMPLES_PER_DAY, last_index=onset + 119)
        before.append(whole.values[:, : onset - DAY * SAMPLES_PER_DAY])
        after.append(whole.values[:, onset - DAY * SAMPLES_PER_DAY :])
    np.testing.assert_array_equal(before[0], before[1])
    assert not np.array_equal(after[0], after[1], equal_nan=True)


@pytest.mark.requirement("A18")
def test_late_data_delays_lines_and_runs_without_moving_their_instants() -> None:
    fault = CATALOGUE.find("late-data")
    window = window_of(fault)
    book = LogBook(TOPOLOGY, load_log_messages(), CATALOGUE, seed=7)
    usual = {line.doc_id: line for line in book.compute_day(DAY, ())}
    late = {line.doc_id: line for line in book.compute_day(DAY, (window,))}
    assert usual.keys() == late.keys()
    for doc_id, line in late.items():
        is_inside = window.started_s <= line.at_s < window.ended_s
        assert line.at_s == usual[doc_id].at_s
        assert line.ingested_s - usual[doc_id].ingested_s == pytest.approx(600.0 if is_inside else 0.0, abs=0.01)
    runs, late_runs = usual_store().day(DAY).runs, faulty_store("late-data").day(DAY).runs
    np.testing.assert_array_equal(runs.finished_s, late_runs.finished_s)
    delays = np.round(late_runs.inserted_s - runs.inserted_s)
    assert set(np.unique(delays)) == {0.0, 600.0}


@pytest.mark.requirement("A18")
@pytest.mark.parametrize("fault", [fault for fault in CATALOGUE.faults if fault.logs], ids=lambda fault: fault.name)
def test_a_fault_writes_its_lines_at_their_rate_while_it_lasts(fault: FaultDefinition) -> None:
    window = window_of(fault)
    book = LogBook(TOPOLOGY, load_log_messages(), CATALOGUE, seed=7)
    usual = {line.doc_id for line in book.compute_day(DAY, ())}
    added = [line for line in book.compute_day(DAY, (window,)) if line.doc_id not in usual]
    assert all(window.started_s <= line.at_s < window.ended_s for line in added)
    expected = sum(log.per_min for log in fault.logs) * fault.default_for_s / 60
    assert len(added) == pytest.approx(expected, rel=0.1, abs=2)
    assert {line.document["error"]["type"] for line in added} == {log.error_type for log in fault.logs}


def test_effects_proofs_and_lines_name_parts_that_exist() -> None:
    known = TOPOLOGY.targets() | {"logs"}
    for fault in CATALOGUE.faults:
        assert fault.target in known
        assert {effect.target for effect in fault.effects} <= known
        assert {log.service for log in fault.logs} <= set(TOPOLOGY.component)
        assert fault.proofs or fault.name == "late-data"
    assert {seeded.fault for seeded in CATALOGUE.seeded} <= {fault.name for fault in CATALOGUE.faults}
    assert len(CATALOGUE.faults) >= 14
