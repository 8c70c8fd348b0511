"""Shells without a terminal that read commands from their input while the client goes on sending.

What the client sends is held and named in `Line` events of the place `stdin`; an empty one is the input's end. Which
part of it is complete statements, and whether they may run, is found out elsewhere; that part comes back to go on. One
event is on its way at a time. Lines that a program of the script reads as its data are held and read like the others.
"""

from bastion.model import Stream
from bastion.protocols.base import Data, Event, Line, Place

QUEUE_MAX = 65_536
"""Bytes kept behind what is being decided, before the client is no longer read."""


class ScriptCodec:
    """Reads the input of one shell."""

    def __init__(self) -> None:
        self._queue = bytearray()
        self._asked = False
        self._ending = False
        self._ended = False  # the end itself was named

    @property
    def full(self) -> bool:
        """Whether so much input is kept that the client should not be read."""
        return len(self._queue) >= QUEUE_MAX

    @property
    def drained(self) -> bool:
        """Whether all input that came has gone on."""
        return self._ended and not self._asked

    def start(self) -> list[Event]:
        """Return nothing: what opened the channel was decided before."""
        return []

    def feed(self, stream: Stream, data: bytes) -> list[Event]:
        """Take bytes: input to be held, or output that goes on."""
        if stream is not Stream.STDIN:
            return [Data(stream, data)]
        self._queue += data
        return self._next()

    def end(self, stream: Stream) -> list[Event]:
        """Take the end of a stream."""
        if stream is Stream.STDIN:
            self._ending = True
            return self._next()
        return []

    def message(self, text: str) -> tuple[Stream, bytes]:
        """Word a line for stderr."""
        return Stream.STDERR, f"{text}\n".encode()

    def decided(self, *, allowed: bool, more: bool, release: bytes) -> list[Event]:  # noqa: ARG002 - part of the protocol
        """Let complete statements go on; where they may not, the channel ends."""
        self._asked = False
        return [*([Data(Stream.STDIN, release)] if allowed and release else []), *self._next()]

    def interrupted(self) -> bool:
        """Return False: without a terminal there is no Ctrl-C."""
        return False

    def quiet(self) -> list[Event]:
        """Return nothing: no pause is asked for."""
        return []

    def resize(self, columns: int, rows: int) -> None:
        """Do nothing: there is no terminal."""

    def _next(self) -> list[Event]:
        if self._asked or self._ended or not (self._queue or self._ending):
            return []
        raw = bytes(self._queue)
        self._queue.clear()
        self._asked, self._ended = True, not raw
        return [Line(raw, Place.STDIN, None, None)]
