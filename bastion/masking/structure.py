"""Follows the structure of one stream: where a header, a key or a statement tells what stands behind it.

Heads are found with the engine, together with the values (see `finder`); what a head opens is read by a reader of
`tables`. Text that a reader hasn't read whole is held back. Like everything else here it sees shown text alone and
gives the same however that comes in. A header further back than `tables.LIMIT` bytes, or in another stream, is
forgotten; so columns of a table whose header was not printed are known by their values alone.
"""

import re
import string
from collections.abc import Sequence

from bastion.masking import manifests
from bastion.masking.engine import Trigger
from bastion.masking.fields import COLUMNS, KEYS, WEAK, WEAK_KEYS, WEAK_NAMES, kind_of
from bastion.masking.tables import LIMIT, Cell, Heading, Reader, Rest, Rows, Tuples, Value
from bastion.masking.visible import BARRIER, last_character

_SIGN = rb"[\\\"'`]{0,2}[ \t]{0,40}[:=|>]"
TRIGGERS = (
    Trigger(rb"(?i)(?:^|[^A-Za-z])(?:" + COLUMNS + rb")[\"'`\]]?[ ]{0,40}(?:[,;|\t\r\n]|\xe2\x94\x82)"),
    Trigger(rb"(?i)(?:" + KEYS + rb")" + _SIGN),
    Trigger(rb"(?i)(?:^|[^0-9A-Za-z_.\-])(?:" + WEAK_KEYS + rb")" + _SIGN),
    Trigger(rb"(?i)\)\s{0,8}values"),
    Trigger(rb"(?i)\) from stdin"),
    manifests.TRIGGER,
)
"""What may open a structure; all are reported by where they end, and each has but one end for a start."""
COLUMN, KEY, WEAK_KEY, INSERT, COPY, DATA = range(len(TRIGGERS))

Head = tuple[int, int]
"""Where a trigger ends, and which."""

_REACH = 96
_NEAR = 96
_SPELLED = (string.ascii_letters + string.digits + "_- ").encode() + bytes(range(0x80, 0x100))
_INSERT = re.compile(rb"(?i)insert\s[^()]{1,200}\(([^()]{1,3000})\)\s{0,8}values\Z")
_COPY = re.compile(rb"(?i)copy\s[^()]{1,200}\(([^()]{1,3000})\) from stdin\Z")
_RECORD = re.compile(rb"-\[ RECORD [0-9]+ \]|\*{3} [0-9]+\. row \*{3}")
_RECORD_MARKS = (b"-[ RECORD ", b". row ***")
_RECORD_LINE = re.compile(rb"\s*[^\s|:]*\s*[|:]")
_FIELD = re.compile(rb"(?<![\[A-Z])[A-Za-z\x80-\xff][\w\x80-\xff \-]{1,30}(?=[\"']?[ \t]*[:=|])")
_APART = re.compile(rb"[{}]|\n[ \t]*(?:\r?\n|- )")
_PERSONAL = frozenset(("name", "birth-date", "email", "phone", "national-id", "iban", "card"))


