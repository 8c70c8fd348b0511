"""`bastion login`: from a proof of identity to a certificate beside the key."""

import click

from cli.command import Command, Place, Status
from cli.local import LocalContext
from cli.login import Method, login


@click.command("login", cls=Command, place=Place.LOCAL, example="bastion login --server bastion.example.com")
@click.option("--device", is_flag=True, help="Log in with a browser, on any machine, by a code (the default).")
@click.option("--token-file", metavar="FILE", help="A JWT of the issuer's; `-` is standard input.")
@click.option("--issuer", metavar="NAME", help="The bastion's name for the identity provider, where it has several.")
@click.pass_obj
async def command(context: LocalContext, device: bool, token_file: str | None, issuer: str | None) -> Status:
    """Obtain a certificate and put it beside your key, and into ssh-agent where one runs.

    The key is created where there is none. The variable BASTION_ID_TOKEN may hold a JWT, too.
    """
    if device and token_file is not None:
        raise click.UsageError("--device and --token-file exclude each other")
    method = Method.DEVICE if device else Method.TOKEN if token_file is not None else Method.ANY
    return await login(context, method, token_file=token_file, issuer=issuer)
