"""Forwards with stock OpenSSH through the bastion, in both ways to a target: TCP and unix sockets, agent, X11."""

import hashlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.forwarding import COOKIE, Site
from tests.lab.client import Client
from tests.lab.process import free_port, wait_until
from tests.lab.sockets import Service, ask, ask_if_open, count, dial, echo, read_all, read_exactly, say, socks

MEGABYTE = os.urandom(1 << 20)


@pytest.fixture
def alice(site: Site) -> Client:
    return site.person("alice")


@pytest.fixture(params=["jump", "percent"])
def way(request: pytest.FixtureRequest, site: Site) -> list[str]:
    return site.way(request.param)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """The socket of an ssh-agent of the client's, which holds one key with the comment `carried`."""
    path = tmp_path / "agent"
    program = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    wait_until("the agent", path.exists)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "carried", "-f", tmp_path / "key"], check=True)
    env = {**os.environ, "SSH_AUTH_SOCK": str(path)}
    subprocess.run(["ssh-add", "-q", tmp_path / "key"], check=True, env=env, capture_output=True)
    yield path
    program.terminate()
    program.wait()


def test_local_forward(site: Site, alice: Client, way: list[str]) -> None:
    port = free_port()
    with Service(count) as service:
        with site.connected(alice, "-L", f"{port}:127.0.0.1:{service.port}", *way):
            assert ask(port, MEGABYTE) == b"1048576"
        place = f"127.0.0.1:{service.port}"
        opened = site.event("forward.open", place=place)
        closed = site.event("forward.close", place=place)
    assert (opened["kind"], opened["target"], opened["login"]) == ("local-forward", "web-1", site.world.login)
    assert (opened["session"], opened["connection"]) == (closed["session"], closed["connection"])
    assert (closed["bytes_in"], closed["bytes_out"], closed["why"]) == (1 << 20, 7, "closed")
    assert 0 <= closed["seconds"] < 60


def test_warpgate_2328_server_first_bytes_are_not_lost(site: Site, alice: Client, way: list[str]) -> None:
    port = free_port()
    with (
        Service(say(b"220 ready\r\n")) as service,
        site.connected(alice, "-L", f"{port}:127.0.0.1:{service.port}", *way),
    ):
        for _ in range(5):
            with dial(port) as connection:
                assert read_exactly(connection, 11) == b"220 ready\r\n"
                connection.sendall(b"EHLO")
                assert read_exactly(connection, 4) == b"EHLO"


def test_warpgate_2065_bytes_sent_before_the_target_is_connected_are_not_lost(site: Site, alice: Client) -> None:
    """`-N`: no session was there before, so the first forward has the bastion sign in to the target."""
    port = free_port()
    with Service(echo) as service:
        forward = ["-N", "-L", f"{port}:127.0.0.1:{service.port}", *site.way("jump")]
        running = alice.start(alice.ssh_command(*forward))
        try:
            assert wait_until("the forward", lambda: ask_if_open(port, MEGABYTE)) == MEGABYTE
        finally:
            running.process.terminate()
            running.finish()


def test_standard_input_and_output_as_a_forward(site: Site, alice: Client, way: list[str]) -> None:
    with Service(count) as service:
        done = alice.ssh("-W", f"127.0.0.1:{service.port}", *way, stdin=MEGABYTE)
    assert (done.status, done.text) == (0, "1048576")


def test_dynamic_forward(site: Site, alice: Client, way: list[str]) -> None:
    port = free_port()
    with Service(echo) as service, site.connected(alice, "-D", str(port), *way):
        with socks(port, "localhost", service.port) as connection:
            connection.sendall(MEGABYTE)
            assert read_exactly(connection, len(MEGABYTE)) == MEGABYTE
        with pytest.raises(ConnectionError):
            socks(port, "localhost", free_port())
    assert site.event("forward.close", place=f"localhost:{service.port}")["bytes_in"] == 1 << 20


def test_a_host_that_refuses_is_said_to_refuse(site: Site, alice: Client, way: list[str]) -> None:
    port, nobody = free_port(), free_port()
    with site.connected(alice, "-L", f"{port}:127.0.0.1:{nobody}", *way) as running:
        assert ask(port, b"") == b""
        running.wait_for("open failed: connect failed: Connection refused")
    assert "refused" in site.event("forward.close", place=f"127.0.0.1:{nobody}")["why"]


