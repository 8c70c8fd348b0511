"""Readers that stop, peers that die, keys that change: nothing grows, nothing is left, no byte is lost."""

import asyncio
import hashlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncssh
import psutil
import pytest

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client, Running
from tests.lab.process import wait_until
from tests.lab.sockets import Service, dial

MOST = 20 << 20  # bytes that memory may grow by
GIGABYTE = 1_000_000_000


def server(world: World) -> psutil.Process:
    """Return the bastion's process."""
    return psutil.Process(world.bastion.server.process.pid)


def rss(world: World) -> int:
    """Return how much memory the bastion holds, in bytes."""
    return int(server(world).memory_info().rss)


@pytest.fixture(params=["jump", "percent"])
def way(request: pytest.FixtureRequest, world: World) -> list[str]:
    """Return how ssh is told to go to web-1."""
    if request.param == "jump":
        return ["-J", "bastion", f"{world.login}@web-1"]
    return [f"{world.login}%web-1@bastion"]


def warm(alice: Client, way: list[str]) -> None:
    """Let everything be in memory that a transfer needs."""
    assert len(alice.ssh(*way, "head -c 30000000 /dev/zero").out) == 30_000_000


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a client with all it started, as a laptop's lid does; it is killed in the end."""
    top = psutil.Process(process.pid)
    family = [top, *top.children(recursive=True)]
    for one in family:
        one.suspend()
    try:
        yield
    finally:
        for one in family:
            one.kill()
        process.wait()


def quiet(world: World) -> None:
    """Wait until the bastion has nothing to do."""
    process = server(world)
    wait_until("the bastion to have nothing to do", lambda: process.cpu_percent(interval=0.3) < 20)


def live(client: Client) -> list[Any]:
    """Return the client's sessions that have not ended."""
    return [row for row in client.json("sessions", "list") if row["ended"] is None and row["identity"] == client.name]


FLOOD = f"head -c {GIGABYTE} /dev/zero"


def test_a_gigabyte_to_a_stopped_client(world: World, alice: Client, way: list[str]) -> None:
    """Once stopped, and killed at last, it leaves nothing."""
    warm(alice, way)
    before, files = rss(world), server(world).num_fds()
    copy = alice.folder / "flood"
    with copy.open("wb") as out:
        process = subprocess.Popen(alice.ssh_command(*way, FLOOD), stdout=out, stdin=subprocess.DEVNULL, env=alice.env)
    wait_until("the first bytes", lambda: copy.stat().st_size > 1 << 20)
    with stopped(process):
        quiet(world)
        assert rss(world) - before < MOST
        assert alice.ssh(*way, "echo others work").text == "others work\n"
        assert copy.stat().st_size < GIGABYTE
    copy.unlink()
    wait_until("the end of the session", lambda: not live(alice))
    wait_until("the end of its connections", lambda: server(world).num_fds() <= files)


def test_a_gigabyte_to_a_stopped_target(world: World, alice: Client, way: list[str]) -> None:
    warm(alice, way)
    before = rss(world)
    running = alice.start(alice.ssh_command(*way, "echo sshd=$PPID; cat >/dev/null"))
    sshd = psutil.Process(int(running.wait_for(r"^sshd=(\d+)$")[1]))
    sshd.suspend()
    try:
        with stopped_writing(running) as sent:
            assert sent < 64 << 20, "the client must be slowed"
            assert rss(world) - before < MOST
            assert alice.ssh(*way, "echo others work").text == "others work\n"
    finally:
        sshd.resume()
        running.process.kill()
        running.process.wait()
    wait_until("the end of the session", lambda: not live(alice))


@contextmanager
def stopped_writing(running: Running, data: bytes = bytes(1 << 16)) -> Iterator[int]:
    """Write this again and again to a client until it takes no more, and yield how much it took."""
    assert running.process.stdin is not None
    pipe = running.process.stdin.fileno()
    os.set_blocking(pipe, False)
    sent, since = 0, time.monotonic()
    while time.monotonic() - since < 1 and sent < GIGABYTE:
        try:
            sent += os.write(pipe, data[sent % len(data) :][: 1 << 16])
            since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    yield sent


def test_a_file_to_a_stopped_sftp(world: World, alice: Client, way: list[str], marker: Path) -> None:
    with marker.open("wb") as file:
        file.truncate(GIGABYTE)
    marker.chmod(0o644)
    warm(alice, way)
    before = rss(world)
    target = [*way[:-1], "-b", "-", way[-1]]
    running = alice.start(["sftp", "-F", str(alice.config), *target])
    running.write(f"get {marker} {alice.folder}/stopped-copy\n".encode())
    copy = alice.folder / "stopped-copy"
    wait_until("the first bytes", lambda: copy.exists() and copy.stat().st_size > 1 << 20)
    with stopped(running.process):
        quiet(world)
        assert rss(world) - before < MOST
        assert copy.stat().st_size < GIGABYTE
    copy.unlink()
    wait_until("the end of the session", lambda: not live(alice))


