"""The doorstep: where a connection stands from its first byte until the door has time for it.

Most pass at once. Where one address comes too fast, or too many are inside unproven, they wait in line, in order and
for a bounded time; who waits in vain gets one constant answer that any ssh client shows. Nothing is computed for who
stands here: the server's version is not even sent. What a waiting client sends first is kept, up to a bound.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from struct import pack
from typing import cast

from asyncssh.constants import DISC_TOO_MANY_CONNECTIONS, MSG_DISCONNECT

from bastion.door.connection import DoorConnection
from bastion.door.limits import DoorLimits
from bastion.door.throttle import Throttle, source
from bastion.transport import peer_address

log = logging.getLogger(__name__)

WAIT_SECONDS = 10.0  # the longest stay on the doorstep
MOST_WAITING = 1024  # in all
MOST_WAITING_ADDRESS = 256
EARLY_BYTES = 8 * 1024  # kept of a waiting client: its version and KEXINIT are less
REPORT_SECONDS = 10.0  # at most one line in the log in this time


def _refusal(text: str) -> bytes:
    """Return a version and a DISCONNECT message in clear (RFC 4253 sections 4.2, 6 and 11.1)."""
    reason = text.encode()
    message = pack(">BII", MSG_DISCONNECT, DISC_TOO_MANY_CONNECTIONS, len(reason)) + reason + pack(">I", 0)
    padding = 8 - (5 + len(message)) % 8 + 8
    return b"SSH-2.0-Bastion\r\n" + pack(">IB", 1 + len(message) + padding, padding) + message + bytes(padding)


REFUSAL = _refusal("too many connections that have not logged in; try again in a minute")


class Line:
    """Who waits, an address at a time; `clock` gives seconds."""

    def __init__(self, limits: DoorLimits, throttle: Throttle, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._throttle = throttle
        self._clock = clock
        self._waiting: dict[str, deque[Doorstep]] = {}
        self._count = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._turned_away = 0
        self._reported = clock() - REPORT_SECONDS

    def arrive(self, step: "Doorstep") -> None:
        """Let a connection in now, or have it wait, or turn it away."""
        queue = self._waiting.setdefault(step.address, deque())
        if self._count >= MOST_WAITING or len(queue) >= MOST_WAITING_ADDRESS:
            self.turn_away(step)
            return
        queue.append(step)
        self._count += 1
        self._advance(step.address)

    def quit(self, step: "Doorstep") -> None:
        """Forget one that waits no longer."""
        queue = self._waiting.get(step.address)
        if queue is not None and step in queue:
            queue.remove(step)
            self._count -= 1
            self._tidy(step.address)

    def turn_away(self, step: "Doorstep") -> None:
        """Refuse a connection."""
        self._tidy(step.address)
        self._turned_away += 1
        if self._clock() - self._reported >= REPORT_SECONDS:
            log.warning("%d connections turned away at the door, the last from %s", self._turned_away, step.address)
            self._turned_away, self._reported = 0, self._clock()
        step.refuse()

    def proven(self, address: str) -> None:
        """Someone inside has logged in."""
        self._throttle.give_back(address, self._clock())
        self.left(address)

    def failed(self, address: str) -> None:
        """A login failed."""
        self._throttle.penalise(address, self._clock())

    def left(self, address: str) -> None:
        """Someone inside is not counted as unproven any more: there is room for the next."""
        full = self._limits.full
        self._limits.leave(address)
        for waiting in list(self._waiting) if full else [address]:
            self._advance(waiting)

    def _advance(self, address: str) -> None:
        """Let in who may come in."""
        queue = self._waiting.get(address)
        while queue and self._limits.has_room(address):
            wait = self._throttle.take(address, self._clock())
            if wait > 0:
                self._look_again(address, wait)
                return
            self._limits.admit(address)
            self._count -= 1
            queue.popleft().enter()
        self._tidy(address)

    def _look_again(self, address: str, seconds: float) -> None:
        if address not in self._timers:
            self._timers[address] = asyncio.get_running_loop().call_later(seconds, self._due, address)

    def _due(self, address: str) -> None:
        del self._timers[address]
        self._advance(address)

    def _tidy(self, address: str) -> None:
        if not self._waiting.get(address, True):
            del self._waiting[address]
            if (timer := self._timers.pop(address, None)) is not None:
                timer.cancel()


class Doorstep(asyncio.Protocol):
    """One connection that was accepted; it becomes the `DoorConnection` that `make` returns."""

    def __init__(self, line: Line, make: Callable[[], DoorConnection]) -> None:
        self._line = line
        self._make = make
        self._transport: asyncio.Transport | None = None
        self._early = bytearray()
        self._patience: asyncio.TimerHandle | None = None
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stand in line."""
        self._transport = cast("asyncio.Transport", transport)
        self.address = source(peer_address(transport.get_extra_info("peername")))
        self._patience = asyncio.get_running_loop().call_later(WAIT_SECONDS, self._give_up)
        self._line.arrive(self)

    def data_received(self, data: bytes) -> None:
        """Keep what the client says before it is let in; who says too much without hearing a word is no ssh client."""
        self._early += data
        if len(self._early) > EARLY_BYTES and self._transport is not None:
            self._early.clear()
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """The client left."""
        self._leave()
        self._transport = None
        self._line.quit(self)

    def enter(self) -> None:
        """Become a connection of the door."""
        self._leave()
        transport = self._transport
        assert transport is not None
        connection = self._make()
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if self._early:
            connection.data_received(bytes(self._early))

    def refuse(self) -> None:
        """Say so and hang up; everything was read, so that the answer isn't lost in a reset."""
        self._leave()
        if self._transport is not None:
            self._transport.write(REFUSAL)
            self._transport.close()

    def _give_up(self) -> None:
        self._line.quit(self)
        self._line.turn_away(self)

    def _leave(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
