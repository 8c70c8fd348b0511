"""Recognises output that hides what it carries: archives, encryption, and encodings that masking can't see through.

It changes nothing and decides nothing: it tells what it saw, and a rule says whether that is stopped or asked about.
Seen are the magic bytes of compressed and encrypted files where an output begins, and runs of base64 or hexadecimal
lines, which are decoded as far as they go and searched for magic and for values; e-mail addresses are seen in lines
written backwards too (`rev`).
Not seen: anything else that turns text into other text (`tr`, `xxd -p | rev`, custom code), or one character per line.
"""

import base64
import binascii
import re
from dataclasses import dataclass

from bastion.masking.finder import Finder

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
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
    (b"SQLite format 3\x00", "sqlite"),
)
_HEAD = max(len(magic) for magic, _ in _MAGIC)
_LEAST_RUN = 64  # encoded characters that make a run worth decoding
_LONGEST_LINE = 4096
_LONGEST_RUN = 65536

_BASE64 = re.compile(rb"[A-Za-z0-9+/\-_]{16,}={0,2}")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){8,}")


@dataclass(frozen=True, slots=True)
class Disguise:
    """What was recognised: the name of its form, and how many values it was seen to hold where it could be decoded."""

    form: str
    values: int = 0


class DisguiseWatch:
    """Watches one stream. Holds one line and one run of encoded lines, each bounded."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._head: bytes | None = b""
        self._line = b""
        self._run = b""
        self._form = ""

    def feed(self, data: bytes) -> list[Disguise]:
        """Take bytes in and return what they let recognise, in order."""
        seen = self._look_at_head(data)
        lines = (self._line + data).split(b"\n")
        self._line = lines.pop()
        if len(self._line) > _LONGEST_LINE:
            lines.append(self._line)
            self._line = b""
        for line in lines:
            seen += self._look_at_line(line.rstrip(b"\r"))
        return seen

    def end(self) -> list[Disguise]:
        """Return what the rest lets recognise."""
        seen = self._look_at_line(self._line.rstrip(b"\r")) if self._line else []
        self._line = b""
        return seen + self._finish_run()

    def _look_at_head(self, data: bytes) -> list[Disguise]:
        if self._head is None:
            return []
        self._head += data[: _HEAD - len(self._head)]
        form = magic_of(self._head)
        if form or len(self._head) >= _HEAD:
            self._head = None
        return [Disguise(form)] if form else []

    def _look_at_line(self, line: bytes) -> list[Disguise]:
        form = _form_of(line)
        seen = []
        if form != self._form or len(self._run) + len(line) > _LONGEST_RUN:
            seen = self._finish_run()
            self._form = form
        if form:
            self._run += line
        else:
            seen += self._look_backwards(line)
        return seen

    def _look_backwards(self, line: bytes) -> list[Disguise]:
        """Look for addresses in a line read from its end; numbers backwards are found in too much that is none."""
        if b"@" not in line or self._addresses(line):
            return []
        values = self._addresses(line[::-1])
        return [Disguise("reversed", values)] if values else []

    def _addresses(self, line: bytes) -> int:
        return sum(self._finder.rows[value.row].kind == "email" for value in self._finder.find(line, 0, len(line)))

    def _finish_run(self) -> list[Disguise]:
        run, form = self._run, self._form
        self._run, self._form = b"", ""
        if len(run) < _LEAST_RUN:
            return []
        decoded = _decoded(run, form)
        inside = magic_of(decoded)
        values = self._values(decoded)
        return [Disguise(f"{form} of {inside}" if inside else form, values)] if inside or values else []

    def _values(self, text: bytes) -> int:
        return len(self._finder.find_all(text))


def magic_of(head: bytes) -> str:
    """Return the name of the container whose magic bytes begin `head`, or an empty text."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


def _form_of(line: bytes) -> str:
    """Return what a whole line may be encoded in."""
    if _HEX.fullmatch(line):
        return "hex"
    return "base64" if _BASE64.fullmatch(line) else ""


def _decoded(run: bytes, form: str) -> bytes:
    try:
        if form == "hex":
            return binascii.unhexlify(run)
        plain = run.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
        return base64.b64decode(plain[: len(plain) // 4 * 4] + _tail(plain))
    except ValueError:
        return b""


def _tail(plain: bytes) -> bytes:
    """Return the last characters of base64 with their padding; a single one says nothing."""
    rest = plain[len(plain) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""
