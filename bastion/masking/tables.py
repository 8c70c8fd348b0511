"""Reads headers and the rows under them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from bastion.masking.fields import header, kind_of, lone
from bastion.masking.nearby import LIMIT
from bastion.masking.units import NOTHING_FIRST, Cell, Reader, Unit, is_empty

_RULE = re.compile(rb"[-+=|:\s]+|(?:\xe2[\x94\x95][\x80-\xbf]|\s)+")
_PROMPT = re.compile(rb"[^\n]{0,200}[$#>%:] ?\Z")
_PAGED = re.compile(rb"(?:[\x1b\r\s~:]|\.\.\.skipping\.\.\.|\(END\)|\([0-9]{1,9} rows?\)|Pattern not found[^\r\n|]*)*")
_NO_CELLS = frozenset((b"", *(bytes([byte]) for byte in b"-+=|:\xe2~.(P\x1b \t\r\n\x0b\x0c")))
"""What a line begins with that holds no cells but is no end of a table either."""
_BLANK_LINES = re.compile(rb"(?:[ \t\r\x0b\x0c]*+\n)++")
_NO_HEADER = re.compile(  # a byte that no name of a column holds or begins with; one word of a list
    rb"(?:[\w .\-/#()\x80-\xff\"'`\[\]\r\x0b\x0c]++|[,;|\t](?![ \t]*[0-9.\-/()]))*+[^\n]"
    rb"|[^,;|\t\n\xe2]*+[,;|\t]?[ \t\r]*\n"
)
_QUOTE, _RETURN, _ESCAPE, _SPACE, _LINE = b'"\r\x1b |'
_BEFORE = b" \"'\x1b\r"  # may stand before what a cell holds
_BAR = "│".encode()
_ADDRESSES = frozenset(("ip", "mac"))
_ADDRESS = re.compile(rb"[0-9A-Fa-f.:/%\-]{3,}")


_DELIMITERS = (b",", b"\t", b";", b"|")
_NO_DELIMITERS = bytes(set(range(0x100)) - set(b"".join(_DELIMITERS)))
_FIRST_SLICE, _LAST_SLICE = 64, 8192  # bytes whose lines are read together, behind the first one, which may end a table
_WHOLE_LINE = re.compile(rb"((?:[^\n\"]++|\"[^\"]*+\")*+\n)|(?s:.)++")
"""A line, whose end isn't one within quotes; or the rest, where that isn't known."""


def _cell_pattern(delimiter: bytes) -> re.Pattern[bytes]:
    """Return a pattern of what precedes a cell, and the cell: one that begins with a quote ends behind another one."""
    inside = b"(?:(?!" + re.escape(delimiter) + rb")(?s:.))*+"
    blank = b"(?:(?!" + re.escape(delimiter) + rb")\s)*+"
    return re.compile(
        rb"(?:\A|" + re.escape(delimiter) + b")(" + blank + rb"\"[^\"]*+(?:\"" + inside + b")?|" + inside + b")"
    )


_CELLS = {delimiter: _cell_pattern(delimiter) for delimiter in (*_DELIMITERS, _BAR)}


def _split(line: bytes, delimiter: bytes) -> list[bytes]:
    """Return the cells of a line, blanks and quotes around them included."""
    return _CELLS[delimiter].findall(line) if _QUOTE in line else line.split(delimiter)


class Rows:
    """Rows of cells apart by a delimiter, one a line; with `framed` also before the first and behind the last one.

    `drawn` is a table for people: cells are padded, and all rows have as many.
    """

    def __init__(self, kinds: tuple[str, ...], delimiter: bytes, *, framed: bool = False, drawn: bool = False) -> None:
        self.drawn = drawn
        self._kinds = kinds
        self._columns = [(index, kind, True) for index, kind in enumerate(kinds) if kind]
        self._uneven = len(kinds), self._columns  # the same for rows of so many cells, as the last uneven one had
        self._delimiter = delimiter
        self._framed = framed

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. Reads as many rows as there are; a line with other cells ends the table."""
        cells: list[Cell] = []
        known: dict[bytes, Sequence[Cell]] = {}  # the same short lines come again and again
        position, size = start, 0
        while True:
            lines = self._lines(text, position, end, size)
            size = min(size * 4 + _FIRST_SLICE, _LAST_SLICE)
            if not lines:
                if final and position < end:
                    lines = [text[position:end]]
                elif final:
                    return (end, cells, None)
                else:
                    return (position, cells, self) if position > start else None
            for line in lines:
                found = known.get(line)
                if found is None:
                    row = self._row(line)
                    if row is None:
                        return (position, cells, None)
                    if isinstance(row, Rows):
                        return (min(position + len(line) + 1, end), cells, row)
                    found = known[line] = row
                for low, high, kind in found:
                    cells.append((position + low, position + high, kind))
                position += len(line) + 1

    def _lines(self, text: bytes, start: int, end: int, size: int) -> list[bytes]:
        """Return the next lines, about as many bytes, without their ends: at least one if it is whole."""
        stop = text.rfind(b"\n", start, min(start + size, end)) if size else -1
        if stop < 0:
            stop = text.find(b"\n", start, end)
            if stop < 0:
                return []
        lines = text[start:stop]
        if self.drawn or _QUOTE not in lines:
            return lines.split(b"\n")
        found = [line[:-1] for line in _WHOLE_LINE.findall(text, start, stop + 1) if line]
        if max(map(len, found), default=LIMIT) < LIMIT // 2:
            return found
        stop = self._stop(text, start, end)
        return [] if stop < 0 else [text[start : stop - 1]]

    def _stop(self, text: bytes, start: int, end: int) -> int:
        """Return the position behind the row's line end, which isn't one within quotes, or -1."""
        stop = text.find(b"\n", start, end) + 1
        while stop and text.count(b'"', start, stop) % 2:
            if stop - start > LIMIT // 2:
                break
            stop = text.find(b"\n", stop, end) + 1
        return stop or -1

    def _row(self, row: bytes) -> "Sequence[Cell] | Rows | None":
        """Return the personal cells of a line, what reads on behind it where it is another header, None if no row."""
        line, begin = row.rstrip(b"\r\n"), 0
        if self.drawn and (_RETURN in line or _ESCAPE in line):
            begin = self._begin(line)
            line = line[begin:]
        if line[:1] in _NO_CELLS and (not line.strip() or _RULE.fullmatch(line) or _PAGED.fullmatch(line)):
            return ()
        if _ESCAPE in line:
            return self._painted(line, begin)
        cells = _split(line, self._delimiter)
        if self._framed:
            begin += len(cells[0]) + len(self._delimiter)
            cells = cells[1:-1]
        if len(cells) < len(self._kinds):
            return None
        found, named = self._personal(begin, cells)
        if named * 2 >= len(self._columns):
            kinds = header(cells)
            if kinds is not None:  # another table begins
                return () if kinds == self._kinds else self._like(kinds)
        return found

    def _like(self, kinds: tuple[str, ...]) -> "Rows":
        return Rows(kinds, self._delimiter, framed=self._framed, drawn=self.drawn)

    def free(self, text: bytes, start: int) -> int:
        """Return where the first personal cell begins; a prompt may be shown whole."""
        line = text[start:]
        if not line.strip() or _PROMPT.fullmatch(line):
            return len(text)
        cells = _split(line, self._delimiter)
        if self._framed:
            start += len(cells[0]) + len(self._delimiter)
            cells = cells[1:]
        for cell, kind in zip(cells, self._kinds, strict=False):
            if kind:
                return start
            start += len(cell) + len(self._delimiter)
        return len(text)

    def _painted(self, line: bytes, start: int) -> list[Cell]:
        """Return the cells of what an editor paints: rows and parts of rows, with moves of the cursor between."""
        found: list[Cell] = []
        for part in line.split(b"\x1b"):
            begin, cells = start, _split(part, self._delimiter)
            if self._framed:
                begin += len(cells[0]) + len(self._delimiter)
                cells = cells[1:-1]
            if len(cells) > 1:
                found += self._personal(begin, cells)[0]
            start += len(part) + 1
        return found

    def _begin(self, line: bytes) -> int:
        """Return where the row begins in a line: behind what a pager said before it, and how it moved the cursor."""
        first = line.find(self._delimiter)
        first = len(line) if first < 0 else first
        return max(line.rfind(b"\r", 0, first), line.rfind(b"\x1b", 0, first)) + 1

    def _columns_of(self, count: int) -> list[tuple[int, str, bool]]:
        """Return which of so many cells, other than in the header, are personal, and whether the header says so.

        One holds a delimiter or lacks, so columns count from the end too.
        """
        uneven = self._uneven  # taken once: other threads may read rows too
        if count != uneven[0]:
            kinds, more = self._kinds, ("",) * (count - len(self._kinds))
            both = zip((*kinds, *more)[:count], (*more, *kinds)[-count:], strict=True)
            columns = [(index, first or last, bool(first)) for index, (first, last) in enumerate(both) if first or last]
            uneven = self._uneven = count, columns
        return uneven[1]

    def _personal(self, at: int, cells: list[bytes]) -> tuple[list[Cell], int]:
        """Return the personal cells, the first cell of all begins at `at`, and how many are named like a field."""
        found: list[Cell] = []
        named = passed = 0
        columns = self._columns if len(cells) == len(self._kinds) else self._columns_of(len(cells))
        for index, kind, said in columns:
            if index > passed:
                at += sum(map(len, cells[passed:index])) + (index - passed) * len(self._delimiter)
                passed = index
            value = cell = cells[index]
            if said and kind_of(cell):
                named += 1
            low = at
            if not cell.isalnum():
                value = cell.lstrip(_BEFORE)
                low = at + len(cell) - len(value)
                value = value.rstrip(b" \"'")
                if not value or (kind == "email" and _SPACE in value):
                    continue  # more than an address, which is found by its form
            if value[0] in NOTHING_FIRST and is_empty(value):
                continue
            if kind not in _ADDRESSES or _ADDRESS.fullmatch(value):
                found.append((low, low + len(value), kind))
        return found, named


