"""What happens to everybody when a bastion is told to stop, and what those hear who watch it."""

import os
import shutil
import signal
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client, Running
from tests.lab.process import accepts, free_port, wait_until


@dataclass
class Ender:
    """A bastion that will be stopped, with a long grace period."""

    world: World
    bastion: Bastion
    metrics: int

    def person(self, name: str) -> Client:
        client = Client(self.bastion.folder / name, self.bastion, name, self.world.login)
        client.sign_in(self.world.people.token(name))
        return client

    def start(self, client: Client, *command: str) -> Running:
        return client.start(client.ssh_command(f"{self.world.login}%web-1@bastion", *command))

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.bastion.folder / "var" / "bastion.db")) as database:
            return database.execute(query).fetchall()

    def signal(self) -> bool:
        """Tell it to stop (again); return whether it has ended."""
        process = self.bastion.server.process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return process.poll() is not None


@pytest.fixture
def ender(world: World) -> Iterator[Ender]:
    folder = world.folder / "bastion-ending"
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")
    port = free_port()
    server = f'[server]\ngrace = "10m"\nmetrics = "127.0.0.1:{port}"'
    bastion = Bastion(folder, world.config().replace("[server]", server, 1))
    yield Ender(world, bastion, port)
    bastion.server.process.kill()


def test_everybody_is_told_and_nothing_is_lost(ender: Ender) -> None:
    alice, bob = ender.person("alice"), ender.person("bob")
    stranger = Client(ender.bastion.folder / "stranger", ender.bastion, "stranger", ender.world.login)
    stays, ends = (ender.start(alice, "echo up; cat") for _ in range(2))
    waits = ender.start(alice, "deploy ending")
    upload = bob.start(["sftp", "-F", str(bob.config), "-l", "800", "-b", "-", f"{ender.world.login}%web-1@bastion"])
    upload.write(f"put {os.path.realpath(shutil.which('ssh') or '')} {ender.world.scratch}/ending\n".encode())
    device = stranger.start(stranger.ssh_command("bastion", "whoami", asking=True))
    for one in (stays, ends):
        one.wait_for("^up$")
    waits.wait_for("waiting for approval")
    device.wait_for("Waiting until that is done")
    wait_until("the upload", (ender.world.scratch / "ending").exists)

    ender.signal()
    for one in (stays, ends):
        one.wait_for("^bastion: the bastion is being stopped; this session ends in 10m")
    assert "the bastion is being stopped; try again in a moment" in device.finish().errors
    assert ender.get("/readyz") == (503, "the bastion is being stopped\n")
    assert ender.get("/healthz") == (200, "ok\n")
    assert not accepts(ender.bastion.port)
    ends.write(b"the end\n")
    done = ends.finish()
    assert (done.status, done.text) == (0, "up\nthe end\n")

    wait_until("the end", ender.signal, 60)  # the second signal ends the grace period
    assert ender.bastion.server.process.wait() == 0
    for one in (stays, waits):
        assert one.finish().said[-1] == "bastion: session ended by the bastion: it is being stopped"
    assert upload.finish().status != 0
    assert ender.rows("SELECT id FROM sessions WHERE ended IS NULL OR sha256 = ''") == []
    assert [name for (name,) in ender.rows("SELECT exit_status FROM sessions WHERE command = 'echo up; cat'")].count(
        "0"
    ) == 1

    ender.bastion.start()
    again = Client(ender.bastion.folder / "again", ender.bastion, "bob", ender.world.login)
    again.sign_in(ender.world.people.token("bob"))
    assert again.ssh("bastion", "audit", "verify").status == 0
    assert again.json("sessions", "list", "--live") == []
    assert [row["command"] for row in again.json("approvals", "list")] == ["deploy ending"]
    assert ender.bastion.stop() == 0
