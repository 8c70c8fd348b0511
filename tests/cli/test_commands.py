"""Rules that hold for every command, found by listing `cli/commands/`: a new one is tested without further work."""

import subprocess
import sys

import click
import pytest

from cli.command import Command, Place
from cli.tree import find_commands, leaves, local_tree, server_tree
from tests.cli.world import BOB, MemoryTerminal, World

LEAVES = [leaf for command in find_commands() for leaf in leaves(command)]
CONTROL = [(path, command) for path, command in LEAVES if command.place is Place.CONTROL]
LOCAL = sorted({path[0] for path, command in LEAVES if command.place is Place.LOCAL})
IDS = [" ".join(path) for path, _ in LEAVES]


def test_the_commands_of_the_contract_are_there() -> None:
    assert {
        "login", "whoami", "targets", "ssh-config", "init", "serve", "check", "db upgrade",
        "approvals list", "approvals watch", "approvals show", "approvals approve", "approvals deny",
        "sessions list", "sessions show", "sessions play", "sessions watch", "sessions export", "sessions search",
        "sessions kill",
        "policy explain",
        "audit log", "audit verify", "certs list", "certs revoke",
    } <= set(IDS)  # fmt: skip


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=IDS)
def test_every_command_has_help_with_an_example(path: tuple[str, ...], command: Command) -> None:
    context = click.Context(command, info_name=" ".join(path))
    text = command.get_help(context)
    example = text.partition("Example:\n")[2].strip()
    assert example.startswith(("bastion ", "ssh "))
    assert " ".join(path) in example
    assert command.help
    assert len(command.help.splitlines()[0]) > 15


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=IDS)
def test_every_option_has_help(path: tuple[str, ...], command: Command) -> None:
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert all(option.help for option in options), path


@pytest.mark.parametrize(("path", "command"), CONTROL, ids=[" ".join(path) for path, _ in CONTROL])
def test_control_commands_reach_no_file_and_no_environment(path: tuple[str, ...], command: Command) -> None:
    """They run on the server for anyone: no parameter may open a file there or read its environment."""
    for param in command.params:
        assert not isinstance(param.type, click.File | click.Path), path
        assert not param.envvar, path
        assert not (isinstance(param, click.Option) and param.prompt), path


@pytest.mark.parametrize("path", [path for path, _ in CONTROL], ids=" ".join)
async def test_help_goes_to_the_caller(world: World, path: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    ran = await world.run(BOB, f"{' '.join(path)} --help")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: bastion {' '.join(path)} ")
    assert "Example:" in ran.out
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", [path for path, _ in CONTROL], ids=" ".join)
async def test_wrong_usage(world: World, path: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    ran = await world.run(BOB, f"{' '.join(path)} --no-such-option")
    assert (ran.status, ran.out) == (2, "")
    usage, error = ran.err.splitlines()
    assert usage.startswith(f"Usage: bastion {' '.join(path)} ")
    assert error.startswith("bastion: no such option")
    assert capfd.readouterr() == ("", "")


LISTINGS = [path for path, command in CONTROL if path[-1] in {"list", "log", "targets"}]


@pytest.mark.parametrize("path", LISTINGS, ids=" ".join)
async def test_listings_speak_json_even_when_empty(world: World, path: tuple[str, ...]) -> None:
    from tests.cli.world import ALICE

    ran = await world.run(ALICE, f"{' '.join(path)} --json", MemoryTerminal(tty=True, color=True))
    assert ran.status == 0
    assert isinstance(ran.json, list)
    assert "\x1b" not in ran.out


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("rest", ["", " --help", " -c /etc/passwd --json", " explain -- x"])
async def test_local_commands_refuse_on_the_server(world: World, name: str, rest: str) -> None:
    ran = await world.run(BOB, f"{name}{rest}")
    assert ran.status == 2
    assert ran.err == f"bastion: {name} runs on your own machine: type `bastion {name}` there\n"
    assert ran.out == ""


async def test_the_servers_help_names_no_local_command(world: World) -> None:
    for line in ("", "help", "--help"):
        ran = await world.run(BOB, line)
        assert ran.status == 0
        listed = {line.split()[0] for line in ran.out.partition("Commands:\n")[2].splitlines()}
        assert {"approvals", "sessions", "whoami"} <= listed
        assert not listed & set(LOCAL)
        assert "--server" not in ran.out


async def test_help_of_a_command(world: World) -> None:
    ran = await world.run(BOB, "help approvals approve")
    assert ran.status == 0
    assert ran.out.startswith("Usage: bastion approvals approve ")


def test_trees_hold_the_same_names() -> None:
    names = local_tree().list_commands(click.Context(local_tree()))
    assert names == sorted(server_tree().commands) == [command.name for command in find_commands()]


def test_a_laptop_loads_no_server() -> None:
    script = (
        "import sys\n"
        "from cli.settings import separate\n"
        "from cli.main import local_tree\n"
        "separate(local_tree(), ['approvals', 'list'])\n"
        "print([name for name in ('sqlalchemy', 'httpx', 'bastion.app', 'hyperscan') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
