"""Addresses in settings: of servers that are asked, of networks and of proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from esmviz.errors import InvalidSettingError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOCAL = "127.0.0.1"


def networks(text: str, name: str, *words: str) -> tuple[Network, ...]:
    """Networks with commas; ``words`` are what the setting may say instead.

    >>> networks("loopback", "X"), networks("10.0.0.0/8, ::1", "X")[1]
    ((IPv4Network('127.0.0.0/8'), IPv6Network('::1/128')), IPv6Network('::1/128'))
    """
    meant = {"off": "", "loopback": "127.0.0.0/8,::1", "all": "0.0.0.0/0,::/0"}.get(text, text)
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in meant.split(",") if part.strip())
    except ValueError:
        choices = "".join(f"{word}, " for word in words) + ("or " if words else "")
        raise InvalidSettingError(
            f"{name} is {text!r}.", f"It is {choices}networks as 10.0.0.0/8,::1."
        ) from None


def contains(allowed: Sequence[Network], host: str) -> bool:
    """Whether an address is in one of the networks; what is no address is in none.

    >>> contains(networks("10.0.0.0/8", "X"), "::ffff:10.1.2.3"), contains(networks("all", "X"), "testclient")
    (True, False)
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in allowed)


def came_from(client: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The address a request came from: that of its ``X-Forwarded-For`` only as far as trusted proxies say it.

    uvicorn has put a forwarded address in the client's place already where the peer was this machine itself: the last
    that is not this machine. A client that its own header names there is taken for a proxy on this machine.

    >>> mine = networks("127.0.0.1", "X")
    >>> came_from("192.0.2.7", "192.0.2.7", mine), came_from("192.0.2.7", "10.0.0.1", mine)
    ('192.0.2.7', '192.0.2.7')
    >>> came_from("192.0.2.7", "192.0.2.7:4711", ()), came_from("192.0.2.7", "192.0.2.7, 10.0.0.1", mine)
    ('127.0.0.1', '192.0.2.7')
    >>> came_from("127.0.0.1", "198.51.100.9, 192.0.2.7", mine)
    '192.0.2.7'
    """
    hops = [_without_port(hop.strip()) for hop in forwarded.split(",") if hop.strip()]
    from_here = next((hop for hop in reversed(hops) if hop != LOCAL), LOCAL) == client
    chain = [*hops, LOCAL if from_here else client]
    return next((hop for hop in reversed(chain) if not contains(proxies, hop)), chain[0])


def _without_port(hop: str) -> str:
    """Some proxies name the port, too, which is another one at every connection.

    >>> [_without_port(hop) for hop in ("192.0.2.7:80", "[2001:db8::7]:80", "[2001:db8::7]", "2001:db8::7", "unknown")]
    ['192.0.2.7', '2001:db8::7', '2001:db8::7', '2001:db8::7', 'unknown']
    """
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def household(host: str) -> str:
    """What one visitor has of addresses: all of an IPv6 network of 64 bits.

    >>> household("2001:db8::17"), household("192.0.2.7"), household("testclient")
    ('2001:db8::/64', '192.0.2.7', 'testclient')
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def check_url(name: str, url: str, allow_plain_http: bool) -> None:
    """An address to which sequences, passwords and tokens may go."""
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.username or parts.password or parts.query or parts.fragment
        _ = parts.port
    except ValueError:
        host = secret = None
    if not host or parts.scheme not in ("https", "http") or secret:
        raise InvalidSettingError(
            f"{name} is no address of a server.",  # not repeated: it may hold a password
            "It looks like https://host/path, without a name, a password or a question mark.",
        )
    if parts.scheme == "http" and not (allow_plain_http or is_loopback(host)):
        raise InvalidSettingError(
            f"{name} is plain http to {host}: sequences and the token would travel for all to read.",
            "Use https, or set ESMVIZ_ALLOW_PLAIN_HTTP=1 where the network is yours.",
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "localhost.example.org", "10.0.0.1")]
    [True, True, True, False, False]
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
