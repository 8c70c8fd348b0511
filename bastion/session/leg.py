"""One ssh connection of a client to one target: `ssh -J bastion login@target`, or `ssh login%target@bastion`.

It opens session channels, and forwards both ways: what the client wants from the target's side (-L, -D, unix sockets),
and what the target brings to the client (-R, agent, X11). The bastion itself connects nowhere and listens nowhere: the
target does, asked on its own connection. Each thing that opens is checked, judged by the rules where it leads into the
target's network, and journalled; a refusal says why and harms nothing else.
"""

import asyncssh

from bastion.channel.bridge import Bridge, End
from bastion.channel.client import ClientSession
from bastion.channel.forward import Passage
from bastion.channel.relay import Relay
from bastion.channel.requests import ChannelRequest
from bastion.config.schema import Target, Via
from bastion.instances import every
from bastion.model import ChannelKind, Grant
from bastion.session.connection import ClientConnection, Way
from bastion.session.forwards import Forwards, Join
from bastion.session.places import check_destination, check_listen, check_path, spelt
from bastion.target.connection import TargetConnection
from bastion.target.dial import Dialer, Gateway
from bastion.target.pool import TargetPool
from bastion.transport import PACKET, WINDOW


class Leg:
    """What one client has open on one target. `door` is the client's ssh connection that all of it belongs to."""

    def __init__(self, client: ClientConnection, way: Way, door: asyncssh.SSHServerConnection) -> None:
        self._client = client
        self._services = client.services
        self._way = way
        self._door = door
        self._own_pool: TargetPool | None = None
        self.forwards = Forwards(client, way)
        client.legs.add(self)

    # Sessions

    def session(self) -> ClientSession:
        """Return the session object for a channel to the target; who may do what is decided once it begins."""
        return ClientSession(self._relay, self.forwards.may, self._client.facts)

    def _relay(self, request: ChannelRequest, session: ClientSession) -> Relay:
        relay = self._client.relay(self._way, request, session, self._pool_for(request))
        self._services.live.along(relay.session_id, self.forwards.cut)
        return relay

    def _pool_for(self, request: ChannelRequest) -> TargetPool:
        """Sessions that bring an agent or a display use connections of this leg alone: what the target opens on them
        is for this client, and no session that did not ask finds the agent's socket in its environment.
        """
        if not request.agent and request.display is None:
            return self._client.pool
        if self._own_pool is None:
            self._own_pool = TargetPool(_Homing(self._services.dialer, self))
        return self._own_pool

    # What the client wants from the target's side. These raise asyncssh.ChannelOpenError, and nothing else.

    async def connect(self, host: str, port: int, origin_host: str, origin_port: int) -> End:
        """Have the target connect to a host (RFC 4254 section 7.2)."""

        async def join(bridge: Bridge, grant: Grant) -> None:
            connection = await self._connection(grant)
            await connection.create_connection(
                lambda: bridge.target, host, port, origin_host, origin_port, window=WINDOW, max_pktsize=PACKET
            )

        passage = Passage(ChannelKind.LOCAL_FORWARD, spelt(host, port), spelt(origin_host, origin_port))
        bridge = await self.forwards.open(passage, join, lambda: check_destination(host, port, self._targets()))
        return bridge.client

    async def connect_socket(self, path: str) -> End:
        """Have the target connect to a unix socket (OpenSSH's PROTOCOL section 2.4)."""

        async def join(bridge: Bridge, grant: Grant) -> None:
            connection = await self._connection(grant)
            await connection.create_unix_connection(
                lambda: bridge.target,  # type: ignore[arg-type, return-value]  # an end fits any forward
                path,
                window=WINDOW,
                max_pktsize=PACKET,
            )

        bridge = await self.forwards.open(Passage(ChannelKind.LOCAL_SOCKET, path), join, lambda: check_path(path))
        return bridge.client

    # What the target brings to the client

    async def listen(self, host: str, port: int) -> asyncssh.SSHListener | bool:
        """Have the target listen on a port (RFC 4254 section 7.1), 0 for any; False where that is refused."""

        async def start(grant: Grant) -> asyncssh.SSHListener:
            connection = await self._connection(grant)
            listener: asyncssh.SSHListener = await connection.create_server(
                lambda *origin: self._came(connection, host, listener.get_port(), *origin),
                host,
                port,
                window=WINDOW,
                max_pktsize=PACKET,
            )
            return listener

        passage = Passage(ChannelKind.REMOTE_FORWARD, spelt(host, port))
        return await self.forwards.listen(passage, start, lambda: check_listen(host, port, self._targets()))

    async def listen_socket(self, path: str) -> asyncssh.SSHListener | bool:
        """Have the target listen on a unix socket (OpenSSH's PROTOCOL section 2.4); False where that is refused."""

        async def start(grant: Grant) -> asyncssh.SSHListener:
            connection = await self._connection(grant)
            listener: asyncssh.SSHListener = await connection.create_unix_server(
                lambda: self._came_to_socket(connection, path),
                path,
                window=WINDOW,
                max_pktsize=PACKET,
            )
            return listener

        return await self.forwards.listen(Passage(ChannelKind.REMOTE_SOCKET, path), start, lambda: check_path(path))

    async def agent_called(self, connection: TargetConnection) -> End:
        """Bring a program on the target to the client's agent."""

        async def join(bridge: Bridge, _: Grant) -> None:
            channel = self._door.create_agent_channel(WINDOW, PACKET)
            await channel.open(lambda: bridge.client)  # type: ignore[arg-type, return-value]  # as above

        return await self._bring(connection, Passage(ChannelKind.AGENT, "client"), join)

    async def x11_called(self, connection: TargetConnection, host: str, port: int) -> End:
        """Bring a program on the target to the client's display; the client checks the cookie it made."""

        async def join(bridge: Bridge, _: Grant) -> None:
            await self._door.create_x11_connection(lambda: bridge.client, host, port, window=WINDOW, max_pktsize=PACKET)

        return await self._bring(connection, Passage(ChannelKind.X11, "client", spelt(host, port)), join)

    async def _came(
        self, connection: asyncssh.SSHClientConnection, host: str, port: int, origin_host: str, origin_port: int
    ) -> End:
        async def join(bridge: Bridge, _: Grant) -> None:
            await self._door.create_connection(
                lambda: bridge.client, host, port, origin_host, origin_port, window=WINDOW, max_pktsize=PACKET
            )

        passage = Passage(ChannelKind.REMOTE_FORWARD, spelt(host, port), spelt(origin_host, origin_port))
        return await self._bring(connection, passage, join)

    async def _came_to_socket(self, connection: asyncssh.SSHClientConnection, path: str) -> End:
        async def join(bridge: Bridge, _: Grant) -> None:
            await self._door.create_unix_connection(
                lambda: bridge.client,  # type: ignore[arg-type, return-value]  # as above
                path,
                window=WINDOW,
                max_pktsize=PACKET,
            )

        return await self._bring(connection, Passage(ChannelKind.REMOTE_SOCKET, path), join)

    async def _bring(self, connection: asyncssh.SSHClientConnection, passage: Passage, join: Join) -> End:
        bridge = await self.forwards.open(passage, join)
        if connection.is_closed():  # and so the end returned here would never meet its channel
            bridge.abort("the target is gone")
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "closed meanwhile")
        return bridge.target

    # What all of them use

    def _targets(self) -> list[Target]:
        return list(every(self._services.ruling.config))

    async def _connection(self, grant: Grant) -> asyncssh.SSHClientConnection:
        return await self._client.pool.connection(grant, self._services.ruling.target(grant.target))

    def close(self) -> None:
        """The client's ssh connection is gone: free everything. Connections shared with other legs stay."""
        self._client.legs.discard(self)
        self.forwards.close()
        if self._own_pool is not None:
            self._client.later(self._own_pool.close())
            self._own_pool = None


class _Homing:
    """Dials connections that bring to a leg what the target opens on them."""

    def __init__(self, dialer: Dialer, leg: Leg) -> None:
        self._dialer = dialer
        self._leg = leg

    async def dial(self, grant: Grant, target: Target, gateway: Gateway | None = None) -> TargetConnection:
        """Connect and sign in."""
        connection = await self._dialer.dial(grant, target, gateway)
        connection.homeward = self._leg
        return connection

    async def hop(self, grant: Grant, via: Via, gateway: Gateway | None = None) -> TargetConnection:
        """Connect and sign in to a gateway, which brings nothing to the leg."""
        return await self._dialer.hop(grant, via, gateway)
