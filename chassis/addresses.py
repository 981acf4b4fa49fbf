"""Network addresses: those of trusted proxies, and those that count as one caller."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

SITE_BITS = 48  # of an IPv6 address: the size of network that a provider gives to an office, or on request
IPV6_BITS = 64  # one household can use all addresses of the other 64 bits
# Bits of the widest network that may be named: the private networks of IPv4 and IPv6. Two networks of 1 bit together
# are every address.
WIDEST = {4: 8, 6: 7}
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(text: str) -> Networks:
    """Read addresses and networks, separated by commas.

    raises  ValueError  one is neither an address nor a network, or is wider than WIDEST
    """
    parsed = []
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            network = ipaddress.ip_network(part, strict=False)
        except ValueError:
            raise ValueError(f"{part} is neither an IP address nor a network such as 10.0.0.0/8") from None
        if network.prefixlen < WIDEST[network.version]:
            raise ValueError(f"{part} trusts nearly every address: anybody could write the address of another")
        parsed.append(network)
    return tuple(parsed)


@lru_cache(maxsize=4096)
def caller_of(address: str) -> str:
    """Return the caller of an address: the IPv4 address itself, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # the path of a socket
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, IPV6_BITS), strict=False).network_address)


@lru_cache(maxsize=4096)
def site_of(caller: str) -> str:
    """Return the site to which an IPv6 caller belongs, its first 48 bits; "" for an IPv4 address."""
    if ":" not in caller:
        return ""
    try:
        network = ipaddress.IPv6Network((caller, SITE_BITS), strict=False)
    except ValueError:  # the path of a socket
        return ""
    return f"{network.network_address}/{SITE_BITS}"


def is_in(address: str, among: Networks) -> bool:
    """Return whether an address belongs to one of these networks."""
    if not among:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket for IPv4 and IPv6 shows an IPv4 client as ::ffff:10.0.0.1.
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in among)
