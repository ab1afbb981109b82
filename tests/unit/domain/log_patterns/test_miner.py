from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InputDataError
from domain.log_patterns.miner import MinerState, compute_masked_batch, mine_cluster_numbers, mine_templates

USERS = ["ada", "bob", "cleo", "dora", "emil"]


def mine(*lines: str | None) -> tuple[MinerState, list[str]]:
    state, rows = mine_templates(pl.Series(lines, dtype=pl.String), MinerState())
    return state, rows["template_id"].to_list()


def templates_of(*lines: str | None) -> list[str]:
    state, ids = mine(*lines)
    texts = dict(state.templates().select("template_id", "template").iter_rows())
    return [texts[template_id] for template_id in ids]


def summary(state: MinerState) -> list[tuple[object, ...]]:
    return state.templates().rows()


@pytest.mark.requirement("C5")
def test_lines_that_differ_in_values_share_a_template() -> None:
    lines = [f"loaded {n} rows into stage_{n} from /in/part-{n}.csv in {n * 3} ms" for n in (5, 70, 800)]
    assert templates_of(*lines) == ["loaded <*> rows into <*> from <*> in <*> ms"] * 3


def test_a_value_seen_only_once_is_shown_as_it_is_and_becomes_variable_with_the_second() -> None:
    assert templates_of("queue mode=fast depth 3") == ["queue mode=fast depth <*>"]
    assert templates_of("queue mode=fast depth 3", "queue mode=slow depth 4") == ["queue mode=<*> depth <*>"] * 2


def test_a_name_after_a_preposition_varies_with_two_values() -> None:
    assert set(templates_of("session opened for ada today", "session opened for bob today")) == {
        "session opened for <*> today"
    }


def test_words_elsewhere_vary_from_three_values_on() -> None:
    two = [f"stage {name} finished its work early" for name in ("extract", "load")]
    assert len(set(templates_of(*two))) == 2
    assert set(templates_of(*two, "stage publish finished its work early")) == {"stage <*> finished its work early"}


def test_opposite_messages_stay_apart() -> None:
    assert len(set(templates_of("connection opened", "connection closed", "Task moved from NEW to READY"))) == 3


def test_messages_of_one_word_never_merge() -> None:
    assert len(set(templates_of(*[f"on{name.title()}Done" for name in USERS]))) == 5


def test_lists_of_values_share_a_template_whatever_their_length() -> None:
    lines = ["dropped blocks 11 22 33 now", "dropped blocks 44 now", "dropped blocks 5, 6, 7, 8 now"]
    assert set(templates_of(*lines)) == {"dropped blocks <*> now"}


def test_a_size_with_and_without_its_rounded_form_is_one_value() -> None:
    lines = ["sent 512 bytes to peer", "sent 40960 bytes (40 KB) to peer"]
    assert set(templates_of(*lines)) == {"sent <*> to peer"}


def test_a_missing_value_is_a_value() -> None:
    lines = ["login user= shell=/bin/sh ok", "login user=ada shell=/bin/sh ok", "hello from host (a.b.example.org) now"]
    assert templates_of(*lines, "hello from host () now")[:2] == ["login user=<*> shell=<*> ok"] * 2
    assert len(set(templates_of(*lines, "hello from host () now"))) == 2


def test_counts_first_lines_and_types() -> None:
    state, _ = mine("job 7 done", "peer 10.0.0.9 lost", "job 8 done")
    state, _ = mine_templates(pl.Series(["peer 10.0.0.8 lost", "new here"]), state)
    shown = state.templates().select("typed_template", "count", "first_seen_line").rows()
    assert shown == [("job <num> done", 2, 1), ("peer <ip> lost", 2, 2), ("new here", 1, 5)]
    assert state.lines_seen == 5


def test_no_messages_and_empty_messages() -> None:
    state, rows = mine_templates(pl.Series([], dtype=pl.String), MinerState())
    assert rows.is_empty()
    assert state.templates().is_empty()
    assert templates_of("", None, "   ") == ["", "", ""]


