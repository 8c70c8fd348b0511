"""How long sessions and forwards may live, by role; each user of this bastion has a role of their own."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client
from tests.lab.process import free_port, wait_until

IDLE = "bastion: session ended by the bastion: nothing passed for 3s, the longest your role allows"


class Limited:
    """A bastion with limits, and its people."""

    def __init__(self, world: World, bastion: Bastion) -> None:
        self.world = world
        self.bastion = bastion
        self.alice, self.bob = (self._person(name) for name in ("alice", "bob"))
        self.way = f"{world.login}%web-1@bastion"

    def _person(self, name: str) -> Client:
        client = Client(self.bastion.folder / name, self.bastion, name, self.world.login)
        client.sign_in(self.world.people.token(name))
        return client


@pytest.fixture(scope="module")
def limited(world: World) -> Iterator[Limited]:
    folder = world.folder / "bastion-limits"
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")
    roles = ""
    for group, limit in (("eng", 'idle_limit = "3s"'), ("sre", 'time_limit = "10s"')):
        roles += (
            f'\n[roles.{group}-limit]\ngroups = ["{group}"]\n{limit}\ntargets = ["*"]\nlogins = ["{world.login}"]\n'
        )
        roles += 'channels = ["exec", "forward"]\n'
    bastion = Bastion(folder, world.config() + roles)
    yield Limited(world, bastion)
    bastion.stop()


def test_a_session_that_nothing_passes_through_is_told_and_ended(limited: Limited) -> None:
    done = limited.alice.ssh(limited.way, "echo up; sleep 100", timeout=30)
    assert (done.status, done.text, done.said) == (255, "up\n", [IDLE])
    [row] = limited.bob.json("sessions", "list", "--limit", "1")
    assert row["ended"] is not None


def test_a_session_that_works_lives_longer_than_that(limited: Limited) -> None:
    begin = time.monotonic()
    done = limited.alice.ssh(limited.way, "for i in 1 2 3 4 5 6; do echo $i; sleep 1; done; echo end")
    assert (done.status, done.text, done.said) == (0, "1\n2\n3\n4\n5\n6\nend\n", [])
    assert time.monotonic() - begin > 5


def test_who_waits_for_approval_is_not_idle(limited: Limited) -> None:
    running = limited.alice.start(limited.alice.ssh_command(limited.way, "deploy idle"))
    name = running.wait_for(r"waiting for approval (\w+)")[1]
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(6)  # twice the limit
    assert limited.bob.ssh("bastion", "approvals", "approve", name).status == 0
    done = running.finish()
    assert (done.status, done.text) == (0, "deployed idle\n")


def test_a_forward_that_nothing_passes_through_is_ended(limited: Limited) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as service:
        where = f"{port}:127.0.0.1:{service.getsockname()[1]}"
        running = limited.alice.start(limited.alice.ssh_command("-N", "-L", where, limited.way))
        try:
            client = wait_until("the forward", lambda: _connect(port))
            with client:
                client.sendall(b"hello")
                accepted, _ = service.accept()
                with accepted:
                    accepted.settimeout(30)
                    assert accepted.recv(5) == b"hello"
                    assert accepted.recv(5) == b""
            assert running.process.poll() is None
        finally:
            running.process.terminate()
            running.finish()


def test_a_long_session_is_warned_and_ended(limited: Limited) -> None:
    done = limited.bob.ssh(limited.way, "while sleep 1; do echo .; done", timeout=60)
    assert done.status == 255
    assert done.said == [
        "bastion: this session ends in 1s: your role allows 10s",
        "bastion: session ended by the bastion: your role allows 10s",
    ]


def _connect(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=10)
    except OSError:
        return None
