"""What forwards may not do: each is off unless granted, none dodges recording, none harms another or grows memory."""

import asyncio
import re
import socket
import time
from pathlib import Path

import asyncssh
import pytest
from asyncssh.constants import MSG_REQUEST_FAILURE
from asyncssh.packet import String, UInt32

from tests.e2e.forwarding import Site
from tests.lab.client import Client
from tests.lab.process import free_port, wait_until
from tests.lab.sockets import Service, ask, ask_if_open, dial, echo, read_all, read_exactly, say

PROHIBITED = "open failed: administratively prohibited: "


@pytest.fixture
def alice(site: Site) -> Client:
    """Somebody who may forward everything."""
    return site.person("alice")


@pytest.fixture
def bob(site: Site) -> Client:
    """Somebody who may forward nothing, and approve."""
    return site.person("bob")


@pytest.fixture(params=["jump", "percent"])
def way(request: pytest.FixtureRequest, site: Site) -> list[str]:
    return site.way(request.param)


def test_each_kind_is_off_unless_granted_and_the_shell_lives_on(
    site: Site, bob: Client, way: list[str], tmp_path: Path
) -> None:
    here, there, remote = free_port(), free_port(), free_port()
    with Service(echo) as service:
        forwards = [
            *("-L", f"{here}:127.0.0.1:{service.port}", "-L", f"{tmp_path}/here:{tmp_path}/there"),
            *("-R", f"{remote}:127.0.0.1:{service.port}", "-R", f"{site.world.scratch}/s{there}:{tmp_path}/x"),
        ]
        with site.connected(bob, *forwards, *way) as running:
            assert ask(here, b"x") == b""
            running.wait_for(f"{PROHIBITED}local-forward channels are not open to you on web-1")
            assert ask(tmp_path / "here", b"x") == b""
            running.wait_for(f"{PROHIBITED}local-socket channels are not open to you on web-1")
            running.wait_for(f"remote port forwarding failed for listen port {remote}")
            running.wait_for(f"remote port forwarding failed for listen path {site.world.scratch}/s{there}")
        assert service.accepted == 0
    for kind in ("local-forward", "local-socket", "remote-forward", "remote-socket"):
        denied = site.event("forward.denied", kind=kind)
        assert denied["why"] == f"{kind} channels are not open to you on web-1"
        assert not site.events("forward.open", kind=kind, target="web-1", connection=denied["connection"])


def test_agent_and_x11_are_off_unless_granted_and_the_shell_works(site: Site, bob: Client, way: list[str]) -> None:
    x11 = ["-Y", "-o", f"XAuthLocation={site.world.public}/bin/client-xauth"]
    agent = ["-A", "-o", f"IdentityAgent={site.folder}/agent"]
    with Service(echo, site.folder / "agent"):
        command = bob.ssh_command(*x11, *agent, *way, 'echo "a=$SSH_AUTH_SOCK d=$DISPLAY"; exit 6')
        env = {"DISPLAY": "127.0.0.1:99"}
        done = bob.run(["env", *(f"{name}={value}" for name, value in env.items()), *command])
    (site.folder / "agent").unlink()
    assert (done.status, done.text) == (6, "a= d=\n")
    assert "X11 forwarding request failed" in done.errors
    assert {data["kind"] for data in site.events("forward.denied")} >= {"agent", "x11"}


def test_a_role_may_grant_one_kind_alone(site: Site, way: list[str]) -> None:
    agent, port, remote = site.person("build-agent"), free_port(), free_port()
    with (
        Service(echo) as service,
        site.connected(agent, "-L", f"{port}:127.0.0.1:{service.port}", "-R", f"{remote}:127.0.0.1:1", *way) as running,
    ):
        assert ask(port, b"over") == b"over"
        running.wait_for(f"remote port forwarding failed for listen port {remote}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.255.255.1"])
def test_no_forward_leads_to_a_port_of_ssh_servers(site: Site, alice: Client, way: list[str], host: str) -> None:
    """Neither 22 nor the port of any target, on whatever host: it would dodge recording."""
    ports = {22: free_port(), site.target.port: free_port(), site.closed.port: free_port()}
    forwards = [word for port, here in ports.items() for word in ("-L", f"{here}:{host}:{port}")]
    with site.connected(alice, *forwards, *way) as running:
        for port, here in ports.items():
            assert ask(here, b"") == b""
            running.wait_for(f"{PROHIBITED}port {port} is one of ssh servers")