def test_remote_forward(site: Site, alice: Client, way: list[str]) -> None:
    port = free_port()
    with Service(count) as service:
        with site.connected(alice, "-o", "ExitOnForwardFailure=yes", "-R", f"{port}:127.0.0.1:{service.port}", *way):
            assert ask(port, MEGABYTE) == b"1048576"
        closed = site.event("forward.close", kind="remote-forward", place=f"localhost:{port}")
        assert (closed["bytes_in"], closed["bytes_out"]) == (7, 1 << 20)
        assert closed["origin"].startswith("127.0.0.1:")
        assert site.event("forward.listen", place=f"localhost:{port}")["target"] == "web-1"
        assert site.event("forward.cancel", place=f"localhost:{port}")["port"] == port
        wait_until("the target to listen no more", lambda: ask_if_open(port, b"") is None)


def test_remote_forward_of_any_port_and_its_cancelling(
    site: Site, alice: Client, way: list[str], tmp_path: Path
) -> None:
    control = ["-o", f"ControlPath={tmp_path}/c"]
    with Service(echo) as service:
        remote = f"0:127.0.0.1:{service.port}"
        with site.connected(alice, "-M", *control, "-R", remote, *way) as running:
            port = int(running.wait_for(r"^Allocated port (\d+) for remote forward")[1])
            assert ask(port, b"over there") == b"over there"
            done = alice.ssh(*control, "-O", "cancel", "-R", remote, *way)
            assert (done.status, done.errors) == (0, "")
            wait_until("the target to listen no more", lambda: ask_if_open(port, b"") is None)


def test_a_remote_port_in_use_is_refused_and_the_shell_lives_on(site: Site, alice: Client, way: list[str]) -> None:
    with (
        Service(echo) as taken,
        site.connected(alice, "-R", f"{taken.port}:127.0.0.1:1", *way) as running,
    ):
        running.wait_for(f"remote port forwarding failed for listen port {taken.port}")
    assert site.event("forward.cancel", place=f"localhost:{taken.port}")["why"]


def test_unix_sockets_of_the_target(site: Site, alice: Client, way: list[str], tmp_path: Path) -> None:
    there = site.world.public / f"service-{free_port()}"
    with Service(count, there):
        with site.connected(alice, "-L", f"{tmp_path}/here:{there}", *way):
            assert ask(tmp_path / "here", MEGABYTE) == b"1048576"
        closed = site.event("forward.close", kind="local-socket", place=str(there))
    assert (closed["bytes_in"], closed["bytes_out"]) == (1 << 20, 7)


def test_unix_sockets_of_the_client(site: Site, alice: Client, way: list[str], tmp_path: Path) -> None:
    there = site.world.scratch / f"listening-{free_port()}"
    with Service(count, tmp_path / "here"):
        with site.connected(alice, "-R", f"{there}:{tmp_path}/here", *way):
            assert ask(there, MEGABYTE) == b"1048576"
        closed = site.event("forward.close", kind="remote-socket", place=str(there))
        assert (closed["bytes_in"], closed["bytes_out"]) == (7, 1 << 20)
        assert site.event("forward.cancel", place=str(there))
    there.unlink()


def test_agent(site: Site, alice: Client, way: list[str], agent: Path) -> None:
    done = alice.ssh("-o", f"IdentityAgent={agent}", "-A", *way, "ssh-add -l; exit 7")
    assert (done.status, done.errors) == (7, "")
    assert "carried" in done.text
    assert site.event("forward.close", kind="agent")["bytes_in"] > 0


def test_no_agent_without_asking(site: Site, alice: Client, way: list[str], agent: Path) -> None:
    """Nor does a session find the agent of another one, though both go to the same login."""
    with site.connected(alice, "-o", f"IdentityAgent={agent}", "-A", *way):
        done = alice.ssh(*way, 'echo "sock=$SSH_AUTH_SOCK"')
    assert done.text == "sock=\n"


def test_warpgate_1459_parallel_agent_channels(site: Site, alice: Client, way: list[str], agent: Path) -> None:
    script = 'for i in $(seq 10); do ssh-add -l >"$0.$i" & done; wait; cat "$0".*; rm "$0".*'
    command = f"sh -c '{script}' {site.world.scratch}/keys-{free_port()}"
    done = alice.ssh("-o", f"IdentityAgent={agent}", "-A", *way, command)
    assert done.text.count("carried") == 10


