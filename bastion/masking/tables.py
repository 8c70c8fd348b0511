"""Readers of what has fields: rows under a header, tuples of SQL, values behind a key.

A reader takes text unit by unit (a line, a tuple, a value) and says which stretches are personal, by the column or the
field they stand in. It is asked again with more text when a unit isn't complete, and never needs more than `LIMIT`
bytes: of a longer row nothing is shown.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from bastion.masking.fields import PERSONAL, WEAK, header, kind_of
from bastion.masking.nearby import FIELD, LIMIT, OBJECT_END

_LONGEST_VALUE = 128
_LOOK_AHEAD = 120

Cell = tuple[int, int, str]
"""Where a personal value lies, and its kind; an empty kind says that it can't be known."""


class Unit(NamedTuple):
    """What was read: up to where, what is personal in it, and who reads on (None: nobody)."""

    end: int
    cells: Sequence[Cell]
    then: "Reader | None"


class Reader(Protocol):
    """Reads one kind of structure."""

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """Return the next unit of `text[start:end]`, or None if it needs more text."""

    def free(self, text: bytes, start: int) -> int:
        """Return up to where a unit that isn't complete may be shown on an idle terminal."""


_NOTHING = (
    rb"null|none|nil|\\n|n/?a|-|undefined|true|false|\*+|\[[A-Z\-]+(?::[0-9a-z\-./]+)?\]"
    rb"|string|str|text|varchar|char|date|datetime"
)
_EMPTY = re.compile(rb"(?i)" + _NOTHING)
_EMPTY_FIRST = b"nN\\-uUtTfF*[sSvVcCdD"
_RULE = re.compile(rb"[-+=|:\s]+|(?:\xe2[\x94\x95][\x80-\xbf]|\s)+")
_PROMPT = re.compile(rb"[^\n]{0,200}[$#>%:] ?\Z")
_PAGED = re.compile(rb"(?:[\x1b\r\s~:]|\.\.\.skipping\.\.\.|\(END\)|\([0-9]{1,9} rows?\)|Pattern not found[^\r\n|]*)*")
_NO_CELLS = frozenset((b"", *(bytes([byte]) for byte in b"-+=|:\xe2~.(P\x1b \t\r\n\x0b\x0c")))
"""What a line begins with that holds no cells but is no end of a table either."""
_BLANK_LINES = re.compile(rb"(?:[ \t\r\x0b\x0c]*+\n)++")
_NO_HEADER = re.compile(  # a byte that no name of a column holds or begins with; one word of a list
    rb"[^\n]*?(?:[^\w .\-/#()\x80-\xff\"'`\[\],;|\t\r\n\x0b\x0c]|[,;|\t][ \t]*[0-9.\-/()])"
    rb"|[^,;|\t\n\xe2]*+[,;|\t]?[ \t\r]*\n"
)
_BEFORE = b" \"'\x1b\r"  # may stand before what a cell holds
_BAR = "│".encode()


def is_empty(value: bytes) -> bool:
    """Return whether a field holds nothing, or what it held is masked already."""
    return not value or (value[0] in _EMPTY_FIRST and _EMPTY.fullmatch(value) is not None)


def _either(kind: str, other: str) -> str:
    return kind or other


