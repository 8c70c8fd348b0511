"""`bastion targets`: what the caller may reach, and how."""

import click

from bastion.auth.access import Reachable
from bastion.control.whoami import targets
from cli.command import Command, ServerContext, json_option
from cli.console import Column

_COLUMNS = (
    Column("TARGET"),
    Column("PROTOCOL"),
    Column("ACCESS"),
    Column("LOGINS", grow=True),
    Column("CHANNELS", grow=True),
    Column("LABELS", grow=True, extra=True),
)


@click.command("targets", cls=Command, example="bastion targets --json")
@json_option
@click.pass_obj
async def command(context: ServerContext, as_json: bool) -> None:
    """List the targets you may reach, with logins and channels; `request` means it has to be asked for first."""
    found = targets(context.control)
    if as_json:
        context.console.json([_json(line) for line in found])
    else:
        context.console.table(_COLUMNS, map(_row, found), empty="no target is open to you")


def _json(line: Reachable) -> dict[str, object]:
    return {
        "name": line.target.name,
        "protocol": line.target.protocol,
        "labels": dict(line.target.labels),
        "logins": list(line.logins),
        "channels": sorted(line.channels),
        "access": line.access,
    }


def _row(line: Reachable) -> list[str]:
    labels = " ".join(f"{name}={value}" for name, value in line.target.labels)
    logins = ",".join(line.logins) or "-"
    return [line.target.name, line.target.protocol, line.access, logins, ",".join(sorted(line.channels)), labels or "-"]
