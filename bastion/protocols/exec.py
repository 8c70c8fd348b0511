"""SSH exec channels (RFC 4254 section 6.5): one command string, then plain bytes both ways."""

from bastion.model import Stream
from bastion.protocols.base import Command, Data, Event


class ExecCodec:
    """The command is complete before the first byte of data, which makes it a dependable gate.

    `terminal` says whether the client asked for a PTY: then there is no separate stderr and lines end in CR LF.
    """

    def __init__(self, command: bytes, *, terminal: bool) -> None:
        self._command = command
        self._terminal = terminal

    def start(self) -> list[Event]:
        """Return the command."""
        return [Command(self._command)]

    def feed(self, stream: Stream, data: bytes) -> list[Event]:
        """Return the bytes as they are: what a command reads and writes is its own affair."""
        return [Data(stream, data)]

    def end(self, stream: Stream) -> list[Event]:  # noqa: ARG002 - part of the Codec protocol
        """Return nothing: no byte is ever held back here."""
        return []

    def message(self, text: str) -> tuple[Stream, bytes]:
        """Word a line for stderr, or for the terminal where there is one."""
        if self._terminal:
            return Stream.STDOUT, f"{text}\r\n".encode()
        return Stream.STDERR, f"{text}\n".encode()