def pieces(line: bytes, delimiter: bytes) -> list[tuple[int, int]]:
    """Return where the cells of a line lie, blanks and quotes around them included."""
    if b'"' not in line:
        cells, at = [], 0
        for cell in line.split(delimiter):
            cells.append((at, at + len(cell)))
            at += len(cell) + len(delimiter)
        return cells
    cells, begin, quoted = [], 0, False
    for sign in re.finditer(rb'"|' + re.escape(delimiter), line):
        if sign[0] == b'"':
            quoted = not quoted if quoted or not line[begin : sign.start()].strip() else quoted
        elif not quoted:
            cells.append((begin, sign.start()))
            begin = sign.end()
    return [*cells, (begin, len(line))]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of cells apart by a delimiter, one a line; with `framed` also before the first and behind the last one."""

    kinds: tuple[str, ...]
    delimiter: bytes
    framed: bool = False
    drawn: bool = False  # a table for people: cells are padded, and all rows have as many

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. Reads as many rows as there are; a line with other cells ends the table."""
        cells: list[Cell] = []
        known: dict[bytes, Sequence[Cell] | Rows | None] = {}  # the same short lines come again and again
        position = start
        while True:
            blank = _BLANK_LINES.match(text, position, end)
            position = position if blank is None else blank.end()
            stop = self._stop(text, position, end)
            if stop < 0:
                if not final:
                    return Unit(position, cells, self) if position > start else None
                stop = end
                if stop == position:
                    return Unit(position, cells, None)
            row = text[position:stop]
            found = known[row] if row in known else known.setdefault(row, self._row(row))
            if found is None or isinstance(found, Rows):
                return Unit(position if found is None else stop, cells, found)
            cells += [(position + low, position + high, kind) for low, high, kind in found]
            position = stop

    def _row(self, row: bytes) -> "Sequence[Cell] | Rows | None":
        """Return the personal cells of a line, what reads on behind it where it is another header, None if no row."""
        line, begin = row.rstrip(b"\r\n"), 0
        if self.drawn:
            begin = self._begin(line)
            line = line[begin:]
        if line[:1] in _NO_CELLS and (not line.strip() or _RULE.fullmatch(line) or _PAGED.fullmatch(line)):
            return ()
        if b"\x1b" in line:
            return self._painted(line, begin)
        found = self._pieces(line)
        if len(found) < len(self.kinds):
            return None
        named = [kind_of(line[low:high]) for (low, high), kind in zip(found, self.kinds, strict=False) if kind]
        if sum(map(bool, named)) * 2 >= len(named):
            kinds = header([line[low:high] for low, high in found])
            if kinds is not None:  # another table begins
                return () if tuple(kinds) == self.kinds else replace(self, kinds=tuple(kinds))
        return self._cells(line, begin, found)

    def free(self, text: bytes, start: int) -> int:
        """Return where the first personal cell begins; a prompt may be shown whole."""
        line = text[start:]
        if not line.strip() or _PROMPT.fullmatch(line):
            return len(text)
        found = pieces(line, self.delimiter)[1 if self.framed else 0 :]
        places = [start + low for (low, _), kind in zip(found, self.kinds, strict=False) if kind]
        return places[0] if places else len(text)

    def _pieces(self, line: bytes) -> list[tuple[int, int]]:
        found = pieces(line, self.delimiter)
        return found[1:-1] if self.framed else found

    def _painted(self, line: bytes, start: int) -> list[Cell]:
        """Return the cells of what an editor paints: rows and parts of rows, with moves of the cursor between."""
        cells = []
        for part in line.split(b"\x1b"):
            found = self._pieces(part)
            if len(found) > 1:
                cells += self._cells(part, start, found)
            start += len(part) + 1
        return cells

    def _begin(self, line: bytes) -> int:
        """Return where the row begins in a line: behind what a pager said before it, and how it moved the cursor."""
        first = line.find(self.delimiter)
        first = len(line) if first < 0 else first
        return max(line.rfind(b"\r", 0, first), line.rfind(b"\x1b", 0, first)) + 1

    def _stop(self, text: bytes, start: int, end: int) -> int:
        """Return the position behind the row's line end, which isn't one within quotes, or -1."""
        stop = text.find(b"\n", start, end) + 1
        while stop and not self.drawn and text.count(b'"', start, stop) % 2:
            if stop - start > LIMIT // 2:
                break
            stop = text.find(b"\n", stop, end) + 1
        return stop or -1

    def _cells(self, line: bytes, base: int, found: list[tuple[int, int]]) -> list[Cell]:
        cells = []
        shift = len(found) - len(self.kinds)
        kinds = self.kinds
        if shift:  # a delimiter stood in some cell, or cells are missing: count from the end too
            more = ("",) * shift
            kinds = tuple(map(_either, (*kinds, *more)[: len(found)], (*more, *kinds)[-len(found) :]))
        for (begin, high), kind in zip(found, kinds, strict=True):
            if not kind:
                continue
            value = line[begin:high].lstrip(_BEFORE)
            low = high - len(value)
            value = value.rstrip(b" \"'")
            if kind == "email" and b" " in value:
                continue  # more than an address, which is found by its form
            if not is_empty(value) and (kind not in {"ip", "mac"} or _ADDRESS.fullmatch(value)):
                cells.append((base + low, base + low + len(value), kind))
        return cells


