"""Reads records whose fields are known by their place: lines of /etc/passwd and .pgpass, vCards, HL7, names in FHIR."""

import re
from collections.abc import Mapping

from bastion.masking.units import Cell, Reader, Unit, is_empty

ACCOUNT = rb":[x*]:[0-9]{4,9}:[0-9]{1,9}:"
CARD = rb"BEGIN:VCARD\r?\n"
SEGMENT = rb"[\r\n\x0b](?:PID|NK1)\|"
FAMILY = rb"\"family\"[ ]{0,8}:[ ]{0,8}\""
ACCESS = rb":(?:543[0-9]|6432|\*):[0-9A-Za-z_.*\-]+:[0-9A-Za-z_.*\-]+:"
"""What stands before the first of the fields, as patterns for an engine."""

_LONGEST = 2048
_LONGEST_BEFORE = 300
_LINE_END = rb"(?=[\r\n])"


class Fields:
    """Fields of one record. Groups of `pattern` are named by kinds and a number; `begun` may become such."""

    def __init__(self, pattern: bytes, begun: bytes) -> None:
        self._pattern = re.compile(pattern)
        self._begun = re.compile(begun)
        self._groups = [
            (group, name.rstrip("0123456789").replace("_", "-")) for name, group in self._pattern.groupindex.items()
        ]

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. Reads the fields, and nothing behind them."""
        if final and end - start < _LONGEST:
            text = text[:end] + b"\n"
            found = self._pattern.match(text, start)
        else:
            found = self._pattern.match(text, start, end)
        if found is None:
            more = not final and end - start < _LONGEST and self._begun.fullmatch(text, start, end) is not None
            return None if more else (start, (), None)
        cells: list[Cell] = []
        high = start
        for group, kind in self._groups:
            low, high = found.span(group)
            if low < high and not is_empty(text[low:high].strip()):
                cells.append((low, high, kind))
        return max(high, start), cells, None

    def free(self, text: bytes, start: int) -> int:
        """Return the start."""
        del text
        return start


def _fields(pattern: bytes, begun: bytes = rb"[^\r\n]*") -> Fields:
    return Fields(pattern, begun)


def _segment(kinds: Mapping[int, str]) -> Fields:
    """Return the fields of a line by their numbers, apart by bars; the last ones may be missing."""
    last = max(kinds)
    fields = [
        rb"(?P<%b>[^|\r\n]*)" % kinds[place].encode() if place in kinds else rb"[^|\r\n]*"
        for place in range(1, last + 1)
    ]
    return _fields(rb"(?:\|".join(fields) + rb")?" * (last - 1) + rb"[^\r\n]*" + _LINE_END)


class Card:
    """The lines of a vCard."""

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. Reads as many lines as there are; one that is of no card ends it."""
        cells: list[Cell] = []
        position = start
        while True:
            stop = text.find(b"\n", position, end) + 1 or (end if final else 0)
            if not stop:
                return (position, cells, self) if position > start else None
            line = _CARD_LINE.match(text, position, stop)
            if line is None or position == stop:
                return position, cells, None
            kind = _CARD_KINDS.get(line[1])
            if kind is not None and not is_empty(line[2]):
                cells.append((*line.span(2), kind))
            position = stop

    def free(self, text: bytes, start: int) -> int:
        """Return where the value begins."""
        sign = text.find(b":", start)
        return len(text) if sign < 0 else sign + 1


_CARD = Card()
_CARD_LINE = re.compile(rb"(?:item[0-9]+\.)?(?!END:)([A-Za-z\-]{1,40})(?::|;[^:\r\n]*:)([^\r\n]*)|[ \t]|\r?\n")
_CARD_KINDS = {b"FN": "name", b"N": "name", b"NICKNAME": "name", b"BDAY": "birth-date", b"TEL": "phone"}
_READERS = {
    b"family": _fields(
        rb"(?P<name1>[^\"\\\r\n]{1,80})\"\s{0,8},\s{0,40}\"given\"[ ]{0,8}:[ ]{0,8}\["
        rb"\s{0,40}\"(?P<name2>[^{}\[\]]{1,200}?)\"\s{0,40}\]",
        rb"[^{}]*",
    ),
    b"PID": _segment(
        {5: "name1", 6: "name2", 7: "birth_date", 9: "name3", 13: "phone1", 14: "phone2", 19: "national_id"}
    ),
    b"NK1": _segment({2: "name", 5: "phone1", 6: "phone2"}),
}
_ACCOUNT = _fields(rb"(?P<name>[^:\r\n]{1,120}):[/~][^:\r\n]{0,120}:", rb"[^:\r\n]*(?::(?:[/~][^:\r\n]*)?)?")
_ACCESS = _fields(rb"(?P<secret>[^:\s*\[][^:\s]{3,120})" + _LINE_END, rb"[^:\s]*")
_ACCESS_BEFORE = re.compile(rb"[^:\s#]{1,120}:(?:543[0-9]|6432|\*):[^:\s]+:[^:\s]+:")
_ACCOUNT_BEFORE = re.compile(ACCOUNT + rb"\Z")
_NOBODY = b":65534:65534:"
_HEAD = re.compile(rb"\"(family)\"[: ]+\"|[\r\n\x0b](PID|NK1)\|")


def record(text: bytes, place: int) -> Reader | None:
    """Return what reads the fields behind a head that ends at a place."""
    if _ACCOUNT_BEFORE.search(text, max(0, place - 32), place) is not None:
        return None if text.endswith(_NOBODY, 0, place) else _ACCOUNT
    if text[place - 1 : place] == b":":
        low = max(0, place - _LONGEST_BEFORE)
        begin = max(text.rfind(b"\n", low, place), text.rfind(b"\r", low, place)) + 1
        return _ACCESS if _ACCESS_BEFORE.fullmatch(text, begin, place) is not None else None
    if text.endswith((b"CARD\n", b"CARD\r\n"), 0, place):
        return _CARD
    begin = max(text.rfind(mark, max(0, place - 32), place) for mark in (b"\n", b"\r", b"\x0b", b'"family"'))
    found = _HEAD.match(text, begin, place) if begin >= 0 else None
    return None if found is None else _READERS[found[found.lastindex or 0]]
