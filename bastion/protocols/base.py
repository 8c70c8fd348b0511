"""What every protocol codec offers: bytes of one channel in, events out.

A codec knows how its protocol frames a command and how it words a refusal; it decides nothing, keeps no clock and
touches no socket. Every event keeps its raw bytes, so that untouched traffic goes on byte for byte.
"""

from dataclasses import dataclass
from typing import Protocol

from bastion.model import Stream


@dataclass(frozen=True, slots=True)
class Command:
    """Something the target would run. Nothing after it may reach the target before it is decided."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes that are not a command of their own."""

    stream: Stream
    raw: bytes


Event = Command | Data


class Codec(Protocol):
    """One channel's protocol."""

    def start(self) -> list[Event]:
        """Return what the channel request itself means, before any byte of it."""

    def feed(self, stream: Stream, data: bytes) -> list[Event]:
        """Take the next bytes of a stream."""

    def end(self, stream: Stream) -> list[Event]:
        """Take the end of a stream."""

    def message(self, text: str) -> tuple[Stream, bytes]:
        """Word one line of the bastion's for the client: on which stream, and which bytes."""
