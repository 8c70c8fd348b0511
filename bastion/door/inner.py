"""The ssh server inside a `direct-tcpip` channel: `ssh -J bastion login@target` ends here, not at the target.

It needs no authentication, since it only exists inside an authenticated connection; the user name is the login on the
target. It shows a host certificate for the target's name, so nobody is asked about unknown keys.
"""

from datetime import datetime, timedelta

import asyncssh

from bastion.auth.authority import HostAuthority
from bastion.channel.client import ClientSession
from bastion.door.connection import BastionChannel, DoorConnection, make_connection
from bastion.door.forwarding import ForwardingServer
from bastion.door.options import server_options
from bastion.session.connection import ClientConnection, Way
from bastion.session.leg import Leg

RENEW_AFTER = timedelta(hours=1)
MOST_OPTIONS = 1000  # targets whose certificates are kept


class InnerServer(ForwardingServer):
    """Serves one nested connection of a client whose identity is proven."""

    def __init__(self, client: ClientConnection, target: str) -> None:
        self._client = client
        self._target = target
        self._connection: DoorConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep the connection, to make channels."""
        assert isinstance(conn, DoorConnection)
        self._connection = conn

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """Free everything."""
        if self.leg is not None:
            self.leg.close()

    def begin_auth(self, username: str) -> bool:
        """Ask for nothing more: the outer connection is authenticated."""
        assert self._connection is not None
        if self.leg is not None:  # a connection has one leg; the user name of the last request counts
            self.leg.close()
        self.leg = Leg(self._client, Way(self._target, username), self._connection)
        return False

    def session_requested(self) -> tuple[BastionChannel, ClientSession]:
        """Open a channel to the target."""
        assert self._connection is not None
        assert self.leg is not None
        return self._connection.bastion_channel(), self.leg.session()


class InnerServers:
    """Makes nested servers; keeps the options of each target, whose host certificates live for hours."""

    def __init__(self, host_key: asyncssh.SSHKey, authority: HostAuthority) -> None:
        self._host_key = host_key
        self._authority = authority
        self._options: dict[str, tuple[datetime, asyncssh.SSHServerConnectionOptions]] = {}

    async def open(self, client: ClientConnection, target: str, now: datetime) -> DoorConnection:
        """Return a connection that serves the channel it is given."""
        made, options = self._options.get(target, (now - RENEW_AFTER, None))
        if options is None or now - made >= RENEW_AFTER:
            certificate = self._authority.certify(self._host_key, [target], now)
            options = await server_options(self._host_key, certificate)
            self._options.pop(target, None)
            self._options[target] = (now, options)
            if len(self._options) > MOST_OPTIONS:  # names of a pattern are as many as clients think of
                self._options.pop(next(iter(self._options)))
        return make_connection(options, lambda: InnerServer(client, target))
