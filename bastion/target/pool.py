"""Connections to targets, shared by the channels of one client connection.

One connection per target and login, dialled when the first channel may use it. A target that refuses further channels
(sshd's MaxSessions is 10) gets a further connection. What is behind a gateway shares one connection to the gateway,
which serves for nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import asyncssh
from asyncssh.constants import OPEN_REQUEST_PTY_FAILED, OPEN_REQUEST_SESSION_FAILED

from bastion.config.schema import Target, Via
from bastion.errors import TargetUnreachable
from bastion.model import Grant

T = TypeVar("T")
Dialling = asyncio.Task[asyncssh.SSHClientConnection]

MAX_CONNECTIONS = 64  # a target and login, a client connection
_REQUEST_FAILED = (OPEN_REQUEST_PTY_FAILED, OPEN_REQUEST_SESSION_FAILED)  # asyncssh's own codes


class Dial(Protocol):
    """What the pool needs of `bastion.target.dial.Dialer`."""

    async def dial(
        self, grant: Grant, target: Target, gateway: asyncssh.SSHClientConnection | None = None
    ) -> asyncssh.SSHClientConnection:
        """Connect and sign in."""

    async def hop(
        self, grant: Grant, via: Via, gateway: asyncssh.SSHClientConnection | None = None
    ) -> asyncssh.SSHClientConnection:
        """Connect and sign in to a gateway."""


class TargetPool:
    """The connections one client's channels use."""

    def __init__(self, dialer: Dial) -> None:
        self._dialer = dialer
        self._dialling: dict[tuple[str, str], list[Dialling]] = {}
        self._gateways: dict[Via, Dialling] = {}

    async def use(
        self, grant: Grant, target: Target, open_channel: Callable[[asyncssh.SSHClientConnection], Awaitable[T]]
    ) -> T:
        """Return what `open_channel` returns on a connection to the target, the newest first.

        Raises
        ------
        TargetUnreachable: no connection could be made, or the target opens no channel even on a fresh one.
        """
        while True:
            task, fresh = self._newest(grant, target)
            connection = await asyncio.shield(task)
            try:
                return await open_channel(connection)
            except asyncssh.ChannelOpenError as error:
                connections = self._connections(grant, target)
                asked_for_too_much = error.code in _REQUEST_FAILED  # which another connection would not change
                if fresh or asked_for_too_much or len(connections) >= MAX_CONNECTIONS:
                    raise TargetUnreachable(
                        f"{target.name} refused the channel: {_clean(error.reason)}", log=f"{target.name}: {error}"
                    ) from error
                if connections and connections[-1] is task:
                    self._dial(grant, target)

    async def connection(self, grant: Grant, target: Target) -> asyncssh.SSHClientConnection:
        """Return a connection to the target, the newest, for forwards: no target limits their number by connection.

        Raises TargetUnreachable where there is none and none could be made.
        """
        task, _ = self._newest(grant, target)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Close every connection, those still being dialled too."""
        tasks = [*(task for group in self._dialling.values() for task in group), *self._gateways.values()]
        self._dialling.clear()
        self._gateways.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and task.exception() is None:
                task.result().close()

    def _connections(self, grant: Grant, target: Target) -> list[Dialling]:
        """Return the list of connections, without dead ones; where it is new, others without any are forgotten."""
        key = (target.name, grant.login)
        if key not in self._dialling:
            for other in [other for other, group in self._dialling.items() if all(map(_is_dead, group))]:
                del self._dialling[other]
        connections = self._dialling.setdefault(key, [])
        connections[:] = [task for task in connections if not _is_dead(task)]
        return connections

    def _newest(self, grant: Grant, target: Target) -> tuple[Dialling, bool]:
        connections = self._connections(grant, target)
        if not connections:
            return self._dial(grant, target), True
        return connections[-1], False

    def _dial(self, grant: Grant, target: Target) -> Dialling:
        task = asyncio.ensure_future(self._connect(grant, target))
        self._connections(grant, target).append(task)
        return task

    async def _connect(self, grant: Grant, target: Target) -> asyncssh.SSHClientConnection:
        return await self._dialer.dial(grant, target, await self._gateway(grant, target))

    async def _gateway(self, grant: Grant, target: Target) -> asyncssh.SSHClientConnection | None:
        """Return the connection to the gateway before a target, if it has one."""
        via = target.via
        if via is None:
            return None
        task = self._gateways.get(via)
        if task is None or _is_dead(task):
            task = self._gateways[via] = asyncio.ensure_future(self._hop(grant, via))
        return await asyncio.shield(task)

    async def _hop(self, grant: Grant, via: Via) -> asyncssh.SSHClientConnection:
        return await self._dialer.hop(grant, via, await self._gateway(grant, via.target))


def _is_dead(task: Dialling) -> bool:
    if not task.done():
        return False
    return task.cancelled() or task.exception() is not None or task.result().is_closed()


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