@dataclass(frozen=True, slots=True)
class Rest:
    """The rest of a row that is too long to be looked at: nothing of it is shown."""

    then: Reader

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`."""
        del final
        stop = text.find(b"\n", start, end)
        if stop < 0:
            return (end, ((start - 1, end, ""),), self) if end > start else None
        return (stop, ((start - 1, stop, ""),) if stop > start else (), self.then)

    def free(self, text: bytes, start: int) -> int:
        """Return the start."""
        del text
        return start


class Heading:
    """The rest of a line that may name columns. `lead` is how the line began; `known` what follows it, if known.

    The header of a table drawn for people counts only when a rule is drawn below it.
    """

    def __init__(self, lead: bytes, known: Rows | None = None) -> None:
        self._lead = lead
        self._known = known

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`."""
        whole = self._lead.endswith(b"\n")
        over = final or end - start > LIMIT
        stop = start if whole else text.find(b"\n", start, end) + 1
        if not stop and not whole:
            return (start, (), None) if over else None
        if self._known is not None:
            return stop, (), self._known
        rows = rows_under((self._lead + text[start:stop]).rstrip(b"\r\n"))
        if rows is None or not rows.drawn:
            return stop if rows else start, (), rows
        below = text.find(b"\n", stop, end)
        if below < 0 and not over:
            return None
        drawn = below > stop and _RULE.fullmatch(text[stop:below]) is not None
        return (stop, (), rows) if drawn else (start, (), None)

    def free(self, text: bytes, start: int) -> int:
        """Return the end: names of columns are nobody's, and what follows is looked at again."""
        stop = text.find(b"\n", start) + 1
        return stop or len(text)


