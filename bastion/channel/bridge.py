"""The pump of one forward: two ends, the bytes of each written to the other as they come. No tasks, no copies.

Any two of asyncssh's forward channels can be joined: TCP, unix socket, agent, X11. A slow side slows the other: while
one end's send buffer is full, the other end is not read, so that its peer's window (RFC 4254 section 5.2) runs out;
what is kept of a stopped reader is bounded by the windows. Each direction ends by itself. Nothing here decides who may,
and nothing is read of what passes, except that it must not be ssh: such a session would be neither seen nor recorded.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import asyncssh

log = logging.getLogger(__name__)

BANNER = b"SSH-"
"""How either side of an ssh connection begins (RFC 4253 section 4.2); stock servers take nothing before it."""

DONE = "closed"
SPEAKS_SSH = "ssh inside a forward would not be recorded"
FAILED = "internal error"


class Channel(Protocol):
    """What an end uses of asyncssh's channels."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def write_eof(self) -> None:
        """Send no more."""

    def is_closing(self) -> bool:
        """Return whether nothing can be sent any more."""

    def pause_reading(self) -> None:
        """Have no more bytes delivered."""

    def resume_reading(self) -> None:
        """Have bytes delivered again."""

    def close(self) -> None:
        """Close once everything is sent."""

    def abort(self) -> None:
        """Close at once."""


class End(asyncssh.SSHTCPSession[bytes]):
    """One end of a bridge: asyncssh's callbacks, none of which may raise, as that would end the whole connection."""

    peer: "End"

    def __init__(self, bridge: "Bridge") -> None:
        self._bridge = bridge
        self.channel: Channel | None = None
        self.met = False  # the channel was there, or is
        self.ended = False  # no more bytes will come from it
        self.received = 0
        self._head = b""

    def connection_made(self, chan: Any) -> None:
        """The channel is open."""
        self.channel = chan
        self.met = True
        self._bridge.guard(self._bridge.begin, self)

    def data_received(self, data: bytes, datatype: int | None) -> None:  # noqa: ARG002 - forwards have one stream
        """Pass bytes on."""
        self._bridge.guard(self._pass_on, data)

    def eof_received(self) -> bool:
        """Pass the end of this direction on; True keeps the other one open."""
        self._bridge.guard(self._end)
        return True

    def pause_writing(self) -> None:
        """This end takes no more for now."""
        if self.peer.channel is not None:
            self.peer.channel.pause_reading()

    def resume_writing(self) -> None:
        """This end takes bytes again."""
        if self.peer.channel is not None:
            self._bridge.guard(self.peer.channel.resume_reading)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """The channel is closed."""
        self.channel = None
        self._bridge.guard(self._bridge.lost, self)

    def _pass_on(self, data: bytes) -> None:
        if len(self._head) < len(BANNER):
            self._head += data[: len(BANNER) - len(self._head)]
            if self._head == BANNER:
                self._bridge.abort(SPEAKS_SSH)
                return
        self.received += len(data)
        channel = self.peer.channel
        if channel is not None and not channel.is_closing():
            channel.write(data)

    def _end(self) -> None:
        self.ended = True
        if self.peer.channel is not None:
            self.peer.channel.write_eof()
            if self.peer.ended:
                self._bridge.close()


class Bridge:
    """The two ends of one forward. `gone` is called once, with why, when it is over.

    The end that opens a channel meets it first and waits, unread, for the other one; bytes that a server sends first
    are kept by the channel meanwhile.
    """

    def __init__(self, gone: Callable[[str], None]) -> None:
        self._gone: Callable[[str], None] | None = gone
        self.client = End(self)
        self.target = End(self)
        self.client.peer, self.target.peer = self.target, self.client

    @property
    def over(self) -> bool:
        """Whether nothing can pass any more."""
        return self._gone is None

    def begin(self, end: End) -> None:
        """One end has met its channel: wait for the other one, or let bytes pass."""
        peer = end.peer
        if self.over:
            self.abort(DONE)
        elif not peer.met:
            assert end.channel is not None
            end.channel.pause_reading()
        elif peer.channel is None:  # it closed meanwhile, with nothing left unread
            self.close()
        else:
            if peer.ended and end.channel is not None:
                end.channel.write_eof()
            peer.channel.resume_reading()

    def lost(self, end: End) -> None:
        """One end's channel is closed: close the other one once it took what is left."""
        if end.peer.channel is not None:
            end.peer.channel.close()
        elif end.peer.met:
            self._finish(DONE)

    def close(self) -> None:
        """Close both ends once they took what is left."""
        for channel in self._channels():
            channel.close()

    def abort(self, why: str) -> None:
        """Close both ends at once; what is on its way is lost."""
        self._finish(why)
        for channel in self._channels():
            channel.abort()

    def guard(self, act: Callable[..., None], *args: Any) -> None:
        """Do something that must not raise: if it fails, this forward ends, and nothing else does."""
        try:
            act(*args)
        except Exception:
            log.exception("a forward fails closed")
            self._finish(FAILED)
            self._abandon()

    def _channels(self) -> list[Channel]:
        return [end.channel for end in (self.client, self.target) if end.channel is not None]

    def _abandon(self) -> None:
        for channel in self._channels():
            try:
                channel.abort()
            except Exception:
                log.exception("a channel of a failed forward could not be closed")

    def _finish(self, why: str) -> None:
        gone, self._gone = self._gone, None
        if gone is not None:
            gone(why)