class Structure:
    """The structure of one stream so far."""

    def __init__(self) -> None:
        self._reader: Reader | None = None
        self._history = b""  # shown before what is settled
        self._offset = 0  # how much was settled
        self._refused = -1  # position of the last head that named no columns

    def pop(self, count: int) -> None:
        """Take back characters that were settled."""
        if count:
            self._history = self._history[:-count]
            self._offset -= count

    def free(self, text: bytes, live: int) -> int:
        """Return up to where the text may be shown on an idle terminal, as far as the structure is concerned."""
        return len(text) if self._reader is None else self._reader.free(text, live)

    def settle(
        self, text: bytes, decided: int, live: int, heads: Sequence[Head], *, final: bool = False
    ) -> tuple[list[Cell], int]:
        """Return the personal cells of `text[decided:live]`, and up to where the text is settled now."""
        end = live
        if not final and live == len(text) and live and text[-1] >= 0x20:
            end -= last_character(text, live)
        cells: list[Cell] = []
        position = decided
        waiting = sorted(head for head in heads if decided <= head[0] <= end)
        index = 0
        while True:
            if self._reader is not None:
                position, more = self._read(text, position, end, cells, final=final)
                if more:
                    return cells, self._note(text, decided, min(position, live))
                continue
            while index < len(waiting) and waiting[index][0] < position:
                index += 1
            if index == len(waiting):
                return cells, self._note(text, decided, live)
            place, which = waiting[index]
            index += 1
            self._reader = self._open(text, decided, place, which)
            if self._reader is not None:
                position = place

    def _read(self, text: bytes, position: int, end: int, cells: list[Cell], *, final: bool) -> tuple[int, bool]:
        """Let the reader read; return up to where it did, and whether it needs more text."""
        reader = self._reader
        assert reader is not None
        unit = reader.read(text, position, end, final=final)
        if unit is None and final:
            self._reader = None
            return position, False
        if unit is None:
            if end - position <= LIMIT or isinstance(reader, Rest):
                return position, True
            cells.append((position, position + LIMIT, ""))
            self._reader = Rest(reader)
            return position + LIMIT, False
        cells += unit.cells
        self._reader = unit.then
        return unit.end, False

    def _note(self, text: bytes, decided: int, live: int) -> int:
        """Remember what is settled now."""
        if live > decided:
            self._history = (self._history + text[max(decided, live - LIMIT) : live])[-LIMIT:]
            self._offset += live - decided
        return live

    def _open(self, text: bytes, decided: int, place: int, which: int) -> Reader | None:
        """Return what reads on behind a head, if it is one."""
        if which == COLUMN:
            return self._heading(text, decided, place)
        if which in {KEY, WEAK_KEY}:
            return self._value(text, decided, place, which)
        if which == DATA:
            return manifests.Entries()
        before = self._before(text, decided, place, LIMIT)
        word, pattern = (b"insert", _INSERT) if which == INSERT else (b"copy", _COPY)
        begin = before.lower().rfind(word)
        found = pattern.match(before, begin) if begin >= 0 else None
        kinds = _kinds(found[1]) if found is not None else None
        if kinds is None:
            return None
        return Tuples(kinds) if which == INSERT else Heading(b"", Rows(kinds, b"\t"))

    def _before(self, text: bytes, decided: int, place: int, reach: int) -> bytes:
        """Return what was shown before a place."""
        if place - decided >= reach:
            return text[place - reach : place]
        return self._history[-(reach - place + decided) :] + text[decided:place]

    def _heading(self, text: bytes, decided: int, place: int) -> Heading | None:
        begin = text.rfind(b"\n", decided, max(decided, place - 1)) + 1
        lead = text[begin:place] if begin else self._before(text, decided, place, LIMIT)
        if not begin:
            lead = lead[lead.rfind(b"\n", 0, -1) + 1 :]
        lead = lead[max(lead.rfind(b"\r", 0, -1), lead.rfind(BARRIER, 0, -1)) + 1 :]  # as pagers begin a line
        absolute = self._offset + place - decided
        if self._refused >= absolute - len(lead) or len(lead) >= LIMIT:
            return None
        self._refused = absolute
        return Heading(lead)

    def _value(self, text: bytes, decided: int, place: int, which: int) -> Value | None:
        """Return what reads the value behind a key."""
        before = self._before(text, decided, place, _REACH)
        named = before[:-1].rstrip(b" \t").rstrip(b"\\\"'`")
        lead = named.rstrip(_SPELLED)
        key = named[len(lead) :].strip(b" ")
        sign = before[-1:]
        if sign == b">" and not lead.endswith(b"<"):
            return None  # no element of XML
        kind = kind_of(key)
        if which == KEY:
            spaced = sign != b"=" or before[-2:-1] in (b" ", b"\t")
            return Value(kind, spaced) if kind in {"name", "birth-date", "national-id"} else None
        if key.startswith(b"- "):
            key = key[2:].lstrip()
        if kind != WEAK or key.lower() not in WEAK_NAMES or lead.endswith((b".", b"[")):
            return None  # Model name: ..., --name=..., metadata.name: ...
        begins = not lead or lead.endswith(b"\n")
        told = (begins and self._is_record(text, decided, place)) or self._is_told(text, decided, place)
        if sign == b"|" and not told:
            return None
        return Value("name", spaced=True, weak=True, told=told)

    def _is_told(self, text: bytes, decided: int, place: int) -> bool:
        """Whether another personal field stands shortly before, in the same object."""
        near = _APART.split(self._before(text, decided, place, _NEAR + 1))[-1]
        fields = _FIELD.findall(near, 1 if len(near) > _NEAR else 0)  # one byte before tells [EMAIL:...] from a field
        return any(kind_of(key) in _PERSONAL for key in set(fields))

    def _is_record(self, text: bytes, decided: int, place: int) -> bool:
        """Whether a record of psql's or mysql's vertical layout began and no line without a field came since."""
        low = max(decided, place - LIMIT)
        seam = self._history[-16:] + text[decided : min(place, decided + 16)]
        if not any(mark in self._history or mark in seam or text.find(mark, low, place) >= 0 for mark in _RECORD_MARKS):
            return False
        lines = self._before(text, decided, place, LIMIT).split(b"\n")
        if _RECORD_LINE.fullmatch(lines[-1]) is None:
            return False
        for line in reversed(lines[:-1]):
            if _RECORD.search(line) is not None:
                return True
            if b"|" not in line and b":" not in line:
                return False
        return False


def _kinds(columns: bytes) -> tuple[str, ...] | None:
    """Return the kinds of the columns of a statement, or None where none is personal."""
    kinds = ["name" if kind == WEAK else kind for kind in map(kind_of, columns.split(b","))]
    return tuple(kinds) if any(kinds) else None
