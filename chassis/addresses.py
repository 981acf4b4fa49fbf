"""Network addresses: which belong to trusted proxies, and which count as one caller."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

IPV6_BITS = 64  # one household can use all addresses of the other 64 bits
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(text: str) -> Networks:
    """Read addresses and networks with commas between.

    raises  ValueError  one is neither, or holds every address
    """
    parsed = []
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            network = ipaddress.ip_network(part, strict=False)
        except ValueError:
            raise ValueError(f"{part} is neither an IP address nor a network such as 10.0.0.0/8") from None
        if not network.prefixlen:
            raise ValueError(f"{part} trusts every address: anybody could write the address of another")
        parsed.append(network)
    return tuple(parsed)


@lru_cache(maxsize=4096)
def caller_of(address: str) -> str:
    """Return what counts as one caller: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # the path of a socket
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, IPV6_BITS), strict=False).network_address)


def is_in(address: str, among: Networks) -> bool:
    """Whether an address belongs to one of these networks."""
    if not among:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in among)
