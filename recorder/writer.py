"""Writes one recording to a file, as it happens.

When a method returns, its bytes are with the kernel: a killed process loses nothing, a power cut loses what the kernel
had not written (see `durable`). The SHA-256 of the file is kept while writing, so that the seal costs no second
reading. Not thread-safe; calls block for as long as the disk takes. A file is written once: nothing is appended later.
"""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recorder.asciicast import Encoder, Header, encode_header
from recorder.errors import RecordingError, cause

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished recording: its file, size in bytes, SHA-256 in hex, and number of events."""

    path: Path
    size: int
    sha256: str
    events: int


class RecordingWriter:
    """A recording being written.

    Parameters
    ----------
    path: a file that must not exist yet; it is created with mode 0600, missing folders above it with 0700.
    header: what the recording says about itself.
    durable: whether `close` waits until the file is on the disk (fsync).

    Every method raises RecordingError where the file cannot be written. The writer stays failed from then on; what
    was written before stays readable.
    """

    def __init__(self, path: Path, header: Header, *, durable: bool = False) -> None:
        self.path = path
        self._durable = durable
        self._encoder = Encoder()
        self._hash = hashlib.sha256()
        self._size = 0
        self._failed = ""
        line = encode_header(header)
        try:
            _make_folders(path.parent)
            self._fd = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            raise RecordingError(f"cannot create the recording {path}: {cause(error)}") from error
        try:
            self._append([line])
        except RecordingError:
            self._release()
            raise

    def write(self, code: str, data: bytes, time: float) -> None:
        """Record bytes of a stream (`Code.OUTPUT`, `ERROR` or `INPUT`) at `time` seconds since the start."""
        self._append(self._encoder.stream(code, data, time))

    def resize(self, columns: int, rows: int, time: float) -> None:
        """Record the terminal's new size in characters; a zero leaves that dimension as it is."""
        self._append([self._encoder.resize(columns, rows, time)])

    def marker(self, text: str, time: float) -> None:
        """Record that something happened, such as an approval."""
        self._append([self._encoder.marker(text, time)])

    def close(self, time: float, exit_status: str | None = None) -> Sealed:
        """End the recording with its closing marker and return the seal. The file is closed in any case.

        `exit_status` is the text of a number ("0") or of a signal ("SIGTERM"), None where there was none.
        """
        try:
            self._append(self._encoder.end(exit_status, time))
            if self._durable:
                os.fsync(self._fd)
        except OSError as error:
            raise self._failure(error) from error
        finally:
            self._release()
        return Sealed(self.path, self._size, self._hash.hexdigest(), self._encoder.events)

    def _append(self, lines: Iterable[bytes]) -> None:
        if self._failed:
            raise RecordingError(self._failed)
        try:
            for line in lines:
                written = os.write(self._fd, line)
                while written < len(line):  # a disk that is full takes a part, and says so at the next call
                    written += os.write(self._fd, memoryview(line)[written:])
                self._hash.update(line)
                self._size += written
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> RecordingError:
        self._failed = f"cannot write the recording {self.path}: {cause(error)}"
        return RecordingError(self._failed)

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        self._failed = self._failed or f"the recording {self.path} is closed"
        if fd >= 0:
            os.close(fd)


def _make_folders(folder: Path) -> None:
    """Create a folder and the missing ones above it, each for the owner alone."""
    if not folder.is_dir():
        _make_folders(folder.parent)
        with suppress(FileExistsError):  # another writer was faster
            folder.mkdir(mode=0o700)
