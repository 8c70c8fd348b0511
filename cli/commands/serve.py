"""`bastion serve`: the server itself."""

from pathlib import Path

import click

from bastion.app import serve
from cli.command import Command, Place, Status, config_option
from cli.local import LocalContext
from cli.server import run_command


@click.command("serve", cls=Command, place=Place.LOCAL, example="bastion serve -c /etc/bastion/bastion.toml")
@config_option
@click.pass_obj
async def command(_context: LocalContext, config: Path) -> Status:
    """Run the bastion until it is told to stop; SIGHUP reads the configuration again."""
    return await serve(config, run_command)
