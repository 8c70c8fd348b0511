"""Finds the commands: every module in `cli/commands/` exports one `command`.

A new command is a new file there. The same tree serves both places; on the server local commands are replaced before
anything of their arguments is looked at.
"""

import functools
import importlib
import pkgutil
from collections.abc import Iterator

import click

import cli.commands
from cli.command import Command, Elsewhere, Group, Place

LOCAL_HELP = """SSH bastion with command recording, masking and approvals.

Commands for users and approvers go over SSH to the bastion; the server, key and certificate come from
~/.config/bastion/client.toml or the options below, which are accepted after the command, too.
"""
SERVER_HELP = """Commands of this bastion, run as `ssh bastion COMMAND`; add -t for the ones that draw a screen."""


class Tree(Group):
    """The commands of the program. A module is loaded when its command is used: most of a laptop's need no server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in order."""
        del ctx
        return command_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None where there is none of that name."""
        del ctx
        return load_command(cmd_name) if cmd_name in command_names() else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or name the ones that read alike."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(args[0], possibilities=command_names(), ctx=error.ctx) from None


@functools.cache
def local_tree() -> Tree:
    """Return the commands of the program `bastion`."""
    return Tree(name="bastion", help=LOCAL_HELP, no_args_is_help=True, params=connection_options())


@functools.cache
def server_tree() -> Group:
    """Return the commands as the server runs them: no connection options, local commands refuse."""
    tree = Group(name="bastion", help=SERVER_HELP, no_args_is_help=True)
    for command in find_commands():
        tree.add_command(command if _runs_here(command) else Elsewhere(command.name or ""))
    return tree


def command_names() -> list[str]:
    """Return the names of all commands: those of the modules, with hyphens."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(cli.commands.__path__))


def load_command(name: str) -> click.Command:
    """Import one command's module and return its command."""
    command = importlib.import_module(f"cli.commands.{name.replace('-', '_')}").command
    assert isinstance(command, click.Command)
    return command


def find_commands() -> Iterator[click.Command]:
    """Yield every command, in order of names."""
    return map(load_command, command_names())


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Yield (path, command) of every command at or below this one, groups left out."""
    path = (*path, command.name or "")
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from leaves(child, path)
    elif isinstance(command, Command):
        yield path, command


def connection_options() -> list[click.Parameter]:
    """Return the options that say which bastion is meant, and who calls."""
    return [
        click.Option(["--server"], metavar="HOST[:PORT]", expose_value=False, help="The bastion; port 2222 if none."),
        click.Option(["--identity"], metavar="FILE", expose_value=False, help="Private key [~/.ssh/id_ed25519]."),
        click.Option(["--known-hosts"], metavar="FILE", expose_value=False, help="Trusted keys [~/.ssh/known_hosts]."),
    ]


def _runs_here(command: click.Command) -> bool:
    return all(leaf.place is Place.CONTROL for _, leaf in leaves(command))