def test_the_name_of_a_target_leads_to_the_bastions_own_server(site: Site, alice: Client) -> None:
    """Which records: a jump, though the connection it goes through is for another target."""
    port = free_port()
    with site.connected(alice, "-L", f"{port}:web-1:22", *site.way("percent", "closed")):
        assert ask(port, b"").startswith(b"SSH-2.0-Bastion\r\n")


def test_no_target_listens_on_a_port_of_ssh_servers(site: Site, alice: Client, way: list[str]) -> None:
    with site.connected(alice, "-R", f"{site.closed.port}:127.0.0.1:1", *way) as running:
        running.wait_for(f"remote port forwarding failed for listen port {site.closed.port}")


@pytest.mark.parametrize("side", ["server", "client"])
def test_ssh_inside_a_forward_is_cut(site: Site, alice: Client, way: list[str], side: str) -> None:
    port = free_port()
    banner = b"SSH-2.0-OpenSSH_9.2\r\n"
    with Service(say(banner) if side == "server" else echo) as service:
        with (
            site.connected(alice, "-L", f"{port}:127.0.0.1:{service.port}", *way),
            dial(port) as connection,
        ):
            if side == "client":
                connection.sendall(banner)
            assert read_all(connection) == b""
        place = f"127.0.0.1:{service.port}"
        assert site.event("forward.denied", place=place)["why"] == "ssh inside a forward would not be recorded"
        assert site.event("forward.close", place=place)["bytes_out"] == 0


def test_ssh_through_a_unix_socket_is_cut(site: Site, alice: Client, way: list[str], tmp_path: Path) -> None:
    """A real sshd behind a relay on the target: no port gives it away, its first bytes do."""

    def relay(connection: socket.socket) -> None:
        with dial(site.target.port) as onward:
            connection.sendall(onward.recv(100))
            echo(connection)

    there = site.world.public / f"relay-{free_port()}"
    with Service(relay, there), site.connected(alice, "-L", f"{tmp_path}/here:{there}", *way):
        assert ask(tmp_path / "here", b"") == b""
    assert site.event("forward.denied", place=str(there))["kind"] == "local-socket"


def test_ghsa_c9v7_the_target_connects_and_never_the_bastion(site: Site, alice: Client) -> None:
    """A target that forwards nothing, asked for something the bastion itself could well reach."""
    port = free_port()
    with (
        Service(echo) as service,
        site.connected(alice, "-L", f"{port}:127.0.0.1:{service.port}", *site.way("jump", "closed")) as running,
    ):
        assert ask(port, b"hello") == b""
        running.wait_for("open failed: administratively prohibited: ")
        assert service.accepted == 0


def test_what_a_target_refuses_is_said_and_the_session_works(site: Site, alice: Client) -> None:
    with Service(echo, site.folder / "agent"):
        agent = ["-A", "-o", f"IdentityAgent={site.folder}/agent"]
        done = alice.ssh(*agent, *site.way("jump", "closed"), "echo works; exit 3")
    (site.folder / "agent").unlink()
    assert (done.status, done.text) == (3, "works\n")
    assert done.said == ["bastion: the target refuses agent forwarding"]


def test_cve_2023_45140_a_forward_meets_the_same_rule_as_a_shell(site: Site, bob: Client, way: list[str]) -> None:
    """Where what no rule allows must be approved, a forward must too: each connection once."""
    carol, port = site.person("carol"), free_port()
    with Service(echo) as service:
        # -N, since a shell would be asked about as well
        command = carol.ssh_command("-N", "-L", f"{port}:127.0.0.1:{service.port}", *way)
        running = carol.start(command)
        try:
            wait_until("the forward", lambda: ask_if_open(port, b"early") is not None)
            held = running.wait_for(rf"{PROHIBITED}approval (\w+) is still open")[1]
            shown = bob.json("approvals", "show", held)
            assert (shown["command"], shown["requester"]) == (f"127.0.0.1:{service.port}", "carol")
            assert bob.cli("approvals", "approve", held).status == 0
            assert ask(port, b"approved") == b"approved"
            assert ask(port, b"again") == b"", "an approval is used once"
            assert service.accepted == 1
        finally:
            running.process.terminate()
            running.finish()


