"""Follows the structure of one stream: where a header, a key or a statement tells what stands behind it.

Heads are found with the engine, together with the values (see `finder`); what a head opens is read by a reader of
`tables`. Text that a reader hasn't read whole is held back. Like everything else here it sees shown text alone and
gives the same however that comes in. A header further back than `LIMIT` bytes, or in another stream, is
forgotten; so columns of a table whose header was not printed are known by their values alone.
"""

import re
import string
from collections.abc import Callable, Sequence

from bastion.masking import manifests, markup, people, ruled
from bastion.masking.engine import Trigger
from bastion.masking.fields import ALIGNED, COLUMNS, KEYS, WEAK, WEAK_KEYS, WEAK_NAMES, kind_of, lone
from bastion.masking.nearby import AHEAD, LIMIT, Nearby
from bastion.masking.tables import Heading, Rest, Rows, read_header
from bastion.masking.tuples import CREATE, INTO, Declared, Tables, Tuples
from bastion.masking.units import Cell, Reader, Unit
from bastion.masking.values import Value, begins_person
from bastion.masking.visible import BARRIER, last_character

_SIGN = rb"[\\\"'`]{0,2}[ \t]{0,40}[:=|>]"
_DELIMITER = rb"[\"'`\]]?[ ]{0,40}(?:[,;|\t\r\n]|\xe2\x94\x82)"
(
    COLUMN,
    NAME_KEY,
    DATE_KEY,
    NUMBER_KEY,
    WEAK_KEY,
    INSERT,
    COPY,
    DATA,
    TABLE,
    RULE,
    LONE_RULE,
    MARKUP,
    PERSON,
    HEADER,
) = range(14)
TRIGGERS = (
    *((COLUMN, Trigger(rb"(?i)(?:^|[^A-Za-z])(?:" + names + rb")" + _DELIMITER)) for names in COLUMNS),
    *(
        (which, Trigger(rb"(?i)(?:" + keys + rb")(?:" + _SIGN + rb"|\] =>)"))
        for which, keys in zip((NAME_KEY, DATE_KEY, NUMBER_KEY), KEYS, strict=True)
    ),
    (WEAK_KEY, Trigger(rb"(?i)(?:^|[^0-9A-Za-z_.\-])(?:" + WEAK_KEYS + rb")" + _SIGN)),
    (INSERT, Trigger(rb"(?i)\)\s{0,8}values")),
    (INSERT, Trigger(INTO)),
    (COPY, Trigger(rb"(?i)\) from stdin")),
    (DATA, manifests.TRIGGER),
    (TABLE, Trigger(CREATE)),
    (RULE, Trigger(ruled.RULE)),
    (LONE_RULE, Trigger(ruled.LONE_RULE)),
    (MARKUP, Trigger(markup.HEAD)),
    (HEADER, Trigger(rb"(?i)[ \n](?:" + ALIGNED + rb")(?:[ ]{2}|[ ]?\r?\n)")),
    *((PERSON, Trigger(head)) for head in (people.ACCOUNT, people.CARD, people.SEGMENT, people.FAMILY, people.ACCESS)),
)
"""What may open a structure, with its triggers; these are reported by where they end, and have one end for a start."""

Head = tuple[int, int]
"""Where what may open a structure ends, and which it is."""

_SURE = {
    which: (Value(kind, spaced=False), Value(kind, spaced=True))
    for which, kind in ((NAME_KEY, "name"), (DATE_KEY, "birth-date"), (NUMBER_KEY, "national-id"))
}
"""What reads behind keys that say for sure what it is; no name of one kind ends like one of another."""
_TOLD = Value("name", spaced=True, weak=True, told=True)
_UNTOLD = Value("name", spaced=True, weak=True)
_EQUALS, _GREATER, _BAR = b"=>|"
_ELEMENTS = (b"<", *(b" %s=%s" % (word, quote) for word in (b"name", b"key", b"column") for quote in (b'"', b"'")))
_NAMESPACE = re.compile(rb"<[\w.\-]{1,24}:\Z")
_LINE_ENDS = (b"", b"\n")
_REACH = 96
_SPELLED = (string.ascii_letters + string.digits + "_- ").encode() + bytes(range(0x80, 0x100))
_LONGEST_HEADER = 2048
_ALIGNED_REACH = 200
_ALIGNED_NAMES = _SPELLED + b".#/()\r\n"
_BREAKS = (b"\n", b"\r", BARRIER)  # as pagers begin a line
_INSERT = re.compile(rb"(?i)insert\s[^()]{1,200}\(([^()]{1,3000})\)\s{0,8}values\Z")
_COPY = re.compile(rb"(?i)copy\s[^()]{1,200}\(([^()]{1,3000})\) from stdin\Z")


