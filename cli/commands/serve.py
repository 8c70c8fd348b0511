"""`bastion serve`: the server itself."""

from pathlib import Path

import click

from cli.command import Command, Place, config_option
from cli.local import LocalContext


@click.command("serve", cls=Command, place=Place.LOCAL, example="bastion serve -c /etc/bastion/bastion.toml")
@config_option
@click.pass_obj
async def command(_context: LocalContext, config: Path) -> None:
    """Run the bastion until it is told to stop; SIGHUP reads the configuration again."""
    # Imported here: the server's parts take long to load, and a laptop needs none of them.
    from bastion.app import serve  # noqa: PLC0415
    from cli.server import run_command  # noqa: PLC0415

    await serve(config, run_command)
