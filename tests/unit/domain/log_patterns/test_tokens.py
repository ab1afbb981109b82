from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log_patterns.rendering import render_template, render_typed
from domain.log_patterns.tokens import parse_line


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("", ()),
        ("job <num> done", ("job", "<*>", "done")),
        ("com.example.Runner", ("com.example.Runner",)),
        ("use mode=fast", ("use", "mode", "=", "<*>")),
        ("class com.example.Runner loaded", ("class", "<*>", "loaded")),
        ("com.example.Runner: loaded", ("com.example.Runner", ":", "loaded")),
        ("card K7-M1:J03-U4 failed", ("card", "<*>", ":", "<*>", "failed")),
        ("rack2: failed", ("rack2", ":", "failed")),
        ("waited <num> seconds", ("waited", "<*>")),
        ("copied <num> bytes (<num> KB) now", ("copied", "<*>", "now")),
        ("took <<num> sec here", ("took", "<*>", "here")),
        ("step one......<num>", ("step", "one......<*>")),
    ],
)
def test_keys(line: str, key: tuple[str, ...]) -> None:
    assert parse_line(line).key == key


@given(st.text(alphabet="ab7=,:;()[]<>\"' .-_/", max_size=60))
def test_spans_keep_the_text_and_fit_the_key(text: str) -> None:
    line = " ".join(text.split())
    parsed = parse_line(line)
    assert len(parsed.key) == len(parsed.spans)
    if "<*>" not in "".join(parsed.spans):
        assert render_typed(parsed.spans) == line


def test_variables_that_touch_are_one() -> None:
    assert render_template("at <ip>:<num>/<id> and <num> <num>") == "at <*> and <*> <*>"
