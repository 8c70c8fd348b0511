"""The options of every server connection: at the door, and nested in a channel for a target."""

import asyncssh

from bastion.transport import PACKET, WINDOW, common_options


async def server_options(
    host_key: asyncssh.SSHKey, certificate: asyncssh.SSHCertificate
) -> asyncssh.SSHServerConnectionOptions:
    """Return options for a server that shows `host_key` with `certificate`, or alone to who asks for that."""
    options: asyncssh.SSHServerConnectionOptions = await asyncssh.SSHServerConnectionOptions.construct(
        config=None,
        server_version="Bastion",
        server_host_keys=[(host_key, certificate)],
        send_server_host_keys=False,
        password_auth=False,
        host_based_auth=False,
        public_key_auth=True,
        kbdint_auth=True,
        gss_kex=False,
        gss_auth=False,
        allow_pty=True,
        line_editor=False,
        encoding=None,
        agent_forwarding=False,
        x11_forwarding=False,
        rdns_lookup=False,
        window=WINDOW,
        max_pktsize=PACKET,
        **common_options(),
    )
    return options
