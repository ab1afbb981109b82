"""The search for planted secrets that tests/end_to_end/test_canaries.py relies on."""

from __future__ import annotations

import base64

import pytest

from tests.fakes.canaries import Canaries, writings, writings_of_bytes


@pytest.mark.requirement("A4")
def test_the_search_finds_every_writing() -> None:
    """A search that cannot find proves nothing."""
    for form in writings('cnry/Pw"ü x'):
        canaries = Canaries({"planted": 'cnry/Pw"ü x'})
        canaries.keep("a file", b"before " + form + b" after")
        assert canaries.leaks()
    key = bytes(range(200, 232))
    for form in (
        key,
        key.hex().encode(),
        base64.b64encode(key),
        base64.urlsafe_b64encode(b"x" + key),
        *writings_of_bytes(key),
    ):
        canaries = Canaries()
        canaries.plant_raw("a key", key)
        canaries.keep("a file", b"before " + form + b" after")
        assert canaries.leaks()
    canaries = Canaries()
    canaries.plant("for some", "cnryFs1111", among="answer to viewer")
    canaries.keep("answer to operator: GET /", "cnryFs1111")
    assert canaries.leaks() == []
    canaries.keep("answer to viewer: GET /", "cnryFs1111")
    assert canaries.leaks()
