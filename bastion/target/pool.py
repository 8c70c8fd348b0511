"""Connections to targets, shared by the channels of one client connection.

One connection per target and login, dialled when the first channel may use it. A target that refuses further channels
(sshd's MaxSessions is 10) gets a further connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import asyncssh

from bastion.config import Target
from bastion.errors import TargetUnreachable
from bastion.model import Grant

T = TypeVar("T")

MAX_CONNECTIONS = 64  # a target and login, a client connection


class Dial(Protocol):
    """What the pool needs of `bastion.target.dial.Dialer`."""

    async def dial(self, grant: Grant, target: Target) -> asyncssh.SSHClientConnection:
        """Connect and sign in."""


class TargetPool:
    """The connections one client's channels use."""

    def __init__(self, dialer: Dial) -> None:
        self._dialer = dialer
        self._dialling: dict[tuple[str, str], list[asyncio.Task[asyncssh.SSHClientConnection]]] = {}

    async def use(
        self, grant: Grant, target: Target, open_channel: Callable[[asyncssh.SSHClientConnection], Awaitable[T]]
    ) -> T:
        """Return what `open_channel` returns on a connection to the target, the newest first.

        Raises
        ------
        TargetUnreachable: no connection could be made, or the target opens no channel even on a fresh one.
        """
        connections = self._dialling.setdefault((target.name, grant.login), [])
        while True:
            task, fresh = self._newest(connections, grant, target)
            connection = await asyncio.shield(task)
            try:
                return await open_channel(connection)
            except asyncssh.ChannelOpenError as error:
                if fresh or len(connections) >= MAX_CONNECTIONS:
                    raise TargetUnreachable(
                        f"{target.name} refused the channel: {_clean(error.reason)}", log=f"{target.name}: {error}"
                    ) from error
                if connections and connections[-1] is task:
                    self._dial(connections, grant, target)

    async def connection(self, grant: Grant, target: Target) -> asyncssh.SSHClientConnection:
        """Return a connection to the target, the newest, for forwards: no target limits their number by connection.

        Raises TargetUnreachable where there is none and none could be made.
        """
        task, _ = self._newest(self._dialling.setdefault((target.name, grant.login), []), grant, target)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Close every connection, those still being dialled too."""
        tasks = [task for group in self._dialling.values() for task in group]
        self._dialling.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and task.exception() is None:
                task.result().close()

    def _newest(
        self, connections: list[asyncio.Task[asyncssh.SSHClientConnection]], grant: Grant, target: Target
    ) -> tuple[asyncio.Task[asyncssh.SSHClientConnection], bool]:
        connections[:] = [task for task in connections if not _is_dead(task)]
        if not connections:
            return self._dial(connections, grant, target), True
        return connections[-1], False

    def _dial(
        self, connections: list[asyncio.Task[asyncssh.SSHClientConnection]], grant: Grant, target: Target
    ) -> asyncio.Task[asyncssh.SSHClientConnection]:
        task = asyncio.ensure_future(self._dialer.dial(grant, target))
        connections.append(task)
        return task


def _is_dead(task: asyncio.Task[asyncssh.SSHClientConnection]) -> bool:
    if not task.done():
        return False
    return task.cancelled() or task.exception() is not None or task.result().is_closed()


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
