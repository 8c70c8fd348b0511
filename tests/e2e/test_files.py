"""Copying through the bastion with the stock programs: sftp, scp -O, rsync, git."""

import random
from pathlib import Path

import pytest

from tests.lab.bastion import World
from tests.lab.client import Client

SIZE = 3_000_000


@pytest.fixture
def local(alice: Client) -> Path:
    path = alice.folder / "upload"
    path.write_bytes(random.Random(7).randbytes(SIZE))
    return path


def test_scp_both_ways(alice: Client, world: World, local: Path, marker: Path) -> None:
    scp = ["scp", "-q", "-O", "-F", str(alice.config), "-J", "bastion"]
    assert alice.run([*scp, str(local), f"{world.login}@web-1:{marker}"]).status == 0
    assert marker.read_bytes() == local.read_bytes()
    back = alice.folder / "back"
    assert alice.run([*scp, f"{world.login}@web-1:{marker}", str(back)]).status == 0
    assert back.read_bytes() == local.read_bytes()


def test_sftp_both_ways(alice: Client, world: World, local: Path, marker: Path) -> None:
    back = alice.folder / "back"
    commands = f"put {local} {marker}\nget {marker} {back}\n".encode()
    done = alice.run(
        ["sftp", "-b", "-", "-F", str(alice.config), "-J", "bastion", f"{world.login}@web-1"], stdin=commands
    )
    assert done.status == 0, done.errors
    assert marker.read_bytes() == back.read_bytes() == local.read_bytes()


def test_rsync(alice: Client, world: World, local: Path, marker: Path) -> None:
    shell = f"ssh -F {alice.config} -J bastion"
    done = alice.run(["rsync", "-c", "-e", shell, str(local), f"{world.login}@web-1:{marker}"])
    assert (done.status, done.errors) == (0, "")
    assert marker.read_bytes() == local.read_bytes()


def test_git_clone(alice: Client, world: World) -> None:
    remote = world.scratch / "repo.git"
    assert alice.jump(f"{world.login}@web-1", f"git init -q --bare {remote}").status == 0
    clone = alice.folder / "clone"
    command = f"ssh -F {alice.config} -J bastion"
    done = alice.run(
        ["git", "-c", f"core.sshCommand={command}", "clone", "-q", f"ssh://{world.login}@web-1{remote}", str(clone)]
    )
    assert done.status == 0, done.errors
    assert (clone / ".git").is_dir()
