"""`bastion whoami`: what the bastion knows about the caller."""

import click

from bastion.control.whoami import whoami
from bastion.model import rfc3339
from cli.command import Command, ServerContext, json_option
from cli.console import length, moment


@click.command("whoami", cls=Command, example="bastion whoami")
@json_option
@click.pass_obj
async def command(context: ServerContext, as_json: bool) -> None:
    """Show who you are to the bastion: identity, groups, rights and certificate."""
    caller = whoami(context.control)
    who = caller.identity
    rights = [str(right) for right in caller.rights]
    if as_json:
        certificate = {"serial": str(who.serial), "expires": rfc3339(who.expires)} if who.serial else None
        context.console.json(
            {
                "identity": who.name,
                "issuer": who.issuer,
                "subject": who.subject,
                "groups": list(who.groups),
                "kind": str(who.kind),
                "rights": rights,
                "certificate": certificate,
            }
        )
        return
    left = length((who.expires - context.control.now).total_seconds())
    until = f"until {moment(who.expires)} ({left} left)"
    context.console.fields(
        [
            ("identity", who.name),
            ("kind", str(who.kind)),
            ("groups", ", ".join(who.groups) or "none"),
            ("rights", ", ".join(rights) or "none beyond your own requests and sessions"),
            ("issuer", f"{who.issuer}, as {who.subject}"),
            ("certificate", f"{who.serial}, {until}" if who.serial else f"none; this connection is good {until}"),
        ]
    )
