"""How forwards end: with the client, with what an operator does, with the bastion; and alone, harming no other."""

import shutil
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.e2e.forwarding import Site
from tests.lab.bastion import Bastion
from tests.lab.client import Client
from tests.lab.process import free_port, wait_until
from tests.lab.sockets import Service, ask, ask_if_open, dial, echo, read_all, read_exactly


@pytest.fixture
def alice(site: Site) -> Client:
    """Somebody who may forward everything."""
    return site.person("alice")


@pytest.fixture
def bob(site: Site) -> Client:
    """Somebody who may end sessions and revoke certificates."""
    return site.person("bob")


@pytest.fixture(params=["jump", "percent"])
def way(request: pytest.FixtureRequest, site: Site) -> list[str]:
    return site.way(request.param)


def test_a_dead_client_frees_everything(site: Site, alice: Client, way: list[str]) -> None:
    port, remote = free_port(), free_port()
    with Service(echo) as service:
        forwards = ["-L", f"{port}:127.0.0.1:{service.port}", "-R", f"{remote}:127.0.0.1:{service.port}"]
        running = alice.start(alice.ssh_command(*forwards, *way, "echo ready; cat"))
        running.wait_for("^ready$")
        with dial(port) as there, dial(remote) as back:
            for connection in (there, back):
                connection.sendall(b"x")
                assert read_exactly(connection, 1) == b"x"
            running.process.send_signal(signal.SIGKILL)
            assert read_all(back) == b""
        for place in (f"127.0.0.1:{service.port}", f"localhost:{remote}"):
            assert site.event("forward.close", place=place)["bytes_in"] == 1
        assert site.event("forward.cancel", place=f"localhost:{remote}")
        wait_until("the target to listen no more", lambda: ask_if_open(remote, b"") is None)
        running.finish()


def test_killing_a_session_ends_its_forwards(site: Site, alice: Client, bob: Client, way: list[str]) -> None:
    port = free_port()
    with Service(echo) as service:
        running = alice.start(alice.ssh_command("-L", f"{port}:127.0.0.1:{service.port}", *way, "echo ready; cat"))
        running.wait_for("^ready$")
        with dial(port) as connection:
            connection.sendall(b"x")
            assert read_exactly(connection, 1) == b"x"
            newest = alice.json("sessions", "list")[0]["id"]
            assert bob.cli("sessions", "kill", newest, "--reason", "enough").status == 0
            assert read_all(connection) == b""
        assert running.finish().said == ["bastion: session ended by bob: enough"]
        assert site.event("forward.close", place=f"127.0.0.1:{service.port}")["why"] == "ended by bob: enough"


def test_one_broken_forward_harms_no_other(site: Site, alice: Client, way: list[str]) -> None:
    port, broken = free_port(), free_port()

    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with Service(echo) as service, Service(reset) as resetting:
        forwards = ["-L", f"{port}:127.0.0.1:{service.port}", "-L", f"{broken}:127.0.0.1:{resetting.port}"]
        with site.connected(alice, *forwards, *way), dial(port) as connection:
            for _ in range(5):
                assert ask(broken, b"x" * 100_000) == b""
                connection.sendall(b"fine")
                assert read_exactly(connection, 4) == b"fine"


@pytest.fixture
def other(site: Site) -> Iterator[Bastion]:
    """A second bastion with the same configuration, to be stopped."""
    folder = site.folder / "other"
    shutil.copytree(site.bastion.folder / "hostkeys", folder / "hostkeys")
    bastion = Bastion(folder, site.bastion.config.read_text(encoding="utf-8"))
    yield bastion
    bastion.stop()
    shutil.rmtree(folder)


def ends(bastion: Bastion) -> list[str]:
    """Return the data of all ends of forwards in a bastion's journal."""
    with closing(sqlite3.connect(bastion.folder / "var" / "bastion.db")) as database:
        return [row[0] for row in database.execute("SELECT data FROM journal WHERE type = 'forward.close'")]


def test_a_drain_ends_forwards_and_journals_it(site: Site, other: Bastion, way: list[str]) -> None:
    erin = Client(site.folder / "erin-there", other, "erin", site.world.login)
    erin.sign_in(site.world.people.token("erin"))
    port = free_port()
    with Service(echo) as service:
        running = erin.start(erin.ssh_command("-N", "-L", f"{port}:127.0.0.1:{service.port}", *way))
        wait_until("the forward", lambda: ask_if_open(port, b"x"))
        with dial(port) as connection:
            connection.sendall(b"x")
            assert read_exactly(connection, 1) == b"x"
            assert other.stop() == 0
            assert read_all(connection) == b""
        running.finish()
    assert "ended by the bastion: it is being stopped" in ends(other)[-1]


def test_revoking_a_certificate_ends_its_forwards(site: Site, bob: Client, way: list[str]) -> None:
    doomed = Client(site.folder / f"doomed-{len(way)}", site.bastion, "erin", site.world.login)
    doomed.sign_in(site.world.people.token("erin"))
    newest = bob.json("certs", "list")[0]
    port = free_port()
    with Service(echo) as service:
        running = doomed.start(doomed.ssh_command("-N", "-L", f"{port}:127.0.0.1:{service.port}", *way))
        wait_until("the forward", lambda: ask_if_open(port, b"x"))
        with dial(port) as connection:
            connection.sendall(b"x")
            assert read_exactly(connection, 1) == b"x"
            assert bob.cli("certs", "revoke", str(newest["serial"])).status == 0
            connection.settimeout(2)
            assert read_all(connection) == b""
        running.finish()
    assert site.event("forward.close", place=f"127.0.0.1:{service.port}")["why"] == "the client is gone"
