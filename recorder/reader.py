"""Reads recordings, lazily and with bounded memory, also those that a killed process or a full disk left behind.

A torn last line is not an error: the recording was cut off there. Any other line that cannot be read is one, unless
the reader is told to be `tolerant`, when it is left out and counted. No line is read beyond `LINE_MAX` bytes.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO

from recorder.asciicast import CUT_OFF, LINE_MAX, Code, Event, Header, decode_event, decode_header
from recorder.errors import RecordingError, RecordingMissingError, cause

_BLOCK = 64 << 10


@dataclass(frozen=True, slots=True)
class Ending:
    """How a recording ends: its last event's time in seconds, whether it was closed, and with which exit status."""

    duration: float
    ended: bool
    exit_status: str | None


class Recording:
    """A recording on a disk or elsewhere. Every call of `events` reads it anew, and several may run at once.

    Parameters
    ----------
    opener: opens the recording as a seekable binary stream, once for each reading.
    name: how errors call it.
    tolerant: leave corrupt lines out instead of raising; `corrupt` counts those of the last reading.
    """

    def __init__(self, opener: Callable[[], BinaryIO], name: str, *, tolerant: bool = False) -> None:
        self._opener = opener
        self._tolerant = tolerant
        self.name = name
        self.corrupt = 0

    @classmethod
    def open(cls, path: Path, *, tolerant: bool = False) -> "Recording":
        """Return the recording in a file; the file is opened once something is read."""
        return cls(lambda: path.open("rb"), str(path), tolerant=tolerant)

    @cached_property
    def header(self) -> Header:
        """What the recording says about itself."""
        with self._open() as stream:
            return self._header(stream)

    @cached_property
    def ending(self) -> Ending:
        """How the recording ends; read from the end of the file, at its first use."""
        with self._open() as stream:
            self._header(stream)
            event = _last_event(stream)
        if event is None:
            return Ending(0.0, ended=False, exit_status=None)
        status = event.text.partition(" ")[2] if event.closes else ""
        return Ending(event.time, event.closes, status or None)

    @property
    def duration(self) -> float:
        """Seconds from the start to the last event."""
        return self.ending.duration

    @property
    def ended(self) -> bool:
        """Whether the recording was closed; otherwise it was cut off, or is being written now."""
        return self.ending.ended

    def events(self) -> Iterator[Event]:
        """Yield all events in order. Of a recording that was cut off, the last is a marker that its file lacks."""
        last, closed = 0.0, False
        self.corrupt = 0
        with self._open() as stream:
            self._header(stream)
            for number, (line, torn) in enumerate(_lines(stream), 2):
                try:
                    event = decode_event(line)
                except RecordingError as error:
                    if torn:
                        break
                    self._report(number, error)
                    continue
                if event is None:
                    continue
                if event.time < last:
                    event = Event(last, event.code, event.data)
                last, closed = event.time, event.closes
                yield event
        if not closed:
            yield Event(last, Code.MARKER, CUT_OFF.encode())

    def follow(self) -> Iterator[Event | None]:
        """Yield all events of a recording that is being written, as they come, up to the marker that closes it.

        None says that there is nothing more yet: ask again later. Where its writer died, that goes on for ever.
        """
        closed = False
        with self._open() as stream:
            self._header(stream)
            begun = b""
            while not closed:
                line = begun + stream.readline(LINE_MAX - len(begun))
                if not line.endswith(b"\n") and len(line) < LINE_MAX:
                    begun = line
                    yield None
                    continue
                begun = b""
                try:
                    event = decode_event(line)
                except RecordingError:
                    continue
                if event is not None:
                    closed = event.closes
                    yield event

    def digest(self) -> tuple[int, str]:
        """Return the file's size in bytes and SHA-256 in hex, to be compared with its seal."""
        checksum, size = hashlib.sha256(), 0
        with self._open() as stream:
            while block := stream.read(_BLOCK):
                checksum.update(block)
                size += len(block)
        return size, checksum.hexdigest()

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        try:
            with self._opener() as stream:
                yield stream
        except FileNotFoundError as error:
            raise RecordingMissingError(f"there is no recording {self.name}") from error
        except OSError as error:
            raise RecordingError(f"cannot read the recording {self.name}: {cause(error)}") from error

    def _header(self, stream: BinaryIO) -> Header:
        try:
            return decode_header(stream.readline(LINE_MAX))
        except RecordingError as error:
            raise RecordingError(f"{self.name} line 1: {error}") from error

    def _report(self, number: int, error: RecordingError) -> None:
        if not self._tolerant:
            raise RecordingError(f"{self.name} line {number}: {error}; the file was damaged or changed") from error
        self.corrupt += 1


def _lines(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Yield each line and whether it is torn, that is the last one and without its newline.

    Of a line that is too long only the beginning is given, which cannot be decoded.
    """
    while line := stream.readline(LINE_MAX):
        end = line
        while len(end) == LINE_MAX and not end.endswith(b"\n"):
            end = stream.readline(LINE_MAX)
        yield line, not end.endswith(b"\n")


def _last_event(stream: BinaryIO) -> Event | None:
    """Return the last event after the stream's position that can be decoded, looking at the last lines only."""
    start, end = stream.tell(), stream.seek(0, SEEK_END)
    span = _BLOCK
    while True:
        position = stream.seek(max(start, end - span))
        lines = stream.read(end - position).split(b"\n")
        for line in reversed(lines if position == start else lines[1:]):
            try:
                event = decode_event(line)
            except RecordingError:
                continue
            if event is not None:
                return event
        if position == start or span > 2 * LINE_MAX:
            return None
        span *= 2
