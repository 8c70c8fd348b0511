"""What a peer can make an ssh connection hold in memory, bounded: a mixin for both legs, and one for their channels.

asyncssh counts what waits for a channel's window (RFC 4254 section 5.2), and nothing else, and opens the window of who
reads slowly for more than was read. Here a connection whose transport is full, or which is exchanging keys, holds its
channels' data back, so that each channel slows its other side; a peer that sends faster than it is served, or than it
takes the answers, is not read for a while; and a peer that opens, asks or leaves unanswered without end is refused.
Leans on internals of asyncssh; `tests/hostile/test_bounds.py` notices when a new one changes them.
"""

import asyncio
from collections.abc import Awaitable
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, cast

import asyncssh
from asyncssh.channel import SSHAgentChannel, SSHChannel, SSHX11Channel
from asyncssh.constants import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_GLOBAL_REQUEST,
)
from asyncssh.packet import SSHPacket, UInt32

from bastion.bulk import MOST_DATA, BulkChannel
from bastion.thrift import ThriftyChannel
from bastion.transport import PACKET, WINDOW

if TYPE_CHECKING:
    from bastion.packets import FrugalPackets as _Connection
else:
    _Connection = object

MAX_CHANNELS = 1000  # open at once, a connection
MAX_REQUESTS = 200  # global requests that wait for the answer to one before them
MAX_DEFERRED = 2000  # packets that wait for new keys: answers, since channels hold their data back
WRITE_HIGH, WRITE_LOW = 512 * 1024, 128 * 1024  # bytes the transport may hold before channels wait
MOST_UNSENT = 4 * 1024 * 1024  # bytes that wait to be sent, answers too, before the peer is no longer read
MOST_UNSERVED = 9 * 256 * 1024  # bytes that came while a packet takes its time, before the peer is no longer read
LONGEST_REQUEST = 2 * 1024 * 1024  # bytes of a packet from who may open channels; no client gives a command more
LEAST_PACKET = 256  # bytes that a peer must take at once: each packet costs us the same, however little it holds
_DATA = frozenset({MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA})
PIECE = 4 * 1024  # bytes; smaller pieces of what waits are put together, since each costs more than its bytes


class BoundedChannel(BulkChannel, ThriftyChannel):
    """Mixed in before any of asyncssh's channels, whose connection is a `BoundedConnection`. Its data are bytes."""

    _unread = 0  # bytes that came and wait for the session to read

    def process_open(self, send_chan: int, send_window: int, send_pktsize: int, session: Any) -> None:
        """Take a channel that the peer opens. Raises ProtocolError where its packets may hold too little."""
        if send_pktsize < LEAST_PACKET and iscoroutine(session):
            session.close()
        _check_packet_size(send_pktsize)
        super().process_open(send_chan, send_window, send_pktsize, session)

    def process_open_confirmation(self, send_chan: int, send_window: int, send_pktsize: int, packet: SSHPacket) -> None:
        """Take the peer's agreement to a channel. Raises ProtocolError where its packets may hold too little."""
        _check_packet_size(send_pktsize)
        super().process_open_confirmation(send_chan, send_window, send_pktsize, packet)

    def process_packet(self, pkttype: int, pktid: int, packet: SSHPacket) -> bool | Awaitable[None]:
        """Process a packet. Raises ProtocolError where it holds more data than was agreed on."""
        if pkttype in _DATA and len(packet.get_full_payload()) > MOST_DATA:
            raise asyncssh.ProtocolError("Max packet size exceeded")
        return super().process_packet(pkttype, pktid, packet)

    def _flush_send_buf(self) -> None:
        waiting = self._send_buf
        if len(waiting) > 1 and waiting[-1][1] == waiting[-2][1] and len(waiting[-2][0]) < PIECE:
            last, _ = waiting.pop()
            waiting[-1][0].extend(last)
        connection: Any = self._conn
        if connection is None:  # closed while it was held: nothing of it can be sent, and nobody is to be told
            return
        if not connection.congested:
            super()._flush_send_buf()
            return
        connection.hold(self)
        if self._session is not None:
            self._pause_resume_writing()

    def _keep_data(self, data: bytes, datatype: int | None) -> None:
        waiting = self._recv_buf
        pieces = len(waiting)
        super()._keep_data(data, datatype)
        if len(waiting) > pieces:
            self._unread += len(data)
            if pieces and waiting[-2][1] == datatype and len(waiting[-2][0]) + len(data) <= PIECE:
                waiting.pop()
                waiting[-1] = (waiting[-1][0] + data, datatype)

    def _deliver_data(self, data: bytes, datatype: int | None) -> None:
        """Hand data to the session; the peer may send as much again as was read, where asyncssh would allow it all."""
        self._unread -= min(self._unread, len(data))
        left = self._recv_window + self._unread
        if left < self._init_recv_window / 2:
            adjust = self._init_recv_window - left
            self.send_packet(MSG_CHANNEL_WINDOW_ADJUST, UInt32(adjust))
            self._recv_window += adjust
        if self._session is not None:
            self._session.data_received(data, datatype)


def _check_packet_size(size: int) -> None:
    if size < LEAST_PACKET:
        raise asyncssh.ProtocolError(f"Maximum packet size below {LEAST_PACKET}")


class BoundedTCPChannel(BoundedChannel, asyncssh.SSHTCPChannel[bytes]):
    """A channel of a TCP forward, or of a nested connection."""


class BoundedUNIXChannel(BoundedChannel, asyncssh.SSHUNIXChannel[bytes]):
    """A channel of a unix socket's forward."""


