"""What asyncssh's connections do for each packet, done once for many: a mixin for both legs.

Leans on internals of asyncssh; `tests/bastion/test_packets.py` notices when a new one changes them. Nothing of the
protocol changes: the same packets go out in the same order.

- No IGNORE packet before each data packet, save with CBC ciphers, which it guards (RFC 4251 section 9.3.1).
- What is sent while a socket's data is worked off leaves in one write a connection, as soon as that is done. Other
  packets leave together at the end of the event loop's turn.
- The keepalive timer is not set anew for each packet that comes in; when it fires, it looks whether any did.
- Nothing is put into words for a log that nobody keeps.
- A target that hangs up is heard to its last word. asyncssh works some packets off in tasks, and forgets them, and what
  came behind them, where the end comes before the task had its turn.
"""

import asyncio
from inspect import ismethod
from typing import Any
from weakref import WeakKeyDictionary

from asyncssh.constants import MSG_IGNORE
from asyncssh.logging import SSHLogger

from bastion.bulk import BulkPackets
from bastion.thrift import ThriftyConnection

FLUSH_SIZE = 256 * 1024  # bytes gathered before they are written without waiting for the turn's end


class QuietLogger(SSHLogger):
    """asyncssh's logger, which would word each line before it asks whether anybody wants it."""

    def log(self, level: int, msg: object, *args: Any, **options: Any) -> None:
        """Log a line where lines of this level are kept."""
        if self.isEnabledFor(level):
            super().log(level, msg, *args, **options)


class _Turn:
    """One event loop's work on what came from one socket.

    `waiting` are the connections that gathered packets in it, each with its transport: one that ends forgets that at
    once, and its last words still go out.
    """

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = False
        self.waiting: list[tuple[FrugalPackets, asyncio.Transport]] = []


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turn] = WeakKeyDictionary()


class FrugalPackets(BulkPackets, ThriftyConnection):
    """Mixed in before `SSHServerConnection` or `SSHClientConnection`."""

    _gathered_size = 0
    _heard = False
    _full = False  # the transport has enough
    _hung_up = False  # the peer, while a packet of its own was worked off

    def __init__(self, *args: Any, **options: Any) -> None:
        self._gathered: list[bytes] = []
        self._turn = _turns.setdefault(asyncio.get_running_loop(), _Turn())
        super().__init__(*args, **options)
        self._logger = QuietLogger(context=self._logger._context)  # noqa: SLF001 - those of its channels come of it

    def _log_packet(self, *_: object) -> None:
        """Say nothing of each packet."""

    def data_received(self, data: bytes, datatype: int | None = None) -> None:  # noqa: ARG002 - of channels alone
        """Take what came, and send what all connections have to say to it."""
        turn, nested = self._turn, self._turn.running  # in a channel of the connection whose socket is read
        turn.running = True
        try:
            self._inpbuf += data
            self._recv_data()
        finally:
            if not nested:
                for connection, transport in turn.waiting:  # grows meanwhile: nested connections write into outer ones
                    connection._flush(transport)  # noqa: SLF001 - one class
                turn.running = False
                turn.waiting.clear()
        if self._inpbuf or self._full:
            self._behind()

    def _behind(self) -> None:
        """The connection did not work off all that came, or did not get rid of its answers."""

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes an answer
        """End, as the peer did; keep the transport until what it said before is worked off."""
        self.connection_lost(None)
        return self._hung_up

    def connection_lost(self, exc: Exception | None = None) -> None:
        """End; where a target hung up while a packet of its own is worked off, after that and what follows it."""
        # What asyncssh has in place of its method, while a task works on a packet, is none.
        if exc is None and self.is_client() and not ismethod(self._recv_handler):
            self._hung_up = True
        else:
            super().connection_lost(exc)

    def _finish_recv_packet(
        self, pkttype: int, seq: int, _task: "asyncio.Task[None] | None" = None, is_async: bool = False
    ) -> None:
        super()._finish_recv_packet(pkttype, seq, _task, is_async)
        if self._hung_up:
            self.connection_lost(None)

    def send_packet(self, pkttype: int, *args: bytes, **options: Any) -> None:
        """Send a packet, but not the IGNORE that asyncssh puts before each one; CBC ciphers need it."""
        if pkttype != MSG_IGNORE or b"cbc" in self._enc_alg_cs:
            super().send_packet(pkttype, *args, **options)

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        self._gathered.append(data)
        self._gathered_size += len(data)
        if self._gathered_size >= FLUSH_SIZE:
            self._flush(transport)
        elif len(self._gathered) == 1:
            if self._turn.running:
                self._turn.waiting.append((self, transport))
            else:
                self._loop.call_soon(self._flush, transport)

    def _flush(self, transport: asyncio.Transport) -> None:
        if not self._gathered:
            return
        gathered, self._gathered, self._gathered_size = self._gathered, [], 0
        try:
            transport.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))
        except OSError:  # the transport is gone, and the connection is told so by its own callback
            return

    def _reset_keepalive_timer(self) -> None:
        self._heard = True
        if self._keepalive_timer is None and self._auth_complete:
            self._set_keepalive_timer()

    def _keepalive_timer_callback(self) -> None:
        if self._heard:
            self._heard = False
            self._keepalive_count = 0
            self._set_keepalive_timer()
        else:
            super()._keepalive_timer_callback()