def test_agent_in_each_session_of_one_connection(
    site: Site, alice: Client, way: list[str], agent: Path, tmp_path: Path
) -> None:
    """sshd agrees to an agent once a connection; the second session must not be told that it refused."""
    control = ["-o", f"ControlPath={tmp_path}/c", "-o", f"IdentityAgent={agent}", "-A"]
    with site.connected(alice, "-M", *control, *way):
        for _ in range(2):
            done = alice.ssh(*control, *way, "ssh-add -l")
            assert (done.status, done.errors) == (0, "")
            assert "carried" in done.text


class Display:
    """An X server in name: keeps the set-up of each client (X11 protocol, section 8) and answers with what it says."""

    def __init__(self) -> None:
        self.cookies: list[bytes] = []
        self._service = Service(self._serve)
        while self._service.port < 6000:
            self._service = Service(self._serve)
        self.name = f"127.0.0.1:{self._service.port - 6000}"

    def _serve(self, connection: socket.socket) -> None:
        head = read_exactly(connection, 12)
        name, cookie = (int.from_bytes(head[index : index + 2], "big") for index in (6, 8))
        rest = read_exactly(connection, -(-name // 4) * 4 + -(-cookie // 4) * 4)
        self.cookies.append(rest[-(-name // 4) * 4 :][:cookie])
        connection.sendall(b"hello from the display")
        echo(connection)


def setup_of(cookie: bytes) -> bytes:
    """Return what an X client sends first, with this cookie."""
    name = b"MIT-MAGIC-COOKIE-1"
    sizes = b"".join(size.to_bytes(2, "big") for size in (11, 0, len(name), len(cookie), 0))
    return b"B\0" + sizes + name + b"\0\0" + cookie


def test_x11(site: Site, alice: Client, way: list[str]) -> None:
    display = Display()
    for old in site.world.scratch.glob("xauth-*"):
        old.unlink()
    options = ["-Y", "-o", f"XAuthLocation={site.world.public}/bin/client-xauth"]
    alice_at_screen = {**alice.env, "DISPLAY": display.name}
    command = alice.ssh_command(*options, *way, 'echo "display=$DISPLAY"; cat')
    with subprocess.Popen(command, env=alice_at_screen, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        shown = running.stdout.readline().decode().strip()
        assert shown.startswith("display=localhost:"), shown
        port = 6000 + int(shown.rpartition(":")[2].split(".")[0])
        (given,) = site.world.scratch.glob("xauth-*")
        cookie = given.read_text(encoding="utf-8").split()[-1]
        assert cookie != COOKIE, "the real one never leaves the client's machine"
        with dial(port) as program:
            program.sendall(setup_of(bytes.fromhex(cookie)) + b"draw")
            assert read_exactly(program, 26) == b"hello from the displaydraw"
        with dial(port) as stranger:
            stranger.sendall(setup_of(b"x" * 16))
            assert read_all(stranger) == b""
        running.stdin.close()
        assert running.wait(20) == 0
    assert display.cookies == [bytes.fromhex(COOKIE)]
    closed = [data["bytes_in"] for data in site.events("forward.close", kind="x11")]
    assert max(closed) == len(b"hello from the displaydraw")
    assert COOKIE not in (site.bastion.folder / "serve.log").read_text(encoding="utf-8")
    assert cookie not in (site.bastion.folder / "serve.log").read_text(encoding="utf-8")


def test_twenty_forwards_at_once(site: Site, alice: Client, way: list[str]) -> None:
    port = free_port()
    data = [os.urandom(400_000) for _ in range(20)]
    got: list[bytes] = [b""] * len(data)

    def transfer(index: int) -> None:
        got[index] = ask(port, data[index])

    with Service(echo) as service, site.connected(alice, "-L", f"{port}:127.0.0.1:{service.port}", *way):
        threads = [threading.Thread(target=transfer, args=(index,)) for index in range(len(data))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [hashlib.sha256(one).digest() for one in got] == [hashlib.sha256(one).digest() for one in data]
    assert service.accepted == 20