@pytest.mark.requirement("C5")
def test_merged_templates_keep_the_id_seen_first_and_the_other_is_an_alias() -> None:
    state, first = mine("stage extract finished its work early")
    state, second = mine_templates(pl.Series(["stage load finished its work early"]), state)
    state, third = mine_templates(pl.Series(["stage publish finished its work early"]), state)
    old = second["template_id"].item()
    assert old != first[0]
    assert third["template_id"].item() == first[0]
    assert state.aliases().rows() == [(old, first[0])]
    assert state.templates()["count"].to_list() == [3]


def test_ids_are_the_same_in_every_process_and_after_a_restart() -> None:
    state, ids = mine("job 7 done")
    assert ids == ["04177c0d85cfdbed"]
    _, again = mine_templates(pl.Series(["other line", "job 9 done"]), MinerState.from_json(state.to_json()))
    assert again["template_id"][1] == ids[0]
    assert mine("x y z", "job 1 done")[1][1] == ids[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "\x00\x01",
        '{"version": 9, "lines_seen": 0, "clusters": []}',
        '{"version": 1, "lines_seen": 1, "clusters": [{"key": ["a"], "spans": [], "first_seen_line": 1, "count": 1}]}',
    ],
)
def test_a_damaged_state_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(InputDataError, match="template state") as caught:
        MinerState.from_json(text)
    assert "--state" in caught.value.suggestion


def test_a_huge_line_is_mined_by_its_beginning() -> None:
    templates = templates_of("a" * 1_000_000, "x=1," * 250_000, "((((" * 250_000, "a.b-c/" * 170_000, "w " * 500_000)
    assert max(map(len, templates)) < 20_000


def test_structures_without_end_fall_back_to_coarse_templates() -> None:
    words = random.Random(5)
    lines = [
        "".join(words.choices("bcdfghklmnp", k=9)) + " went " + "".join(words.choices("xyzq", k=9)) for _ in range(500)
    ]
    state, rows = mine_templates(pl.Series(["job 7 done", *lines, "job 8 done"]), MinerState(max_keys=50))
    assert rows["template_id"][0] == rows["template_id"][-1]
    assert state.templates().height <= 101
    assert state.templates()["count"].sum() == 502
    assert summary(MinerState.from_json(state.to_json(), max_keys=50)) == summary(state)


WORDS = st.sampled_from(
    ["job", "failed", "for", "ada", "bob", "=", "(", ")", "7", "x_9", "10.0.0.1", "from", "load", "a.b.c", ","]
)
LINES = st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=40)


@given(LINES, st.data())
@settings(max_examples=150, deadline=None)
def test_batches_and_restarts_do_not_change_the_result(lines: list[str], data: st.DataObject) -> None:
    whole, _ = mine(*lines)
    cut = data.draw(st.integers(0, len(lines)))
    state, _ = mine(*lines[:cut])
    state = MinerState.from_json(state.to_json())
    numbers = mine_cluster_numbers(compute_masked_batch(pl.Series(lines[cut:], dtype=pl.String)), state)
    assert summary(state) == summary(whole)
    assert state.aliases().height <= len(lines)
    whole_ids = mine(*lines)[1]
    assert [state.current_ids()[n] for n in numbers] == whole_ids[cut:]


@given(LINES)
@settings(max_examples=100, deadline=None)
def test_mining_is_deterministic_and_the_state_survives_json(lines: list[str]) -> None:
    state, ids = mine(*lines)
    assert mine(*lines)[1] == ids
    assert MinerState.from_json(state.to_json()).to_json() == state.to_json()
    assert state.templates()["count"].sum() == len(lines)
    assert set(ids) == set(state.templates()["template_id"])


@given(LINES)
@settings(max_examples=100, deadline=None)
def test_lines_seen_again_keep_their_ids(lines: list[str]) -> None:
    state, ids = mine(*lines)
    _, again = mine_templates(pl.Series(lines, dtype=pl.String), state)
    assert again["template_id"].to_list() == ids
