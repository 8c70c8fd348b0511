"""Where the name of a host leads, for targets whose name a user chose within a pattern.

The domain is configured, but what is in it may not be the bastion owner's alone to say. So a name must not lead to
this machine, its link or no single host, unless the pattern's `networks` say where to: then there alone. What is
looked up once is what is connected to.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from bastion.config.schema import Target

IPAddress = IPv4Address | IPv6Address
LookUp = Callable[[str, int], Awaitable[list[str]]]


async def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the resolver's order. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


async def addresses(target: Target, find: LookUp) -> list[str]:
    """Return where to connect for a target, as texts that are looked up no more, or as the administrator wrote it.

    Raises OSError where a pattern's name leads nowhere, or nowhere it may.
    """
    if not target.pattern:
        return [target.address.host]
    found = await find(target.address.host, target.address.port)
    allowed = [text for text in found if may_dial(ip_address(text), target.networks)]
    if not allowed:
        raise OSError(f"{target.address.host} leads to {', '.join(found) or 'nothing'}, where {target.pattern} may not")
    return allowed


def may_dial(address: IPAddress, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Return whether a name that a user chose may lead to this address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    listed = tuple(networks)
    if listed:
        return any(address in network for network in listed)
    unfit = (address.is_loopback, address.is_link_local, address.is_multicast, address.is_unspecified)
    return not any(unfit) and not address.is_reserved and not is_ours(address)


def is_ours(address: IPAddress) -> bool:
    """Return whether an address is one of this machine's: no other lets itself be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(address), 0))
        return True
    return False
