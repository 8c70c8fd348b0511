"""What all connections at the door share: the listener, the limits, nested servers and the control plane's consoles."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Protocol

import asyncssh

from bastion.audit import EventType
from bastion.auth.authority import HostAuthority
from bastion.channel.services import Services
from bastion.config.schema import Target
from bastion.control.services import Control, ControlServices
from bastion.control.terminal import Terminal
from bastion.door.connection import DoorConnection, make_connection
from bastion.door.console import Console
from bastion.door.doorstep import Doorstep, Line
from bastion.door.inner import InnerServers
from bastion.door.limits import DoorLimits
from bastion.door.notes import note
from bastion.door.options import server_options
from bastion.door.signing import LOGIN, sign_for
from bastion.door.throttle import Throttle
from bastion.errors import BastionError, UnavailableError
from bastion.logs import about
from bastion.session.connection import ClientConnection

log = logging.getLogger(__name__)

BACKLOG = 512

RunCommand = Callable[[str, Control, Terminal], Awaitable[int]]


class Caller(Protocol):
    """A connection that has proven nothing yet."""

    def turn_away(self, error: BastionError) -> None:
        """Say why and close the connection."""


class DoorHost:
    """The door of one process.

    Parameters
    ----------
    services: the running parts.
    control: what the control plane works with.
    run_command: runs one control-plane command line (the CLI, injected by `app`).
    share: how many processes share the port.
    """

    def __init__(
        self, services: Services, control: ControlServices, run_command: RunCommand, *, share: int = 1
    ) -> None:
        self.services = services
        self.limits = DoorLimits()
        self.line = Line(self.limits, Throttle(share), asyncio.get_running_loop().time)
        self._control = control
        self._run_command = run_command
        self._authority = HostAuthority(services.keys.host_ca)
        self._inner = InnerServers(services.keys.host_key, self._authority)
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listeners: list[asyncio.Server] = []
        self.callers: set[Caller] = set()

    async def prepare(self) -> None:
        """Make the host certificate and options for connections to come. Called at start and at each reload."""
        names = self.services.ruling.config.server.names
        certificate = self._authority.certify(self.services.keys.host_key, names, self.services.clock())
        self._options = await server_options(self.services.keys.host_key, certificate)

    async def listen(self, sockets: Sequence[socket.socket], server: Callable[[], Any]) -> int:
        """Accept connections on sockets and return their port. `server` makes a connection's owner."""
        loop = asyncio.get_running_loop()

        def connection() -> DoorConnection:
            assert self._options is not None
            return make_connection(self._options, server)

        for one in sockets:
            listener = await loop.create_server(lambda: Doorstep(self.line, connection), sock=one, backlog=BACKLOG)
            self._listeners.append(listener)
        port: int = sockets[0].getsockname()[1]
        self._control = replace(self._control, port=port)  # port 0 of the configuration means any free one
        return port

    def close(self) -> None:
        """Accept no more connections; those that are open stay."""
        for listener in self._listeners:
            listener.close()

    def turn_away(self, error: UnavailableError) -> None:
        """Tell everybody who has not logged in yet why they can't, and close their connections."""
        for caller in list(self.callers):
            caller.turn_away(error)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something that nobody waits for; failures are logged."""

        async def guarded() -> None:
            try:
                await work
            except Exception:
                log.exception("a background task failed")

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self, seconds: float) -> None:
        """Wait until what was spawned is done, at most so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    # Who comes and goes

    async def welcome(self, client: ClientConnection) -> None:
        """Journal that a client is in. One that can't be journalled opens no channel, and is told why at each."""
        services = self.services
        services.live.connected(client)
        try:
            await note(services, EventType.CONNECTION_OPEN, client, serial=str(client.serial))
        except UnavailableError as error:
            log.error("connection of no use: %s", error.log, extra={"facts": client.facts})  # noqa: TRY400 - it is all
            client.refusal = error
            return
        # Once more, now that it is among those an order cuts: it may have been revoked since the first look.
        revoked = services.thread.store.certificates.is_revoked
        if client.serial and await services.thread.run(revoked, client.serial):
            client.disconnect(by="the bastion: the certificate was revoked")

    async def goodbye(self, client: ClientConnection) -> None:
        """Journal that a client is gone, and close what it used."""
        self.services.live.disconnected(client)
        await client.close()
        await note(self.services, EventType.CONNECTION_CLOSE, client)

    # What clients open

    def open_to(self, client: ClientConnection, target: str) -> Target | None:
        """Return the target of this name, where the client may reach it by some login."""
        return self.services.ruling.access.open_to(client.identity, target)

    async def jump(self, client: ClientConnection, target: str) -> asyncssh.SSHTCPSession[bytes]:
        """Return the ssh server that a jump to a target ends in; asyncssh lets a connection be a channel's session."""
        connection: Any = await self._inner.open(client, target, self.services.clock())
        session: asyncssh.SSHTCPSession[bytes] = connection
        return session

    def console(self, client: ClientConnection) -> Console:
        """Return a channel to the control plane."""
        control = Control(client.identity, self._control)

        async def work(command: str, terminal: Console) -> int:
            if client.refusal is not None:
                raise client.refusal
            if command.split()[:1] == [LOGIN]:
                return await sign_for(self.services, self.limits, client, terminal)
            with about(**client.facts):
                return await self._run_command(command, control, terminal)

        return Console(work)
