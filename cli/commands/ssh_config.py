"""`bastion ssh-config`: what stock OpenSSH has to be told about this bastion."""

import click

from bastion.control.whoami import ClientSetup, client_setup
from cli.command import Command, ServerContext, json_option

_EXAMPLE = """bastion ssh-config | grep -v ^@ >> ~/.ssh/config
  bastion ssh-config | grep ^@ >> ~/.ssh/known_hosts"""


@click.command("ssh-config", cls=Command, example=_EXAMPLE)
@json_option
@click.pass_obj
async def command(context: ServerContext, as_json: bool) -> None:
    """Print an ssh_config stanza for the bastion and your targets, and its line for known_hosts."""
    setup = client_setup(context.control)
    if as_json:
        context.console.json({"ssh_config": stanza(setup), "known_hosts": known_hosts(setup)})
    else:
        context.console.text(f"{stanza(setup)}\n{known_hosts(setup)}")


def stanza(setup: ClientSetup) -> str:
    """Return the lines for ssh_config."""
    lines = [
        "Host bastion",
        f"    HostName {setup.names[0]}",
        f"    Port {setup.port}",
        "    IdentityFile ~/.ssh/id_ed25519",
        "    IdentitiesOnly yes",
    ]
    if setup.targets:
        lines += ["", f"Host {' '.join(setup.targets)}", "    ProxyJump bastion"]
        lines += ["    IdentityFile ~/.ssh/id_ed25519", "    IdentitiesOnly yes"]
    return "\n".join(lines) + "\n"


def known_hosts(setup: ClientSetup) -> str:
    """Return the one line for known_hosts: the host CA, for the bastion's names and those of ssh targets alone."""
    names = [name if setup.port == 22 else f"[{name}]:{setup.port}" for name in setup.names]
    kind, key = setup.host_ca.split()[:2]
    return f"@cert-authority {','.join([*names, *setup.targets])} {kind} {key}"
