"""What the relay asks of the client's side of a channel; no more than that, so that tests can stand in for it."""

from typing import Protocol

from bastion.model import Stream


class ClientSide(Protocol):
    """What the relay does to the client's channel (`bastion.channel.client`)."""

    def send(self, stream: Stream, data: bytes) -> None:
        """Send bytes on stdout or stderr."""

    def send_eof(self) -> None:
        """Half-close."""

    def read(self, reading: bool) -> None:
        """Start or stop reading from the client."""

    def exit(self, status: str | None, signal: tuple[bool, str, str] | None) -> None:
        """Report an exit status or signal, or neither, and close."""
