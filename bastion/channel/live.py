"""What is open now in this process: channels by session id, client connections by certificate. Listing and cutting."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol


class LiveChannel(Protocol):
    """A channel to a target."""

    def tell(self, text: str) -> None:
        """Show the user a line."""

    def kill(self, *, by: str, reason: str) -> None:
        """Tell the user who ends the channel and why, and end it."""


class LiveConnection(Protocol):
    """A client connection."""

    @property
    def serial(self) -> int:
        """The serial of the certificate that opened it, 0 without one."""

    def disconnect(self, *, by: str) -> None:
        """Close the connection with every channel in it."""


class Live:
    """The registry of this process."""

    def __init__(self) -> None:
        self._channels: dict[str, LiveChannel] = {}
        self._along: dict[str, Callable[[str], None]] = {}
        self._changed = asyncio.Event()
        self._connections: set[LiveConnection] = set()

    def add(self, session_id: str, channel: LiveChannel) -> None:
        """Note a channel that opened."""
        self._channels[session_id] = channel

    def along(self, session_id: str, cut: Callable[[str], None]) -> None:
        """Have something else cut, and told why, where this channel is killed: forwards of the same ssh connection."""
        self._along[session_id] = cut

    def remove(self, session_id: str) -> None:
        """Forget a channel that ended."""
        self._channels.pop(session_id, None)
        self._along.pop(session_id, None)
        self._changed.set()

    def connected(self, connection: LiveConnection) -> None:
        """Note a connection whose identity is proven."""
        self._connections.add(connection)

    def disconnected(self, connection: LiveConnection) -> None:
        """Forget a connection that closed."""
        self._connections.discard(connection)

    def ids(self) -> frozenset[str]:
        """Return the ids of all live sessions."""
        return frozenset(self._channels)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def tell(self, text: str) -> None:
        """Show every user of a live channel a line."""
        for channel in list(self._channels.values()):
            channel.tell(text)

    async def settle(self, seconds: float) -> None:
        """Wait until no channel is live, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._channels:
                    self._changed.clear()
                    await self._changed.wait()

    async def kill(self, session_id: str, *, by: str, reason: str) -> bool:
        """Cut one session now, telling its user who did it and why; False when it isn't live here."""
        channel = self._channels.get(session_id)
        if channel is None:
            return False
        cut = self._along.pop(session_id, None)
        channel.kill(by=by, reason=reason)
        if cut is not None:
            cut(f"ended by {by}: {reason}")
        return True

    async def disconnect(self, serials: frozenset[int], *, by: str) -> int:
        """Close every connection that one of these certificates opened; return how many there were."""
        cut = [connection for connection in self._connections if connection.serial in serials]
        for connection in cut:
            connection.disconnect(by=by)
        return len(cut)

    def disconnect_all(self, *, by: str) -> None:
        """Close every connection."""
        for connection in list(self._connections):
            connection.disconnect(by=by)