class Structure:
    """The structure of one stream so far."""

    def __init__(self) -> None:
        self._reader: Reader | None = None
        self._history = b""  # shown before what is settled
        self._offset = 0  # how much was settled
        self._refused = -1  # position of the last head that named no columns
        self._tables = Tables()

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
        waiting = sorted([head for head in heads if decided <= head[0] <= end])
        around = _Around(self._history, text, decided, waiting, end, final=final)
        around.now = self._offset - len(self._history)
        shift = around.shift
        position, more = self._read(text, decided, end, cells, final=final)
        for place, which in () if more else waiting:
            if place < position:
                continue
            unit = _OPEN[which](self, around, place + shift, which)
            if unit is None:
                continue
            stop, found, self._reader = unit
            position = stop - shift
            for low, high, kind in found:
                cells.append((low - shift, high - shift, kind))
            if self._reader is not None:
                position, more = self._read(text, position, end, cells, final=final)
                if more:
                    break
        return cells, self._note(text, decided, min(position, live) if more else live)

    def _read(self, text: bytes, position: int, end: int, cells: list[Cell], *, final: bool) -> tuple[int, bool]:
        """Let readers read; return up to where they did, and whether one needs more text."""
        while (reader := self._reader) is not None:
            near = min(end, position + LIMIT + 1)  # no more, however much there is: the same has to come of every cut
            unit = reader.read(text, position, near, final=final and near == end)
            if unit is not None:
                position, found, self._reader = unit
                cells += found
            elif end - position > LIMIT:
                cells.append((position, position + LIMIT, ""))
                self._reader = Rest(reader)
                position += LIMIT
            elif final:
                self._reader = None
            else:
                return position, True
        return position, False

    def _note(self, text: bytes, decided: int, live: int) -> int:
        """Remember what is settled now."""
        if live > decided:
            self._history = (self._history + text[max(decided, live - LIMIT) : live])[-LIMIT:]
            self._offset += live - decided
        return live

    def heading(self, around: "_Around", place: int, _which: int) -> Unit | None:
        """Read a line that may name columns."""
        text = around.text
        begin = place - LIMIT if place > LIMIT else 0
        for mark in around.breaks:
            begin = max(begin, text.rfind(mark, begin, place - 1) + 1)
        if self._refused >= around.now + begin or place - begin >= LIMIT:
            return None
        self._refused = around.now + place
        if around.now + begin == 0 and text[place - 1] in b"\r\n":
            kind = lone(text[begin:place])
            if kind and kind != "phone":  # `mobile` may as well be the first of a list of files
                return place, (), Rows((kind,), b"|")  # a lone column, from the first line of all on
        return read_header(text, begin, place, around.end)

    def opened(self, around: "_Around", place: int, which: int) -> Unit | None:
        """Leave what stands behind another head to its reader."""
        reader = self._open(around, place, which)
        return None if reader is None else (place, (), reader)

    def _open(self, around: "_Around", place: int, which: int) -> Reader | None:
        if which == DATA:
            return manifests.Entries()
        if which == MARKUP:
            return markup.Markup()
        if which == PERSON:
            return people.record(around.text, place)
        if which == HEADER:
            return _aligned(around, place)
        if which == TABLE:
            return Declared(self._tables)
        if which in {RULE, LONE_RULE}:
            return _ruled(around.text, place)
        before = around.text[max(0, place - LIMIT) : place]
        word, pattern = (b"insert", _INSERT) if which == INSERT else (b"copy", _COPY)
        begin = before.lower().rfind(word)
        found = pattern.match(before, begin) if begin >= 0 else None
        kinds = _kinds(found[1]) if found is not None else None
        if kinds is None:
            return self._tables.behind(before) if which == INSERT else None
        return Tuples(kinds) if which == INSERT else Heading(b"", Rows(kinds, b"\t"))


def _ruled(text: bytes, place: int) -> Reader | None:
    """Return what reads the rest of a rule, or the rows below one that is whole, if a line above may name columns."""
    whole = text[place - 1 : place] == b"\n"
    rule = text.rfind(b"\n", 0, place - whole) + 1
    end = rule - 1 - (text[rule - 2 : rule - 1] == b"\r")
    low = max(0, end - _LONGEST_HEADER)
    begin = max(low, *(text.rfind(mark, low, end) + 1 for mark in _BREAKS))
    above = text[begin:end]
    if whole:
        return ruled.lone_column(above, text[rule:place].rstrip(b"\r\n"))
    return ruled.Ruled(above, text[rule:place]) if ruled.may_name(above) else None


