"""Reads headers and the rows under them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bastion.masking.fields import header, kind_of
from bastion.masking.nearby import LIMIT
from bastion.masking.units import Cell, Reader, Unit, is_empty

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
_ADDRESS = re.compile(rb"[0-9A-Fa-f.:/%\-]{3,}")


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
