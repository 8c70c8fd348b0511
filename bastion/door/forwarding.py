"""What clients want forwarded, at the door and in nested ones: handed to the leg, or refused where there is none.

asyncssh calls these; an exception other than ChannelOpenError would close the whole connection.
"""

from collections.abc import Awaitable
from typing import NoReturn

import asyncssh

from bastion.auth.access import DENIED
from bastion.channel.bridge import End
from bastion.door.connection import BastionServer
from bastion.session.leg import Leg


class ForwardingServer(BastionServer):
    """A server whose `leg` forwards; without one nothing is forwarded."""

    leg: Leg | None = None

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        """Have the target connect to a host."""
        if self.leg is None:
            _refuse()
        return self.leg.connect(dest_host, dest_port, orig_host, orig_port)

    def unix_connection_requested(self, dest_path: str) -> Awaitable[End]:  # type: ignore[override]  # an end fits any
        """Have the target connect to a unix socket."""
        if self.leg is None:
            _refuse()
        return self.leg.connect_socket(dest_path)

    async def server_requested(self, listen_host: str, listen_port: int) -> asyncssh.SSHListener | bool:
        """Have the target listen on a port."""
        return self.leg is not None and await self.leg.listen(listen_host, listen_port)

    async def unix_server_requested(self, listen_path: str) -> asyncssh.SSHListener | bool:
        """Have the target listen on a unix socket."""
        return self.leg is not None and await self.leg.listen_socket(listen_path)


def _refuse() -> NoReturn:
    raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, DENIED)
