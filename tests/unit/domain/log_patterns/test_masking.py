from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log_patterns.masking import MAX_LINE_CHARS, compute_masked

CASES = [
    ("took 17 ms", "took <num> ms"),
    ("took 17ms", "took <duration>"),
    ("waited +1m30s", "waited <duration>"),
    ("delta=-3.5 next=+4e-7", "delta=<num> next=<num>"),
    ("peer 10.0.7.19:8443 gone", "peer <ip> gone"),
    ("peer /10.0.7.19 gone", "peer <ip> gone"),
    ("peer fe80:0:0:0:1c2:ff:fe00:1 gone", "peer <ip> gone"),
    ("host db-3.example.org:5432 up", "host <host> up"),
    ("open /var/lib/etl/part-7.csv now", "open <path> now"),
    ("open C:\\jobs\\daily\\run.log now", "open <path> now"),
    ("get https://example.org/a?b=1 now", "get <url> now"),
    ("mail to ops.team@example.org sent", "mail to <email> sent"),
    ("run 8f14e45f-ceea-467f-a8c1-0123456789ab done", "run <uuid> done"),
    ("nic 00:1b:44:11:3a:b7 down", "nic <mac> down"),
    ("at 2031-05-06T07:08:09.123Z ok", "at <time> ok"),
    ("at May 6 07:08:09 ok", "at <time> ok"),
    ("ptr 0x7ffe12ab freed", "ptr <hex> freed"),
    ("commit 3fa9c1d built", "commit <hex> built"),
    ("batch_20310506_001 loaded", "<id> loaded"),
    ("order A10045Z loaded", "order <id> loaded"),
    ("disk 93.5% full", "disk <percent> full"),
    ("heap 512MB used", "heap <size> used"),
    ("agent v2.11.0 ready", "agent <version> ready"),
    ("cached=true owner=null", "cached=<bool> owner=<null>"),
]


@pytest.mark.requirement("C5")
@pytest.mark.parametrize(("line", "expected"), CASES)
def test_values_are_masked_by_type(line: str, expected: str) -> None:
    assert compute_masked(pl.Series([line])).to_list() == [expected]


@pytest.mark.parametrize(
    "line", ["plain words stay", "http2 and utf8 stay", "init() done", "untrue nullified", "a/b stays"]
)
def test_words_are_left_alone(line: str) -> None:
    assert compute_masked(pl.Series([line])).to_list() == [line]


def test_white_space_is_narrowed_and_null_is_empty() -> None:
    assert compute_masked(pl.Series(["  a \t b\r", None, ""])).to_list() == ["a b", "", ""]


def test_no_messages_give_no_rows() -> None:
    assert compute_masked(pl.Series([], dtype=pl.String)).is_empty()


def test_an_overlong_line_is_cut() -> None:
    masked = compute_masked(pl.Series(["start " + "word " * 300_000]))
    assert masked.str.len_chars().item() <= MAX_LINE_CHARS


def test_binary_garbage_becomes_one_mark() -> None:
    assert compute_masked(pl.Series(["read \x00\x01\x02\ufffd\x07 here"])).to_list() == ["read \ufffd here"]


PIECES = st.sampled_from(
    [
        *[
            "user",
            "=",
            "42",
            "-7",
            "1.5",
            "10.0.0.1",
            "/a/b",
            "0xff",
            "a_1",
            "true",
            "null",
            "(",
            ")",
            "[",
            "]",
            ".",
            "<num>",
            "<",
            ">",
            "@",
            "abc123",
            "3d",
            "12:30:01",
            "::",
            ",",
            "kB",
            "%",
            "v1.2",
            "é",
        ],
        " ",
        "\t",
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=80))
def test_masks_are_idempotent(line: str) -> None:
    once = compute_masked(pl.Series([line]))
    assert compute_masked(once).to_list() == once.to_list()
