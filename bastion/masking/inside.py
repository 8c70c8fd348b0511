"""Looks into what an archive or an encoding carries, piece by piece, and counts the values in it.

gzip, bzip2 and xz are unpacked as they come, without keeping what was unpacked; of other containers and of encryption
nothing can be said. What unpacks to far more than it takes, or is broken, counts as not to be looked into.
"""

import bz2
import lzma
import zlib
from typing import Protocol

from bastion.masking.files import FileMasker
from bastion.masking.finder import Finder
from bastion.masking.styles import FixedStyle

MAGIC = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh91AY&SY", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"Salted__", "openssl"),
    (b"age-encryption.org/", "age"),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", "age"),
    (b"-----BEGIN PGP MESSAGE-----", "pgp"),
    (b"\x8c\x0d\x04", "pgp"),  # a session's key: by a passphrase, by RSA, by Curve25519
    (b"\x85\x01\x0c\x03", "pgp"),
    (b"\x85\x02\x0c\x03", "pgp"),
    (b"\x84\x5e\x03", "pgp"),
)
"""What containers and encrypted files begin with, and their names."""

_MAGICS = tuple(magic for magic, _ in MAGIC)
_PIECE = 256 * 1024
_RATIO = 64  # to how much a byte may unpack, from `_SMALL` on
_SMALL = 1024 * 1024


class InsideError(ValueError):
    """It can't be looked into."""


class _Unpacker(Protocol):
    """What zlib, bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Values:
    """Counts the values in a text that is given in pieces."""

    def __init__(self, finder: Finder) -> None:
        self._masker = FileMasker(finder, FixedStyle(), interactive=False)

    def feed(self, text: bytes) -> int:
        """Take a piece and return how many values there are by now."""
        self._masker.feed(text)
        return sum(self._masker.counts.values())

    def end(self) -> int:
        """Return how many values there are in all."""
        self._masker.end()
        return sum(self._masker.counts.values())

    @property
    def open(self) -> int:
        """How many bytes at the end are not decided yet."""
        return self._masker.held


class Unpacked:
    """One archive that can be looked into: what begins with its magic, in pieces."""

    def __init__(self, finder: Finder, form: str) -> None:
        self._values = Values(finder)
        self.form = form
        self._unpacker = _unpacker(form)
        self._in = self._out = 0
        self.rest: bytes | None = None  # what came behind its end

    def feed(self, data: bytes) -> int:
        """Take a piece and return how many values there are by now. Raises InsideError."""
        self._in += len(data)
        while True:
            text, data = self._unpack(data)
            self._out += len(text)
            if self._out > _SMALL + _RATIO * self._in:
                raise InsideError("unpacks to too much")
            values = self._values.feed(text)
            if self._unpacker.eof:
                self.rest = self._unpacker.unused_data
                return self._values.end()
            if not data and len(text) < _PIECE:
                return values

    def _unpack(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            text = self._unpacker.decompress(data, _PIECE)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError) as error:
            raise InsideError("is broken") from error
        # zlib hands back what it did not come to, the others keep it.
        return text, getattr(self._unpacker, "unconsumed_tail", b"")


def can_unpack(form: str) -> bool:
    """Return whether `Unpacked` knows this form."""
    return form in {"gzip", "bzip2", "xz"}


def magic_of(head: bytes) -> str:
    """Return the name of the container whose magic bytes begin `head`, or an empty text."""
    if not head.startswith(_MAGICS):
        return ""
    return next(name for magic, name in MAGIC if head.startswith(magic))


def _unpacker(form: str) -> _Unpacker:
    if form == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    return bz2.BZ2Decompressor() if form == "bzip2" else lzma.LZMADecompressor(memlimit=128 * 1024 * 1024)
