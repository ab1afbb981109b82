"""Whose address counts: the peer's, unless a proxy that we trust speaks for somebody."""

from __future__ import annotations

import pytest

from api.client_address import find_client, parse_proxies
from domain.errors import ConfigurationError
from resources.access.login_audit import Visitor

pytestmark = pytest.mark.requirement("A3")


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "client"),
    [
        ("203.0.113.9", "", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "10.0.0.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.7", "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", "evil\r\nx, 10.0.0.7", "10.0.0.0/8", "10.0.0.7"),
        ("10.0.0.1", "", "10.0.0.0/8", "10.0.0.1"),
        ("::1", "2001:DB8::0:1", "::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "10.0.0.1", "198.51.100.1"),
        ("unknown", "198.51.100.1", "0.0.0.0/0", "unknown"),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: str, proxies: str, client: str) -> None:
    assert find_client(peer, forwarded, parse_proxies(proxies)) == client


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match="ETLMON_TRUSTED_PROXIES"):
        parse_proxies("10.0.0.1, proxy.example")


def test_what_a_stranger_says_is_made_harmless() -> None:
    visitor = Visitor.of("1.2.3.4", "Mozilla\r\n\x00\x1b[31m" + "x" * 400)
    assert len(visitor.user_agent) == 256
    assert visitor.user_agent.startswith("Mozilla????[31mx")
