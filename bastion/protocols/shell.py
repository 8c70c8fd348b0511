"""SSH shell channels (RFC 4254 section 6.5): bytes both ways, usually on a terminal.

What is typed into a shell is not read as commands here; it is recorded and masked like any other bytes.
"""

from bastion.model import Stream
from bastion.protocols.base import Data, Event


class ShellCodec:
    """Passes bytes on. `terminal` says whether the client asked for a PTY."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal

    def start(self) -> list[Event]:
        """Return nothing: a shell names no command."""
        return []

    def feed(self, stream: Stream, data: bytes) -> list[Event]:
        """Return the bytes as they are."""
        return [Data(stream, data)]

    def end(self, stream: Stream) -> list[Event]:  # noqa: ARG002 - part of the Codec protocol
        """Return nothing: no byte is ever held back here."""
        return []

    def message(self, text: str) -> tuple[Stream, bytes]:
        """Word a line of its own on the terminal, or on stderr where there is none."""
        if self._terminal:
            return Stream.STDOUT, f"\r\n{text}\r\n".encode()
        return Stream.STDERR, f"{text}\n".encode()