_STRING = rb"'[^'\\]*+(?:\\.[^'\\]*+)*+'|\"[^\"]*+\"|\([^()']*+\)"
_TUPLE = re.compile(rb"[\s,]*+\((?:[^()'\"]++|" + _STRING + rb")*+\)", re.DOTALL)
_TUPLE_GAP = re.compile(rb"[\s,]*\Z")
_ITEM = re.compile(rb"(?:[^,'\"()]++|" + _STRING + rb")++", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tuples:
    """The tuples behind VALUES."""

    kinds: tuple[str, ...]

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. What is no tuple ends them."""
        found = _TUPLE.match(text, start, end)
        if found is None:
            rest = text[start : min(end, start + 64)].lstrip(b" \t\r\n,")
            over = (rest and not rest.startswith(b"(")) or final
            return Unit(start, (), None) if over else None
        opened = text.index(b"(", start) + 1
        cells = []
        at = opened
        for kind in self.kinds:
            item = _ITEM.match(text, at, found.end() - 1)
            if item is None:
                break
            value = item[0].strip()
            low = item.start() + len(item[0]) - len(item[0].lstrip())
            inner = value.strip(b"'\"")
            low += len(value) - len(value.lstrip(b"'\""))
            if kind and not is_empty(inner):
                cells.append((low, low + len(inner), kind))
            at = item.end() + 1
        return Unit(found.end(), cells, self)

    def free(self, text: bytes, start: int) -> int:
        """Return the beginning of the tuple."""
        return len(text) if _TUPLE_GAP.match(text, start) else start


_GAP = re.compile(rb"[:=>|]{0,2}[ \t]{0,30}(\\?[\"']|)")
_ADDRESS = re.compile(rb"[0-9A-Fa-f.:/%\-]{3,}")
_INSIDE = rb"(?:[^ ,;|\t\r\n<>&{}()\[\]\"\x00\x1b]++| (?! |[A-Za-z_\-.]{1,40}[:=]|-|\||\r|\n|\Z))*+"
_BARE = re.compile(_INSIDE)
_DIGIT_INSIDE = _INSIDE.replace(b"[^", b"[^0-9", 1) + b"[0-9]"
_WORD = re.compile(rb"[^\s,;|<>&{}()\[\]\"\x00\x1b]*+")
_QUOTED = {
    quote: re.compile(rb"(?:(?!" + re.escape(quote) + rb")(?:[^\\\n]|\\(?:.|\Z)))*+", re.DOTALL)
    for quote in (b"'", b'"', b"\\'", b'\\"')
}
_REFUSED = re.compile(rb"\Z|[$%{<\[(@*\\/]|(?i:" + _NOTHING + rb")\Z")
_DIGITS = b"0123456789"
_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")
_PART = rb"(?:[A-Z]|\xc3[\x80-\x9e]|[\xc4\xc5\xd0][\x80-\xbf])(?:[a-z'\x80-\xd4][A-Za-z'\x80-\xd4\-]*|\.)"
_PERSON = re.compile(_PART + rb"(?: (?:" + _PART + rb"|van|von|de|der|den|di|da|del|la|bin|al)){1,4}")
_LIKELY = {
    "name": re.compile(_GAP.pattern + rb"[^A-Za-z\x80-\xff]*+[A-Za-z\x80-\xff]"),
    "birth-date": re.compile(_GAP.pattern + rb"(?:(?<=[\"'])|" + _DIGIT_INSIDE + b")"),
    "national-id": re.compile(_GAP.pattern + rb"(?:(?<=[\"'])|(?:" + _DIGIT_INSIDE + b"){5})"),
    WEAK: re.compile(_GAP.pattern + _PART + b" "),
}
_LEAST_DIGITS = {"birth-date": 1, "national-id": 5}


def is_likely(kind: str, text: bytes, start: int) -> bool:
    """Return whether a value of this kind may stand behind a key; for `WEAK`, one that tells by itself that it is."""
    return _LIKELY[kind].match(text, start, start + _LONGEST_VALUE + 40) is not None


class Value(NamedTuple):
    """The value behind a key. `weak` is whether the key is a bare name; `told` whether what came before tells whose."""

    kind: str
    spaced: bool  # whether the value may hold blanks though it isn't quoted
    weak: bool = False
    told: bool = False

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`."""
        gap = _GAP.match(text, start, end)
        assert gap is not None
        low = gap.end()
        quote, limit = gap[1], low + _LONGEST_VALUE + 8
        pattern = _QUOTED[quote] if quote else _BARE if self.spaced else _WORD
        found = pattern.match(text, low, min(end, limit))
        assert found is not None
        high = found.end()
        needed = high + 1 + (_LOOK_AHEAD if self.weak and not self.told else 0)
        if needed >= end and not final and not self._line_over(text, high, end) and high - low <= _LONGEST_VALUE:
            return None
        value = found[0].rstrip()
        if high - low > _LONGEST_VALUE or not self._believed(text, value, high):
            return Unit(start, (), None)
        return Unit(low + len(value), ((low, low + len(value), self.kind),), None)

    def free(self, text: bytes, start: int) -> int:
        """Return where the value begins; that of a bare name is shown while nothing tells whose it is."""
        if self.weak and not self.told:
            return len(text)
        gap = _GAP.match(text, start)
        return start if gap is None else gap.end()

    def _line_over(self, text: bytes, high: int, end: int) -> bool:
        """Whether the line, or the object, ends behind the value; nothing more is looked at then."""
        if high >= end:
            return False
        if not self.weak or self.told:
            return high + 1 < end or text[high] < 0x20
        return OBJECT_END.search(text, high, end) is not None

    def _believed(self, text: bytes, value: bytes, high: int) -> bool:
        least = _LEAST_DIGITS.get(self.kind)
        if least is None and _LETTER.search(value) is None:
            return False
        if least is not None or self.weak:
            digits = len(value) - len(value.translate(None, _DIGITS))
            if digits if least is None else digits < least:
                return False
        if _REFUSED.match(value) or text[high : high + 1] in (b"(", b"[") or kind_of(value):
            return False
        if not self.weak or self.told or _PERSON.fullmatch(value):
            return True
        after = text[high : high + _LOOK_AHEAD]
        after = OBJECT_END.split(after, maxsplit=1)[0]
        return any(kind_of(key) in PERSONAL for key in set(FIELD.findall(after)))


@dataclass(frozen=True, slots=True)
class Rest:
    """The rest of a row that is too long to be looked at: nothing of it is shown."""

    then: Reader

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`."""
        del final
        stop = text.find(b"\n", start, end)
        if stop < 0:
            return Unit(end, ((start - 1, end, ""),), self) if end > start else None
        return Unit(stop, ((start - 1, stop, ""),) if stop > start else (), self.then)

    def free(self, text: bytes, start: int) -> int:
        """Return the start."""
        del text
        return start


@dataclass(frozen=True, slots=True)
class Heading:
    """The rest of a line that may name columns. `lead` is how the line began; `known` what follows it, if known.

    The header of a table drawn for people counts only when a rule is drawn below it.
    """

    lead: bytes
    known: Rows | None = None

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`."""
        whole = self.lead.endswith(b"\n")
        stop = start if whole else text.find(b"\n", start, end) + 1
        if not stop and not whole:
            return Unit(start, (), None) if final or end - start > LIMIT // 2 else None
        if self.known is not None:
            return Unit(stop, (), self.known)
        rows = rows_under((self.lead + text[start:stop]).rstrip(b"\r\n"))
        if rows is None or not rows.drawn:
            return Unit(stop if rows else start, (), rows)
        below = text.find(b"\n", stop, end)
        if below < 0 and not final and end - stop <= LIMIT // 2:
            return None
        drawn = below > stop and _RULE.fullmatch(text[stop:below]) is not None
        return Unit(stop, (), rows) if drawn else Unit(start, (), None)

    def free(self, text: bytes, start: int) -> int:
        """Return the end: names of columns are nobody's, and what follows is looked at again."""
        stop = text.find(b"\n", start) + 1
        return stop or len(text)


def may_be_header(text: bytes, start: int, end: int) -> bool:
    """Return whether the line that begins here may name columns, as each does that isn't whole yet. Quick."""
    return _NO_HEADER.match(text, start, end) is None or text.find(b"\n", start, end) < 0


def rows_under(line: bytes) -> Rows | None:
    """Return what reads the rows under this line, if it names personal columns."""
    bare = line.strip()
    for bar in (b"|", _BAR):
        if bare.startswith(bar) and bare.endswith(bar) and len(bare) > 2:
            kinds = header(bare[len(bar) : -len(bar)].split(bar))
            return None if kinds is None else Rows(tuple(kinds), bar, framed=True, drawn=True)
    if b" | " in line or _BAR in line:
        bar = _BAR if _BAR in line else b"|"
        kinds = header(line.split(bar))
        return None if kinds is None else Rows(tuple(kinds), bar, drawn=True)
    for delimiter in sorted((b",", b"\t", b";", b"|"), key=line.count, reverse=True):
        if delimiter in line:
            kinds = header([line[low:high] for low, high in pieces(line, delimiter)])
            if kinds is not None:
                return Rows(tuple(kinds), delimiter)
    return None
