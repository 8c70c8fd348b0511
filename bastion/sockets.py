"""The sockets the bastion accepts connections on: bound here, listened on by whoever serves."""

import socket
from collections.abc import Sequence

from bastion.config.schema import Address
from bastion.errors import BastionError


def open_sockets(address: Address, count: int) -> list[list[socket.socket]]:
    """Return for each of `count` processes its sockets, bound to the same port and not listening.

    A name may stand for several addresses; `[::]` is every one, those of IPv4 too. Raises BastionError.
    """
    port = address.port
    processes: list[list[socket.socket]] = [[] for _ in range(count)]
    try:
        found = socket.getaddrinfo(address.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, where in dict.fromkeys(found):
            # Alone first: with SO_REUSEPORT the port would be shared with another bastion that is running already.
            _bound(family, (where[0], port, *where[2:]), share=False).close()
            for sockets in processes:
                sockets.append(_bound(family, (where[0], port, *where[2:]), share=count > 1))
                port = port or sockets[-1].getsockname()[1]
    except OSError as error:
        for one in [one for sockets in processes for one in sockets]:
            one.close()
        raise BastionError(
            f"server.listen: cannot listen on {address.host} port {address.port}: {error.strerror or error}"
        ) from error
    return processes


def _bound(family: int, where: Sequence[object], *, share: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, share)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, where[0] != "::")
        made.bind(tuple(where))
    except OSError:
        made.close()
        raise
    return made
