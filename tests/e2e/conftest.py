"""One world for all black-box tests, and its people, each signed in once with a token of the provider."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.e2e.copies import Copies, Journal, Make, guarded_config
from tests.e2e.forwarding import Site
from tests.e2e.ways import Ways
from tests.lab.bastion import Bastion, World
from tests.lab.client import Client, Done

PROMPT = "#ready# "
Reach = Callable[..., Done]


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    # /tmp itself: the names of sockets and of pytest's own folders together would grow too long.
    with tempfile.TemporaryDirectory(prefix="bastion-e2e-") as folder, World(Path(folder)) as world:
        yield world


@pytest.fixture(scope="session")
def people(world: World) -> dict[str, Client]:
    """Everybody, signed in."""
    clients: dict[str, Client] = {}
    for provider, names in (
        (world.people, ["alice", "erin", "bob", "dave", "carol", "mallory"]),
        (world.agents, ["build-agent"]),
    ):
        for name in names:
            clients[name] = Client(world.folder / "clients" / name, world.bastion, name, world.login)
            clients[name].sign_in(provider.token(name))
    return clients


@pytest.fixture(scope="session")
def alice(people: dict[str, Client]) -> Client:
    """An engineer."""
    return people["alice"]


@pytest.fixture(scope="session")
def bob(people: dict[str, Client]) -> Client:
    """An approver, who may also work on targets."""
    return people["bob"]


@pytest.fixture(scope="session")
def carol(people: dict[str, Client]) -> Client:
    """The data protection officer, who sees values in clear."""
    return people["carol"]


@pytest.fixture(scope="session")
def agent(people: dict[str, Client]) -> Client:
    """A program, from an issuer of its own."""
    return people["build-agent"]


@pytest.fixture(params=["jump", "percent"])
def reach(request: pytest.FixtureRequest, alice: Client, world: World) -> Reach:
    """Run a command on web-1 as alice, in each of the two ways."""

    def jump(*command: str, stdin: bytes = b"", options: tuple[str, ...] = ()) -> Done:
        return alice.ssh(*options, "-J", "bastion", f"{world.login}@web-1", *command, stdin=stdin)

    def percent(*command: str, stdin: bytes = b"", options: tuple[str, ...] = ()) -> Done:
        return alice.ssh(*options, f"{world.login}%web-1@bastion", *command, stdin=stdin)

    return jump if request.param == "jump" else percent


@pytest.fixture(scope="session")
def site(world: World) -> Iterator[Site]:
    """A bastion of their own for the tests of forwards."""
    with Site(world) as site:
        yield site


@pytest.fixture
def marker(world: World) -> Iterator[Path]:
    """A path on the target that no other test uses; nothing is there yet."""
    path = world.scratch / f"marker-{next(_numbers)}"
    assert not path.exists()
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def stranger(world: World) -> Client:
    """Somebody with a key of their own and no certificate."""
    return Client(world.folder / "clients" / f"stranger-{next(_numbers)}", world.bastion, "stranger", world.login)


@pytest.fixture
def start_bastion(world: World) -> Iterator[Callable[[str], Bastion]]:
    """Start a bastion of the test's own with another configuration, beside the shared one."""
    started: list[Bastion] = []

    def start(config: str) -> Bastion:
        folder = world.folder / f"bastion-{next(_numbers)}"
        shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")  # the target believes its target_ca
        started.append(Bastion(folder, config))
        return started[-1]

    yield start
    for bastion in started:
        bastion.stop()


def open_shell(client: Client, *way: str, rows: int = 24, columns: int = 80) -> "pexpect.spawn[str]":
    """Open a shell on a target and give it the prompt `PROMPT`, whatever prompt the account's own files set."""
    shell = client.terminal(client.ssh_command(*way), rows, columns)
    shell.expect("[$#%>]")
    shell.sendline("PS1='#rea''dy# '")
    shell.expect_exact(PROMPT)
    return shell


@pytest.fixture(scope="session")
def guarded(world: World) -> Iterator[Bastion]:
    """A bastion whose roles and rules speak of files (`tests.e2e.copies`)."""
    folder = world.folder / "bastion-transfers"
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")
    bastion = Bastion(folder, guarded_config(world))
    yield bastion
    bastion.stop()


@pytest.fixture(scope="session")
def copiers(world: World, guarded: Bastion) -> dict[str, Client]:
    made: dict[str, Client] = {}
    for role, name, provider in (
        ("up", "alice", world.people),
        ("down", "build-agent", world.agents),
        ("command", "mallory", world.people),
        ("both", "bob", world.people),
        ("clear", "carol", world.people),
    ):
        made[role] = Client(world.folder / "transfers" / name, guarded, name, world.login)
        made[role].sign_in(provider.token(name))
    return made


@pytest.fixture
def make(world: World, copiers: dict[str, Client]) -> Iterator[Make]:
    made: list[Copies] = []

    def copies(role: str, folder: str = "") -> Copies:
        made.append(Copies(copiers[role], world, folder))
        return made[-1]

    yield copies
    for one in made:
        shutil.rmtree(one.there)


@pytest.fixture
def journal(copiers: dict[str, Client]) -> Journal:
    """Return the facts of the journal's entries of a type that name a path below a folder."""

    def read(kind: str, folder: Path) -> list[dict[str, Any]]:
        entries = copiers["both"].json("audit", "log", "--type", kind, "--limit", "5000")
        return [entry["data"] for entry in entries if str(folder) in str(entry["data"])]

    return read


@pytest.fixture(scope="session")
def ways(world: World) -> Iterator[Ways]:
    """The ways to one sshd that the matrix compares."""
    folder = world.folder / "ways"
    folder.mkdir()
    with Ways(world, folder) as ways:
        yield ways


_numbers = itertools.count(1)