def _aligned(around: "_Around", place: int) -> Reader | None:
    """Return what reads on in a line, if it may name columns that are apart by blanks."""
    text = around.text
    low = max(0, place - _ALIGNED_REACH)
    begin = max((text.rfind(mark, low, place - 1) + 1 for mark in around.breaks), default=0)
    if begin < low or (not begin and around.now):
        return None
    lead = text[begin:place]
    return ruled.Aligned(lead) if b"  " in lead and not lead.strip(_ALIGNED_NAMES) else None


class _Around:
    """What is settled with what was shown before, as far as heads look around themselves."""

    def __init__(
        self, history: bytes, text: bytes, decided: int, heads: Sequence[Head], end: int, *, final: bool
    ) -> None:
        """Take the heads that are waiting, and up to where the text is final."""
        self.text = history + text[decided:] if heads else b""
        self.now = 0  # the position in the stream of what `text` begins with
        self.shift = len(history) - decided
        self.end = end + self.shift
        self.final = final
        self.sure = len(self.text) if final else self.end - AHEAD  # what heads up to there look at won't change
        keys = [place + self.shift for place, which in heads if which == WEAK_KEY]
        self.nearby = Nearby(self.text, keys)
        self.breaks = [mark for mark in _BREAKS if mark in self.text]


def _key(text: bytes, place: int) -> tuple[bytes, bytes]:
    """Return the name of the key whose sign ends at a place, and what stands before it."""
    before = text[place - _REACH if place > _REACH else 0 : place - 1]
    named = before.rstrip(b" \t").rstrip(b"\\\"'`")
    lead = named.rstrip(_SPELLED)
    return named[len(lead) :], lead


def _names_element(lead: bytes) -> bool:
    """Return whether a name behind this is that of an element of XML: `<dob>`, `<x:dob>`, `<field name="dob">`."""
    return lead.endswith(_ELEMENTS) or _NAMESPACE.search(lead) is not None


def _sure_value(_structure: Structure, around: _Around, place: int, which: int) -> Unit | None:
    """Read the value behind a key that says for sure what it is."""
    text = around.text
    sign = text[place - 1]
    value = _SURE[which][sign != _EQUALS or text[place - 2] in b" \t"]
    unit = value.read(text, place, around.end, final=around.final)
    if unit is not None and not unit[1]:
        return None
    listed = text.endswith(b"] =>", 0, place)  # as PHP prints arrays
    key, lead = _key(text, place - 3 if listed else place)
    if kind_of(key) != value.kind or (sign == _GREATER and not listed and not _names_element(lead)):
        return None  # no such name; no element of XML
    return (place, (), value) if unit is None else unit


def _weak_value(_structure: Structure, around: _Around, place: int, _which: int) -> Unit | None:
    """Read the value behind a bare name, if it may be somebody's."""
    text, nearby = around.text, around.nearby
    told = nearby.told(place)
    recorded = not told and nearby.recorded(place)
    if not (told or recorded or place > around.sure or nearby.followed(place) or begins_person(text, place)):
        return None
    key, lead = _key(text, place)
    key = key.strip(b" ")
    sign = text[place - 1]
    if sign == _GREATER and not _names_element(lead):
        return None  # no element of XML
    if key.startswith(b"- "):
        key = key[2:].lstrip()
    if kind_of(key) != WEAK or key.lower() not in WEAK_NAMES or lead.endswith((b".", b"[")):
        return None  # Model name: ..., --name=..., metadata.name: ...
    told = told or (recorded and (not lead or lead.endswith(b"\n")))
    if sign == _BAR and not told and not (lead[-1:] in _LINE_ENDS and text[place - 2] not in b" \t"):
        return None  # amidst a row, or in a table drawn for people
    value = _TOLD if told else _UNTOLD
    unit = value.read(text, place, around.end, final=around.final)
    return (place, (), value) if unit is None else unit


_OPEN: dict[int, Callable[[Structure, _Around, int, int], Unit | None]] = {
    **{which: Structure.opened for which, _ in TRIGGERS},
    COLUMN: Structure.heading,
    **dict.fromkeys(_SURE, _sure_value),
    WEAK_KEY: _weak_value,
}
"""What reads a structure from its head on, at once as far as it can, or None if it is none."""


def _kinds(columns: bytes) -> tuple[str, ...] | None:
    """Return the kinds of the columns of a statement, or None where none is personal."""
    kinds = ["name" if kind == WEAK else kind for kind in map(kind_of, columns.split(b","))]
    return tuple(kinds) if any(kinds) else None
