"""Where the bastion listens."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bastion.config.schema import Address
from bastion.errors import BastionError
from bastion.sockets import open_sockets


@contextmanager
def opened(host: str, count: int) -> Iterator[list[socket.socket]]:
    """Open the sockets of so many processes at a free port, and close them."""
    sockets = [one for process in open_sockets(Address(host, 0), count) for one in process]
    yield sockets
    for one in sockets:
        one.close()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "::"])
def test_sockets_of_all_processes_have_one_port(host: str, count: int) -> None:
    with opened(host, count) as sockets:
        assert len(sockets) >= count
        assert len({one.getsockname()[1] for one in sockets}) == 1
        assert sockets[0].getsockname()[1] != 0


@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
def test_every_address_means_both_families(client: str) -> None:
    with opened("::", 1) as [server]:
        server.listen()
        with socket.create_connection((client, server.getsockname()[1]), timeout=5):
            accepted, _ = server.accept()
            accepted.close()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_a_port_of_somebody_else_is_refused(count: int, shared: bool) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BastionError, match=f"server.listen: cannot listen on 127.0.0.1 port {port}: "):
            open_sockets(Address("127.0.0.1", port), count)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(BastionError, match="cannot listen on no-such-host"):
        open_sockets(Address("no-such-host.invalid", 0), 1)
