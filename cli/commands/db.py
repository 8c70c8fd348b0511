"""`bastion db …`: the database behind the server."""

import asyncio
from pathlib import Path

import click

from bastion.config.file import load
from bastion.store.opening import upgrade as upgrade_store
from cli.command import Group, Place, config_option
from cli.console import Console
from cli.local import LocalContext


@click.group("db", cls=Group)
def command() -> None:
    """Look after the bastion's database."""


@command.command("upgrade", place=Place.LOCAL, example="bastion db upgrade -c bastion.toml")
@config_option
@click.pass_obj
async def upgrade(context: LocalContext, config: Path) -> None:
    """Bring the database to this version's schema; make a backup before."""
    before = await asyncio.to_thread(upgrade_store, load(config, context.environment).store.database)
    Console(context.terminal).line(f"the database is up to date (it was {before or 'new'})")
