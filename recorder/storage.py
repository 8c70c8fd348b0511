"""Where recordings lie.

A key such as "2026/11/22/SESSION.cast" names a recording; it is made here from the day and the session's id, and every
key that comes back from outside is checked against the same strict form, so that no path chosen by a user reaches the
file system. `DiskStorage` also refuses symbolic links below its root. Calls block for as long as the disk takes.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import Protocol

from recorder.errors import RecordingError, RecordingMissingError, cause
from recorder.reader import Recording

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}"
_PROBE = 4096  # bytes
_KEY = re.compile(rf"[0-9]{{4}}/(0[1-9]|1[0-2])/(0[1-9]|[12][0-9]|3[01])/{_NAME}\.cast", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stored:
    """A recording that lies in a storage: its key, size in bytes, and when it was last written (UTC)."""

    key: str
    size: int
    modified: datetime


class RecordingStorage(Protocol):
    """Where recordings lie, by key. A key of the wrong form raises RecordingError before anything is touched."""

    def create(self, key: str) -> Path:
        """Return the file that a `RecordingWriter` shall write for this key."""

    def open(self, key: str, *, tolerant: bool = False) -> Recording:
        """Return a recording; raises RecordingMissingError where there is none."""

    def delete(self, key: str) -> None:
        """Delete a recording; raises RecordingMissingError where there is none."""

    def list(self) -> Iterator[Stored]:
        """Yield all recordings, oldest day first."""

    def probe(self) -> float:
        """Write something and take it away again; return the seconds that took. Raises RecordingError."""


def key_for(session: str, started: datetime) -> str:
    """Return the key of a session's recording. The id consists of letters, digits, `-` and `_`."""
    return _checked(f"{started.astimezone(UTC):%Y/%m/%d}/{session}.cast")


class DiskStorage:
    """Recordings in a folder, one folder a day. Folders it creates are for the owner alone (0700)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, key: str) -> Path:
        """Return the file that a `RecordingWriter` shall write for this key; the folders above it are created."""
        path = self._root / _checked(key)
        self._refuse_links(path, key)
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in self._folders(path):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise RecordingError(f"cannot create the recording {key}: {cause(error)}") from error
        return path

    def open(self, key: str, *, tolerant: bool = False) -> Recording:
        """Return a recording; raises RecordingMissingError where there is none."""
        path = self._existing(key)
        return Recording(lambda: path.open("rb"), key, tolerant=tolerant)

    def delete(self, key: str) -> None:
        """Delete a recording, and the folders this leaves empty; raises RecordingMissingError where there is none."""
        path = self._existing(key)
        try:
            path.unlink()
        except OSError as error:
            raise RecordingError(f"cannot delete the recording {key}: {cause(error)}") from error
        for folder in reversed(self._folders(path)):
            try:
                folder.rmdir()
            except OSError:
                return  # another recording lies in it

    def list(self) -> Iterator[Stored]:
        """Yield all recordings, oldest day first; files of other names and symbolic links are passed over."""
        for folder, folders, files in os.walk(self._root, onerror=_unreadable):
            folders.sort()
            for name in sorted(files):
                path = Path(folder, name)
                key = path.relative_to(self._root).as_posix()
                if _KEY.fullmatch(key) and not path.is_symlink():
                    with suppress(FileNotFoundError):  # deleted meanwhile
                        facts = path.stat()
                        yield Stored(key, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))

    def probe(self) -> float:
        """Write a file and take it away again; return the seconds that took, or raise RecordingError."""
        begin = monotonic()
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with TemporaryFile(dir=self._root) as file:
                file.write(bytes(_PROBE))
        except OSError as error:
            raise RecordingError(f"cannot write recordings below {self._root}: {cause(error)}") from error
        return monotonic() - begin

    def _existing(self, key: str) -> Path:
        path = self._root / _checked(key)
        self._refuse_links(path, key)
        if not path.is_file():
            raise RecordingMissingError(f"there is no recording {key}")
        return path

    def _folders(self, path: Path) -> tuple[Path, ...]:
        """Return the year's, the month's and the day's folder of a file."""
        return path.parents[2], path.parents[1], path.parents[0]

    def _refuse_links(self, path: Path, key: str) -> None:
        if any(part.is_symlink() for part in (*self._folders(path), path)):
            raise RecordingError(f"the recording {key} lies behind a symbolic link; remove the link")


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise RecordingError(f"cannot list the recordings in {error.filename}: {cause(error)}") from error


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise RecordingError("a recording's key has the form YYYY/MM/DD/ID.cast")
    return key
