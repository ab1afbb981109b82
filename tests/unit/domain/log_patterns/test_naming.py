from __future__ import annotations

import pytest

from domain.log_patterns.naming import MAX_WORDS, compute_name, compute_names


@pytest.mark.requirement("C5")
@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("job <id> failed after <duration>: timeout", "job failed after timeout"),
        ("login; uid=<num> tty=pts user=<*> refused", "login refused"),
        ("user=<*> code=<num>", "user code"),
        ("<num> <ip>", "(values only)"),
        ("", "(empty line)"),
        ("one two three four five six seven eight", "one two three four five six"),
    ],
)
def test_a_name_is_made_of_the_telling_words(template: str, name: str) -> None:
    assert compute_name(template) == name
    assert len(name.split()) <= MAX_WORDS


def test_names_are_unique() -> None:
    names = compute_names(["job <id> done", "job done <num>", "job done"], ["aaaa1111", "bbbb2222", "cccc3333"])
    assert names == ["job done", "job done #bbbb", "job done #cccc"]
