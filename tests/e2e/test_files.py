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


@pytest.mark.parametrize("protocol", ["-s", "-O"], ids=["sftp", "legacy"])
def test_scp_both_ways(alice: Client, world: World, local: Path, marker: Path, protocol: str) -> None:
    scp = ["scp", "-q", protocol, "-F", str(alice.config), "-J", "bastion"]
    done = alice.run([*scp, str(local), f"{world.login}@web-1:{marker}"])
    assert (done.status, done.errors) == (0, "")
    assert marker.read_bytes() == local.read_bytes()
    back = alice.folder / "back"
    assert alice.run([*scp, f"{world.login}@web-1:{marker}", str(back)]).status == 0
    assert back.read_bytes() == local.read_bytes()


def test_sftp(alice: Client, world: World, local: Path, marker: Path) -> None:
    batch = f"put {local} {marker}\nls -l {marker}\nget {marker} {alice.folder}/fetched\nrm {marker}\n".encode()
    ssh = ["-F", str(alice.config), "-J", "bastion"]
    done = alice.run(["sftp", "-b", "-", *ssh, f"{world.login}@web-1"], stdin=batch)
    assert (done.status, done.errors) == (0, "")
    assert str(SIZE) in done.text
    assert (alice.folder / "fetched").read_bytes() == local.read_bytes()
    assert not marker.exists()


@pytest.mark.parametrize("protocol", ["-s", "-O"], ids=["sftp", "legacy"])
def test_text_files_are_masked_on_the_way_out(
    alice: Client, carol: Client, world: World, marker: Path, protocol: str
) -> None:
    """Whoever may see everything gets the file as it is, all others get no address."""
    marker.write_text("mail jane.doe@example.com today\n" * 1000, encoding="utf-8")
    marker.chmod(0o644)
    for client in (alice, carol):
        copy = client.folder / "copy"
        copy.unlink(missing_ok=True)
        scp = ["scp", "-q", protocol, "-F", str(client.config), "-J", "bastion"]
        done = client.run([*scp, f"{world.login}@web-1:{marker}", str(copy)])
        if client is carol:
            assert copy.read_bytes() == marker.read_bytes()
        else:
            assert not copy.exists() or b"jane" not in copy.read_bytes(), done


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
