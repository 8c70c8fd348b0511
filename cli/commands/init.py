"""`bastion init`: what a new bastion starts from."""

import asyncio
import os
import sys
from pathlib import Path

import click

from bastion.auth.keys import load_or_create
from bastion.config.file import load
from bastion.config.template import template, unit
from bastion.errors import ConfigError
from cli.command import Command, Place
from cli.console import Console
from cli.local import LocalContext

KEYS = "hostkeys"


@click.command("init", cls=Command, place=Place.LOCAL, example="bastion init /etc/bastion --name bastion.example.com")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--name", "names", multiple=True, help="What users will type after `ssh`; may be given several times.")
@click.pass_obj
async def command(context: LocalContext, folder: Path, names: tuple[str, ...]) -> None:
    """Write a commented bastion.toml and a unit for systemd, and create the keys; what is there already stays."""
    console = Console(context.terminal)
    config = folder / "bastion.toml"
    written = _write(config, template(names or ("localhost",)))
    service = _write_unit(folder)
    keys = await asyncio.to_thread(_create_keys, config, context)
    console.line(f"{config}: {'written' if written else 'was there already, unchanged'}")
    console.line(f"{keys}: keys are there; keep a backup of them in a safe place")
    console.text("next:")
    console.line(f"  1. edit {config}: your identity provider, your targets, who may reach them")
    console.line(f"  2. bastion check -c {config}")
    console.line(f"  3. put {keys / 'target_ca.pub'} on each target and name it in TrustedUserCAKeys of sshd_config")
    console.line(f"  4. bastion serve -c {config}; or under systemd, as the first lines of {service} say")


def _write(path: Path, text: str) -> bool:
    """Write a file that isn't there yet; returns False where it is. It may come to hold secrets: mode 0640."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError(f"{error.filename}: {(error.strerror or 'cannot be written').lower()}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def _write_unit(folder: Path) -> Path:
    service = folder / "bastion.service"
    _write(service, unit(folder.absolute(), Path(sys.argv[0]).absolute()))
    return service


def _create_keys(config: Path, context: LocalContext) -> Path:
    """Create the keys where the configuration wants them; one that is not finished yet gets them beside it."""
    try:
        folder = load(config, context.environment).server.host_keys
    except ConfigError:
        folder = config.parent.absolute() / KEYS
    load_or_create(folder, complete=True)
    return folder
