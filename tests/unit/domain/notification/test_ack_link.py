"""Links that acknowledge: nobody makes one, changes one, or uses one that is too old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notification.ack_link import AckLink, LinkAction, LinkFault, read_link, sign_link
from resources.ack_links import AckLinks

pytestmark = pytest.mark.requirement("E2")
NOW = datetime(2026, 1, 3, 14, 23, tzinfo=UTC)
KEY_ID, KEY = b"abcd", b"k" * 32
LINK = AckLink(12345, "ann", LinkAction.ACKNOWLEDGE, NOW + timedelta(hours=1))


def token_of(link: AckLink = LINK) -> str:
    return sign_link(link, key_id=KEY_ID, key=KEY)


def read(token: str, *, now: datetime = NOW) -> AckLink | LinkFault:
    return read_link(token, keys={KEY_ID: KEY}, now=now)


def test_a_link_says_who_what_and_until_when() -> None:
    assert read(token_of()) == LINK
    assert len(token_of()) <= 60


@given(at=st.integers(0, 48), other=st.characters(codec="ascii", min_codepoint=33))
def test_a_changed_character_makes_it_worthless(at: int, other: str) -> None:
    token = token_of()
    changed = token[:at] + other + token[at + 1 :]
    assert changed == token or read(changed) is LinkFault.INVALID


@given(st.text(max_size=300))
def test_rubbish_is_no_link(token: str) -> None:
    assert read(token) is LinkFault.INVALID


def test_it_expires_to_the_second() -> None:
    assert read(token_of(), now=NOW + timedelta(minutes=59, seconds=59)) == LINK
    assert read(token_of(), now=NOW + timedelta(hours=1)) is LinkFault.EXPIRED


def test_another_key_does_not_help() -> None:
    assert read(sign_link(LINK, key_id=KEY_ID, key=b"x" * 32)) is LinkFault.INVALID
    assert read(sign_link(LINK, key_id=b"none", key=KEY)) is LinkFault.INVALID


def test_links_outlive_two_rotations_of_the_key_and_not_a_third(tmp_path: Path) -> None:
    links = AckLinks(tmp_path, public_url="https://etlmon.example/", hours=24)
    url = links.url_for(12, recipient="ann", now=NOW)
    assert url.startswith("https://etlmon.example/ack/")
    token = url.rpartition("/")[2]
    for _ in range(2):
        links.rotate()
        found = links.read(token, now=NOW)
        assert isinstance(found, AckLink)
        assert (found.incident_id, found.recipient) == (12, "ann")
    links.rotate()
    assert links.read(token, now=NOW) is LinkFault.INVALID
