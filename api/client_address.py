"""Where a request comes from. `X-Forwarded-For` is believed only from proxies that the settings name."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.requests import Request

from domain.errors import ConfigurationError
from resources.access.login_audit import Visitor

Network = IPv4Network | IPv6Network


def parse_proxies(text: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas.

    Raises:
        ConfigurationError: one of them is neither.
    """
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ConfigurationError(
            f"ETLMON_TRUSTED_PROXIES: {error}", suggestion="write addresses or networks: 10.0.0.1,192.168.0.0/16"
        ) from None


def visitor_of(request: Request) -> Visitor:
    """Address and user agent of the client, made harmless and short."""
    proxies: tuple[Network, ...] = request.app.state.trusted_proxies
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    peer = request.client.host if request.client else "unknown"
    return Visitor.of(find_client(peer, forwarded, proxies), request.headers.get("user-agent", ""))


def find_client(peer: str, forwarded: str, proxies: tuple[Network, ...]) -> str:
    """The last address that no trusted proxy vouches for any more; what is no address ends the search."""
    found = peer
    for hop in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        if not _is_in(found, proxies) or _parse(hop) is None:
            break
        found = hop
    parsed = _parse(found)
    return str(parsed) if parsed else found


def _is_in(address: str, proxies: tuple[Network, ...]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in proxies)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
