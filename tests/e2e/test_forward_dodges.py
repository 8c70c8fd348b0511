"""Ways around what forwards may not do: other spellings, other ports, other windows; none leads past the recording."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.e2e.forwarding import Site
from tests.lab.client import Client
from tests.lab.process import free_port, wait_until
from tests.lab.sockets import Service, ask, dial, echo, socks
from tests.lab.sshd import SSHD

SPELLINGS = ("127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0", "[::ffff:127.0.0.1]", "LOCALHOST.")
MOST = 20 << 20  # bytes that memory may grow by


@pytest.fixture
def alice(site: Site) -> Client:
    """Somebody who may forward everything."""
    return site.person("alice")


@pytest.fixture(scope="module")
def hidden(site: Site) -> Iterator[SSHD]:
    """A stock sshd on a port of the target that no configuration names."""
    sshd = SSHD(site.folder, "hidden", site.world.bastion.folder / "hostkeys" / "target_ca.pub")
    yield sshd
    sshd.stop()


@pytest.fixture(params=["jump", "percent"])
def way(request: pytest.FixtureRequest, site: Site) -> list[str]:
    return site.way(request.param)


def test_an_sshd_on_any_port_is_reached_by_no_spelling(site: Site, alice: Client, way: list[str], hidden: SSHD) -> None:
    """By its first bytes, or its port: stock ssh gets nowhere, and no log of the sshd names a login."""
    ports = {(spelling, port): free_port() for spelling in SPELLINGS for port in (hidden.port, site.target.port, 22)}
    forwards = [word for (host, port), here in ports.items() for word in ("-L", f"{here}:{host}:{port}")]
    with site.connected(alice, *forwards, *way):
        for here in ports.values():
            assert ask(here, b"") == b""
            assert ask(here, b"SSH-2.0-OpenSSH_9.9\r\n") == b""
        here = ports["127.0.0.1", hidden.port]
        done = alice.ssh("-p", str(here), "-o", "StrictHostKeyChecking=no", f"{site.world.login}@127.0.0.1", "id")
        assert (done.status, done.out) == (255, b"")
    assert "Accepted" not in hidden.log()


def test_an_sshd_is_reached_neither_by_a_proxy_nor_by_standard_input(
    site: Site, alice: Client, way: list[str], hidden: SSHD
) -> None:
    proxy = free_port()
    with site.connected(alice, "-D", f"127.0.0.1:{proxy}", *way):
        for port in (hidden.port, site.target.port, 22):
            try:
                with socks(proxy, "127.0.0.1", port) as connection:
                    assert connection.recv(100) == b""
            except ConnectionError:
                continue
        done = alice.ssh("-W", f"127.0.0.1:{hidden.port}", *way, stdin=b"SSH-2.0-x\r\n")
        assert b"SSH-" not in done.out


def test_an_sshd_of_the_client_is_not_reached_from_the_target(
    site: Site, alice: Client, way: list[str], hidden: SSHD
) -> None:
    """The other way round: a port of the target that leads to an ssh server at the client's side."""
    remote = free_port()
    with site.connected(alice, "-R", f"{remote}:127.0.0.1:{hidden.port}", *way):
        assert ask(remote, b"") == b""
    assert "Accepted" not in hidden.log()


def test_a_banner_in_pieces_is_a_banner(site: Site, alice: Client, way: list[str], hidden: SSHD) -> None:
    port = free_port()
    with site.connected(alice, "-L", f"{port}:127.0.0.1:{hidden.port}", *way), dial(port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = b""
        try:
            for byte in b"SSH-2.0-x\r\n":
                connection.sendall(bytes([byte]))
                time.sleep(0.01)  # so that each byte is a packet of its own
            got = connection.recv(100)
        except ConnectionError:
            pass
        assert got == b""


def rss(site: Site) -> int:
    """Return how much memory the bastion holds, in bytes."""
    status = Path(f"/proc/{site.bastion.server.process.pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def stuck(connection: socket.socket, most: int) -> int:
    """Send until the other side takes no more for a while, or `most` is sent; return how much it took."""
    connection.settimeout(1.5)
    sent, data = 0, bytes(1 << 18)
    while sent < most:
        try:
            sent += connection.send(data)
        except TimeoutError:
            break
    return sent


def test_a_gigabyte_to_a_service_that_reads_nothing(site: Site, alice: Client, way: list[str]) -> None:
    done = threading.Event()
    with Service(echo) as warm, Service(lambda _: bool(done.wait(60))) as service:  # type: ignore[arg-type]
        here, there = free_port(), free_port()
        forwards = ["-L", f"{here}:127.0.0.1:{service.port}", "-L", f"{there}:127.0.0.1:{warm.port}"]
        with site.connected(alice, *forwards, *way):
            assert len(ask(there, bytes(8 << 20))) == 8 << 20
            before = rss(site)
            with dial(here) as connection:
                assert stuck(connection, 1 << 30) < 64 << 20
                assert rss(site) - before < MOST
                assert ask(there, b"others work") == b"others work"
            done.set()


async def test_a_gigabyte_to_a_client_whose_window_is_huge(site: Site, alice: Client) -> None:
    """It allows two gigabytes at once, and reads nothing of its socket."""
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        for _ in range(1024):
            connection.sendall(bytes(1 << 20))
            sent += 1 << 20

    class Counter(asyncssh.SSHTCPSession[bytes]):
        size = 0

        def data_received(self, data: bytes, datatype: int | None) -> None:
            self.size += len(data)

    with Service(pour) as service:
        client: Any
        async with asyncssh.connect(
            "127.0.0.1",
            site.bastion.port,
            username=f"{site.world.login}%web-1",
            client_keys=[(str(alice.key), str(alice.certificate))],
            known_hosts=str(alice.known_hosts),
            agent_path=None,
            config=None,
        ) as client:
            channel, counter = await client.create_connection(
                Counter, "127.0.0.1", service.port, window=(1 << 31) - 1, max_pktsize=1 << 15
            )
            while counter.size < 8 << 20:  # noqa: ASYNC110 - what is awaited lies in another object, without an event
                await asyncio.sleep(0.01)
            before = rss(site)
            client._transport.pause_reading()
            seen = -1
            while sent != seen:  # until nothing was sent for half a second
                seen = sent
                await asyncio.sleep(0.5)
            assert sent < 128 << 20
            assert rss(site) - before < MOST
            done = await asyncio.to_thread(alice.ssh, f"{site.world.login}%web-1@bastion", "echo others work")
            assert done.text == "others work\n"
            channel.abort()
            client.abort()
    await asyncio.to_thread(
        wait_until, "its end in the journal", lambda: site.event("forward.close", place=f"127.0.0.1:{service.port}")
    )