async def test_teleport_67443_one_user_cannot_cancel_anothers_remote_forward(site: Site, alice: Client) -> None:
    erin, port = site.person("erin"), free_port()
    with Service(echo) as service, site.connected(alice, "-R", f"{port}:127.0.0.1:{service.port}", *site.way("jump")):
        async with asyncssh.connect(
            "127.0.0.1",
            site.bastion.port,
            username=f"{site.world.login}%web-1",
            client_keys=[(str(erin.key), str(erin.certificate))],
            known_hosts=str(erin.known_hosts),
            agent_path=None,
            config=None,
        ) as other:
            for host in ("localhost", "127.0.0.1", ""):
                answer, _ = await other._make_global_request(b"cancel-tcpip-forward", String(host), UInt32(port))
                assert answer == MSG_REQUEST_FAILURE
            result = await other.run("echo still here")
            assert result.stdout == "still here\n"
        assert await asyncio.to_thread(ask, port, b"mine") == b"mine"


def rss(site: Site) -> int:
    """Return how much memory the bastion holds, in bytes."""
    status = Path(f"/proc/{site.bastion.server.process.pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def test_a_gigabyte_to_a_stopped_reader_does_not_grow_memory(site: Site, alice: Client, way: list[str]) -> None:
    port = free_port()
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        data = bytes(1 << 20)
        for _ in range(1024):
            connection.sendall(data)
            sent += len(data)

    with Service(pour) as service, site.connected(alice, "-L", f"{port}:127.0.0.1:{service.port}", *way):
        with dial(port) as warm:
            read_exactly(warm, 8 << 20)
        before = rss(site)
        sent = 0
        with dial(port) as stopped:
            read_exactly(stopped, 1 << 20)
            settled = _standstill(lambda: sent)
            assert settled < 64 << 20, "the target must be slowed"
            assert rss(site) - before < 20 << 20
            with dial(port) as other:
                read_exactly(other, 4 << 20)
            read_exactly(stopped, 32 << 20)
            assert rss(site) - before < 20 << 20


def _standstill(value: object) -> int:
    """Wait until a number does not change any more for half a second."""
    assert callable(value)
    last, since = -1, time.monotonic()
    while time.monotonic() - since < 0.5:
        now = value()
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.02)
    return int(last)


def test_ghsa_vfxf_variables_that_decide_what_runs_never_arrive(site: Site, alice: Client, way: list[str]) -> None:
    """The role lets every variable through, and the target takes every one."""
    evil = [
        "LD_PRELOAD=/x.so",
        "LD_AUDIT=/x",
        "DYLD_INSERT_LIBRARIES=/x",
        "BASH_ENV=/x",
        "ENV=/x",
        "PS4=x",
        "PROMPT_COMMAND=id",
        "GIT_SSH_COMMAND=id",
        "IFS=x",
    ]
    done = alice.ssh("-o", "SetEnv=" + " ".join([*evil, "PATH=/evil", "CI=yes", "LC_TIME=C"]), *way, "/usr/bin/env")
    assert done.status == 0, done.errors
    got = dict(line.partition("=")[::2] for line in done.text.splitlines())
    assert (got["CI"], got["LC_TIME"]) == ("yes", "C")
    assert not {pair.partition("=")[0] for pair in evil} & set(got)
    assert "/evil" not in got["PATH"]


def test_a_role_that_names_no_variables_lets_the_language_through(site: Site, bob: Client, way: list[str]) -> None:
    done = bob.ssh("-o", "SetEnv=CI=yes LC_TIME=C LANG=C.UTF-8", *way, "env")
    got = dict(line.partition("=")[::2] for line in done.text.splitlines())
    assert (got.get("CI"), got["LC_TIME"], got["LANG"]) == (None, "C", "C.UTF-8")