@pytest.mark.parametrize("nested", [True, False])
async def test_a_gigabyte_to_a_client_whose_window_is_huge(world: World, alice: Client, nested: bool) -> None:
    """It allows two gigabytes at once (RFC 4254 section 5.2) and reads nothing of its socket."""
    await asyncio.to_thread(warm, alice, [f"{world.login}%web-1@bastion"])
    before = rss(world)
    async with AsyncExitStack() as stack:
        outer: Any = await stack.enter_async_context(raw(world, alice, "x" if nested else f"{world.login}%web-1"))
        inner = await stack.enter_async_context(behind(outer, world)) if nested else outer
        _, reader = await inner.create_session(Counter, FLOOD, encoding=None, window=(1 << 31) - 1)
        while reader.size < 1 << 20:  # noqa: ASYNC110 - what is awaited lies in another object, without an event
            await asyncio.sleep(0.01)
        outer._transport.pause_reading()
        await asyncio.to_thread(quiet, world)
        assert rss(world) - before < MOST
        done = await asyncio.to_thread(alice.ssh, f"{world.login}%web-1@bastion", "echo others work")
        assert done.text == "others work\n"
        outer.abort()
    await asyncio.to_thread(wait_until, "the end of the session", lambda: not live(alice))


class Counter(asyncssh.SSHClientSession[bytes]):
    """Counts what comes."""

    size = 0

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.size += len(data)


def raw(world: World, client: Client, username: str) -> Any:
    """Return a connection to the bastion as a person, to be entered."""
    return asyncssh.connect(
        "127.0.0.1",
        world.bastion.port,
        username=username,
        client_keys=[(str(client.key), str(client.certificate))],
        known_hosts=str(client.known_hosts),
        agent_path=None,
        config=None,
    )


def behind(outer: Any, world: World) -> Any:
    """Return a connection to web-1 inside one to the bastion, to be entered."""
    return asyncssh.connect(
        "web-1",
        tunnel=outer,
        username=world.login,
        client_keys=None,
        known_hosts=f"@cert-authority * {world.bastion.host_ca}\n".encode(),
        agent_path=None,
        config=None,
    )


def test_ten_megabytes_before_the_target_is_up(
    world: World, start_bastion: Callable[[str], Bastion], tmp_path: Path
) -> None:
    """Kept, or left with the client, until a target answers that took its time (warpgate#2065)."""
    up = threading.Event()

    def late(connection: socket.socket) -> None:
        up.wait(60)
        with dial(world.target.port) as onward:
            back = threading.Thread(target=_pass, args=(onward, connection))
            back.start()
            _pass(connection, onward)
            back.join()

    with Service(late) as slow:
        config = world.config().replace(f"127.0.0.1:{world.target.port}", f"127.0.0.1:{slow.port}", 1)
        bastion = start_bastion(config)
        client = Client(tmp_path / "client", bastion, "alice", world.login)
        client.sign_in(world.people.token("alice"))
        data = random.Random(8).randbytes(10_000_000)
        running = client.start(client.ssh_command(f"{world.login}%web-1@bastion", "sha256sum"))
        with stopped_writing(running, data) as sent:
            assert 1 << 16 < sent < 8 << 20, "more than is kept, and less than all of it"
        up.set()
        assert running.process.stdin is not None
        os.set_blocking(running.process.stdin.fileno(), True)
        running.write(data[sent:])
        assert running.finish().text.split()[0] == hashlib.sha256(data).hexdigest()


def _pass(source: socket.socket, goal: socket.socket) -> None:
    """Pass bytes on until one side ends."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            goal.sendall(data)
        goal.shutdown(socket.SHUT_WR)


def test_a_killed_client_frees_everything(world: World, alice: Client, bob: Client, way: list[str]) -> None:
    """Sessions, descriptors, the connection to the target and what was held for approval."""
    warm(alice, way)
    alice.ssh(*way, "echo sshd=$PPID; true")  # what reads commands is started for the first one
    wait_until("the end of earlier sessions", lambda: not live(alice))
    files = server(world).num_fds()
    running = alice.start(alice.ssh_command(*way, "echo sshd=$PPID; cat"))
    sshd = int(running.wait_for(r"^sshd=(\d+)$")[1])
    asking = alice.start(alice.ssh_command(*way, "deploy never"))
    held = asking.wait_for(r"waiting for approval (\w+) ")[1]
    for one in (running, asking):
        for process in (*psutil.Process(one.process.pid).children(recursive=True), one.process):
            process.send_signal(signal.SIGKILL)
        one.process.wait()
    wait_until("the end of the session", lambda: not live(alice))
    wait_until("the end of the request", lambda: bob.json("approvals", "show", held)["state"] == "withdrawn")
    wait_until("the end of the connection to the target", lambda: not psutil.pid_exists(sshd))
    wait_until("the end of its descriptors", lambda: server(world).num_fds() <= files)


@pytest.mark.parametrize("name", ["../evil", "..", "../../outside", "/etc/evil", "../evil%web-1", "x%../../evil"])
def test_sshpiper_traversal_user_names_that_are_paths_make_no_files(world: World, alice: Client, name: str) -> None:
    before = files(world)
    alice.ssh("-l", name, "bastion", "true")
    alice.ssh("-J", "bastion", "-l", name, "web-1", "true")
    made = [path for path in files(world) - before if "var/recordings" not in path]
    assert made == []
    assert not any("evil" in path or "outside" in path for path in files(world))


def files(world: World) -> set[str]:
    """Return what lies beside and below the bastion's folder."""
    top = world.bastion.folder.parent
    return {str(path.relative_to(top)) for path in top.rglob("*") if "client" not in str(path)}
