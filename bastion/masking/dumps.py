"""Reads dumps of bytes in columns: `xxd`, `hexdump`, `od`, and lists of hexadecimal bytes.

Lines are decoded as they come to their end; lines in a row are read as one text.
"""

import re
from collections.abc import Callable

from bastion.masking.finder import Finder
from bastion.masking.inside import Values

MARKS = (
    rb"(?: [2-7][0-9A-Fa-f]){4}",
    rb"(?: [2-7][0-9A-Fa-f][2-7][0-9A-Fa-f]){3}",
    rb"(?: 0[0-7]{5}){3}",
    rb"   [!-~]   [!-~]   ",
    rb"(?:0x[0-9A-Fa-f]{2}, ){2}",
)
"""One of these, as patterns of an engine, is where a dump shows text. Those for any bytes would take twice as long."""

_LONGEST = 16384
_PLACE = rb"(?:[0-9A-Fa-f]{6,16}:?)?"
_CELL = re.compile(rb".{1,4}", re.DOTALL)
_ESCAPES = {b"\\0": b"\0", b"\\a": b"\a", b"\\b": b"\b", b"\\f": b"\f", b"\\n": b"\n", b"\\r": b"\r", b"\\t": b"\t"}


def _from_bytes(signs: bytes) -> bytes:
    return bytes.fromhex(signs.replace(b"0x", b"").replace(b",", b" ").decode("ascii"))


def _from_words(signs: bytes) -> bytes:
    return b"".join(int(word, 16).to_bytes(2, "little") for word in signs.split())


def _from_octal(signs: bytes) -> bytes:
    return b"".join((int(word, 8) & 0xFFFF).to_bytes(2, "little") for word in signs.split())


def _from_signs(signs: bytes) -> bytes:
    said = []
    for cell in _CELL.findall(signs):
        sign = cell[1:].lstrip(b" ") or b" "
        if len(sign) == 3:
            said.append(bytes([int(sign, 8) & 0xFF]))
        else:
            said.append(_ESCAPES.get(sign, sign))
    return b"".join(said)


_FORMS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], bytes]], ...] = tuple(
    (re.compile(pattern), decode)
    for pattern, decode in (
        (rb"[0-9A-Fa-f]{8}: ((?:[0-9A-Fa-f]{2,8} ){1,32}) .*", _from_bytes),
        (rb"[0-9A-Fa-f]{8}  ((?:[0-9A-Fa-f]{2} {1,2}){1,16}) *\|.*", _from_bytes),
        (_PLACE + rb" *((?:[0-9A-Fa-f]{2}(?: {1,2}|\s*$))+)", _from_bytes),
        (rb"[0-9A-Fa-f]{7,8} {1,4}((?:[0-9a-f]{4}(?: {1,4}|\s*$))+)", _from_words),
        (rb"[0-7]{7}((?: [0-7]{6})+)\s*", _from_octal),
        (rb"[0-7]{7}((?:   [ -~]| {1,2}(?:\\[abfnrtv0]|[0-7]{3}))+)\s*", _from_signs),
        (rb"\s*((?:0x[0-9A-Fa-f]{2},? ?)+)\s*", _from_bytes),
    )
)


_FIRSTS = frozenset(bytes([byte]) for byte in b" 0123456789ABCDEFabcdef")


class Dumps:
    """Reads the dumps in one stream."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._values: Values | None = None  # of the dump that goes on
        self._line = b""

    def feed(self, text: bytes, *, marked: bool) -> int:
        """Take what follows in and return how many values there are in a dump.

        `marked` is whether one of `MARKS` may be in lines that end with the text.
        """
        if not marked and self._values is None:
            last = text.rfind(b"\n") + 1
            self._line = (text[last:] if last else self._line + text)[-_LONGEST:]
            return 0
        *lines, self._line = (self._line + text).split(b"\n")
        self._line = self._line[-_LONGEST:]
        return self._read(lines)

    def end(self) -> int:
        """Return how many values there are in the dump that ends the stream."""
        return self._read([self._line, b""])

    def _read(self, lines: list[bytes]) -> int:
        """Return how many values there are in a dump of which some of these lines are."""
        values = 0
        said: list[bytes] = []
        for line in lines:
            part = _decoded(line)
            if part:
                said.append(part)
            else:
                values = max(values, self._add(said), self._over())
                said.clear()
        return max(values, self._add(said))

    def _add(self, said: list[bytes]) -> int:
        if not said:
            return 0
        if self._values is None:
            self._values = Values(self._finder)
        return self._values.feed(b"".join(said))

    def _over(self) -> int:
        values, self._values = self._values, None
        return 0 if values is None else values.end()


def _decoded(line: bytes) -> bytes:
    """Return the bytes that a line shows, or nothing where it is no part of a dump."""
    if line[:1] not in _FIRSTS:
        return b""
    line = line.rstrip(b"\r")
    for pattern, decode in _FORMS:
        found = pattern.fullmatch(line)
        if found is not None:
            try:
                return decode(found[1])
            except ValueError:  # half a byte
                return b""
    return b""