def read_header(text: bytes, begin: int, start: int, end: int) -> Unit | None:
    """Read the line that begins there and may name columns, from `start` on; None says that it names none.

    What has to be waited for is left to a reader.
    """
    end = min(end, start + LIMIT + 1)
    stop = text.find(b"\n", start - 1, end) + 1
    if stop:
        if _NO_HEADER.match(text, begin, end) is not None:
            return None  # as most lines that hold the name of a column
        line = text[begin:stop].rstrip(b"\r\n")
        drawn = _drawn(line)
        below = text.find(b"\n", stop, end) if drawn else stop
        if below >= 0:
            if drawn and _RULE.fullmatch(text, stop, below) is None:
                return None
            rows = rows_under(line)
            return None if rows is None else (stop, (), rows)
    return start, (), Heading(text[begin:start])


def _drawn(line: bytes) -> bytes:
    """Return what parts the cells of this line if it is drawn for people, else nothing."""
    if _LINE in line:
        bare = line.strip()
        if bare[0] == _LINE == bare[-1] and len(bare) > 2:
            return b"|"
    if _BAR[0] in line and _BAR in line:
        return _BAR
    return b"|" if _LINE in line and _SPACE in line and b" | " in line else b""


@lru_cache(maxsize=256)
def rows_under(line: bytes) -> Rows | None:
    """Return what reads the rows under this line, if it names personal columns."""
    bar = _drawn(line)
    if bar:
        bare = line.strip()
        if bare.startswith(bar) and bare.endswith(bar) and len(bare) > 2:
            cells = bare[len(bar) : -len(bar)].split(bar)
            kinds = header(cells) if len(cells) > 1 else (lone(cells[0]),)
            return None if kinds is None or not any(kinds) else Rows(kinds, bar, framed=True, drawn=True)
        kinds = header(line.split(bar))
        return None if kinds is None else Rows(kinds, bar, drawn=True)
    signs = line.translate(None, _NO_DELIMITERS)
    if not signs:
        return None
    several = signs.count(signs[:1]) < len(signs)
    for delimiter in sorted(_DELIMITERS, key=line.count, reverse=True) if several else (signs[:1],):
        kinds = header(_split(line, delimiter)) if delimiter in line else None
        if kinds is not None:
            return _rows(kinds, delimiter)
    return None


_rows = lru_cache(maxsize=256)(Rows)
"""What reads rows is the same for all headers that name columns of the same kinds."""