class BoundedX11Channel(BoundedChannel, SSHX11Channel):
    """A channel of a display's forward."""


class BoundedAgentChannel(BoundedChannel, SSHAgentChannel):
    """A channel of an agent's forward."""


class BoundedConnection(_Connection):
    """Mixed in before `FrugalPackets` and `SSHServerConnection` or `SSHClientConnection`."""

    _unread = False  # the peer is not read for now

    def __init__(self, *args: Any, **options: Any) -> None:
        self._held: dict[BoundedChannel, None] = {}
        super().__init__(*args, **options)

    # Channels wait while nothing can be sent

    @property
    def congested(self) -> bool:
        """Whether channels are to keep their data: the peer does not take it, or new keys are being agreed on."""
        return self._full or not self._kex_complete

    def hold(self, channel: BoundedChannel) -> None:
        """Have a channel try again once data can be sent."""
        self._held[channel] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say how much the transport may hold."""
        if not isinstance(transport, SSHChannel):  # which has its own, for nested connections
            cast("asyncio.Transport", transport).set_write_buffer_limits(WRITE_HIGH, WRITE_LOW)
        super().connection_made(transport)

    def pause_writing(self) -> None:
        """The transport, or the channel this connection is nested in, has enough."""
        self._full = True

    def resume_writing(self) -> None:
        """The transport takes data again."""
        self._full = False
        self._relieve()
        self._read_again()

    def send_newkeys(self, k: bytes, h: bytes) -> None:
        """Finish a key exchange, and send what waited for it."""
        super().send_newkeys(k, h)
        self._relieve()

    def _relieve(self) -> None:
        if not self.congested:
            held, self._held = self._held, {}
            for channel in held:  # one that finds the transport full again lines up anew
                channel._flush_send_buf()  # noqa: SLF001 - the two mixins of this module work together

    def _cleanup(self, exc: Exception | None) -> None:
        self._held.clear()
        super()._cleanup(exc)

    # The peer waits while it isn't served, or does not take its answers

    def _behind(self) -> None:
        """Take no more for a while of what the peer sends, where it is too much."""
        transport = self._transport
        if transport is not None and (
            len(self._inpbuf) > MOST_UNSERVED or transport.get_write_buffer_size() > MOST_UNSENT
        ):
            self._unread = True
            transport.pause_reading()

    def _finish_recv_packet(
        self, pkttype: int, seq: int, _task: "asyncio.Task[None] | None" = None, is_async: bool = False
    ) -> None:
        super()._finish_recv_packet(pkttype, seq, _task, is_async)
        if is_async:
            self._read_again()

    def _read_again(self) -> None:
        if self._unread and not self._full and len(self._inpbuf) <= MOST_UNSERVED:
            self._unread = False
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if self._transport is not None and not self._unread:
            self._transport.resume_reading()

    # What is without end is refused

    def send_packet(self, pkttype: int, *args: bytes, **options: Any) -> None:
        """Send a packet; a peer that asks on and on instead of agreeing on keys is left."""
        super().send_packet(pkttype, *args, **options)
        if not self._kex_complete and len(self._deferred_packets) > MAX_DEFERRED:
            self._deferred_packets.clear()
            self._force_close(asyncssh.ProtocolError("Too much waits for the key exchange"))

    def process_packet(self, pkttype: int, pktid: int, packet: SSHPacket) -> bool | Awaitable[None]:
        """Process a packet; a peer that asks on and on while one request takes its time is left."""
        if pkttype == MSG_GLOBAL_REQUEST and len(self._global_request_queue) >= MAX_REQUESTS:
            raise asyncssh.ProtocolError("Too many global requests at once")
        return super().process_packet(pkttype, pktid, packet)

    def add_channel(self, chan: SSHChannel[Any]) -> int:
        """Add a channel. Raises ChannelOpenError where there are too many."""
        if len(self._channels) >= MAX_CHANNELS:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "too many channels; close some")
        if self.is_server():  # so that a command which is too long gets an answer, not a disconnect
            self._update_recv_pktlen(LONGEST_REQUEST)
        return super().add_channel(chan)

    # Which channels asyncssh makes

    def create_tcp_channel(
        self, encoding: str | None = None, errors: str = "strict", window: int = WINDOW, max_pktsize: int = PACKET
    ) -> BoundedTCPChannel:
        """Return a new channel for TCP."""
        self._update_recv_pktlen(max_pktsize)
        return BoundedTCPChannel(self, self._loop, encoding, errors, window, max_pktsize)

    def create_unix_channel(
        self, encoding: str | None = None, errors: str = "strict", window: int = WINDOW, max_pktsize: int = PACKET
    ) -> BoundedUNIXChannel:
        """Return a new channel for a unix socket."""
        self._update_recv_pktlen(max_pktsize)
        return BoundedUNIXChannel(self, self._loop, encoding, errors, window, max_pktsize)

    def create_x11_channel(self, window: int = WINDOW, max_pktsize: int = PACKET) -> BoundedX11Channel:
        """Return a new channel for a display."""
        self._update_recv_pktlen(max_pktsize)
        return BoundedX11Channel(self, self._loop, None, "strict", window, max_pktsize)

    def create_agent_channel(self, window: int = WINDOW, max_pktsize: int = PACKET) -> BoundedAgentChannel:
        """Return a new channel for an agent."""
        self._update_recv_pktlen(max_pktsize)
        return BoundedAgentChannel(self, self._loop, None, "strict", window, max_pktsize)
