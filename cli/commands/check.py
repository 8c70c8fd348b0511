"""`bastion check`: is this configuration right?"""

from pathlib import Path

import click

from bastion.app import RulingMaker
from bastion.auth.web import open_client
from bastion.config.file import load
from bastion.errors import ConfigError
from cli.command import Command, Place, Status, config_option, json_option
from cli.console import Console
from cli.local import LocalContext


@click.command("check", cls=Command, place=Place.LOCAL, example="bastion check -c bastion.toml")
@config_option
@json_option
@click.pass_obj
async def command(context: LocalContext, config: Path, as_json: bool) -> Status:
    """Check a configuration whole and name every mistake; status 2 where there is one."""
    console = Console(context.terminal)
    findings: list[str] = []
    warnings: list[str] = []
    try:
        loaded = load(config, context.environment)
        warnings += loaded.warnings
        async with open_client() as client:
            RulingMaker(client, engine="re", key=bytes(32))(loaded)  # reads the rules' patterns, as a start would
    except ConfigError as error:
        findings += str(error).splitlines()
    if as_json:
        console.json({"ok": not findings, "errors": findings, "warnings": warnings})
        return 2 if findings else 0
    for finding in findings:
        console.error(finding)
    for warning in warnings:
        console.line(f"warning: {warning}")
    if findings:
        return 2
    console.line(f"{config}: OK")
    return 0
