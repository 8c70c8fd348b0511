"""Reads tables whose columns are apart by blanks, below rules of their own width or below their names alone.

So print `sqlite3 -column`, `psql` without borders, `sqlcmd`, `sqlplus`, `column -t` and others. A line belongs to
such a table as long as nothing stands between its columns; positions count in characters as a terminal shows them.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from bastion.masking.fields import PERSONAL, header, kind_of, lone
from bastion.masking.nearby import LIMIT
from bastion.masking.units import Cell, Unit, is_empty

RULE = rb"\n[ ]?(?:-+|(?:\xe2\x94\x80)+)[ ]{1,2}(?:-|\xe2\x94)"
"""How a rule begins, up to its second column, as a pattern for an engine."""

LONE_RULE = rb"\n[ ]?(?:-{3,}|(?:\xe2\x94\x80){3,})\r?\n"
"""A rule below a lone column, as a pattern for an engine."""

_LONGEST_LINE = 2048
_RULED = re.compile(r"[-\u2500]+")
_RULE = re.compile(r"[-\u2500 ]+")
_PROMPT = re.compile(r".{0,200}[$#>%:] ?\Z")
_WIDE = ("W", "F")
_PLAIN = frozenset(("ip", "mac", "email"))
"""Kinds that are found by their form wherever they stand."""


@lru_cache(maxsize=64)
def may_name(line: bytes) -> bool:
    """Return whether a line may name columns of which one is personal. Quick."""
    words = line.split()
    return len(words) > 1 and any(kind_of(b" ".join(words[max(0, end - 3) : end])) for end in range(1, len(words) + 1))


def _shown(line: bytes) -> str:
    """Return a line as it is shown, with a filler behind each character that takes two places."""
    text = line.decode("utf-8", "surrogateescape")
    if text.isascii():
        return text
    return "".join(sign + "\0" * (unicodedata.east_asian_width(sign) in _WIDE) for sign in text)


def _size(shown: str) -> int:
    """Return how many bytes a part of a shown line has."""
    return len(shown) if shown.isascii() else len(shown.replace("\0", "").encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of such a table: where its columns begin and end, and what they hold."""

    spans: tuple[tuple[int, int], ...]
    kinds: tuple[str, ...]

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. Reads as many rows as there are; another line ends the table."""
        cells: list[Cell] = []
        known: dict[bytes, Sequence[Cell] | None] = {}  # the same short lines come again and again
        position = start
        while True:
            stop = text.find(b"\n", position, end) + 1
            if not stop:
                if not final:
                    return (position, cells, self) if position > start else None
                stop = end
            line = text[position:stop]
            row = known[line] if line in known else known.setdefault(line, self._row(line) if line else None)
            if row is None:
                return (position, cells, None)
            cells += [(position + low, position + high, kind) for low, high, kind in row]
            position = stop

    def free(self, text: bytes, start: int) -> int:
        """Return where the first personal column begins; a prompt may be shown whole."""
        line = _shown(text[start:])
        first = next(low for (low, _), kind in zip(self.spans, self.kinds, strict=True) if kind)
        if len(line) <= first or _PROMPT.fullmatch(line):
            return len(text)
        return start + _size(line[:first])

    def cells(self, line: str) -> list[tuple[int, int]] | None:
        """Return where the cells of a shown line lie, or None where something stands between the columns."""
        begins = [0, *(low for low, _ in self.spans[1:])]
        gaps = zip((high for _, high in self.spans), begins[1:], strict=False)
        if len(line) <= begins[1] or any(line[low:high].strip() for low, high in gaps):
            return None
        return list(zip(begins, [*begins[1:], len(line)], strict=True))

    def _row(self, row: bytes) -> Sequence[Cell] | None:
        """Return the personal cells of a line, or None if it is no row."""
        bare = row.rstrip(b"\r\n")
        begin = max(bare.rfind(b"\r"), bare.rfind(b"\x1b")) + 1
        line = _shown(bare[begin:])
        if not line.strip() or _RULE.fullmatch(line):
            return ()
        found = self.cells(line)
        if found is None:
            return None
        cells = []
        named = 0
        for (low, high), kind in zip(found, self.kinds, strict=True):
            value = line[low:high].strip(" \0")
            said = value.encode("utf-8", "surrogateescape")
            if not kind or is_empty(said):
                continue
            named += kind_of(said) == kind
            at = begin + _size(line[: line.index(value, low)])
            cells.append((at, at + _size(value), kind))
        return () if named == len(cells) else cells  # the header comes again


@dataclass(frozen=True, slots=True)
class Ruled:
    """The rest of a rule below a line that may name columns. `above` is that line, `begun` how the rule began."""

    above: bytes
    begun: bytes

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`."""
        stop = text.find(b"\n", start, end) + 1
        if not stop:
            return (start, (), None) if final or end - start > LIMIT else None
        columns = _columns(self.above, (self.begun + text[start:stop]).rstrip(b"\r\n"))
        return (stop if columns else start, (), columns)

    def free(self, text: bytes, start: int) -> int:
        """Return the end: rules are nobody's."""
        del start
        return len(text)


@lru_cache(maxsize=64)
def _columns(above: bytes, below: bytes) -> Columns | None:
    """Return what reads the rows under a line and its rule, if it names columns of which one is personal."""
    rule, line = _shown(below), _shown(above)
    if _RULE.fullmatch(rule) is None:
        return None
    spans = tuple(part.span() for part in _RULED.finditer(rule))
    found = Columns(spans, ()).cells(line)
    if found is None:
        return None
    return _naming(spans, [line[low:high].strip().encode("utf-8", "surrogateescape") for low, high in found])


def _naming(spans: tuple[tuple[int, int], ...], names: list[bytes]) -> Columns | None:
    """Return what reads rows of these columns, if their names are some and one of them is personal."""
    kinds = header(names)
    if kinds is None or PERSONAL.isdisjoint(map(kind_of, names)):
        return None
    wanted = tuple("" if kind in _PLAIN else kind for kind in kinds)
    return Columns(spans, wanted) if any(wanted) else None


_CELL = re.compile(r"[^ ]+(?: [^ ]+)*")
_FEWEST = 3  # columns without a rule
_BELOW = 3  # bytes of the line below that tell a rule


@dataclass(frozen=True, slots=True)
class Aligned:
    """The rest of a line that may name columns which have no rule below: their values begin where the names do."""

    lead: bytes

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`."""
        stop = start if self.lead.endswith(b"\n") else text.find(b"\n", start, end) + 1
        if not stop:
            return (start, (), None) if final or end - start > _LONGEST_LINE else None
        columns = _aligned((self.lead + text[start:stop]).rstrip(b" \r\n"))
        below = text[stop : min(stop + _BELOW, end)]
        if columns is not None and len(below) < _BELOW and not final and b"\n" not in below:
            return None
        if below.lstrip(b" ").startswith((b"-", b"\xe2\x94")):
            return start, (), None  # a rule, which tells better
        return stop if columns else start, (), columns

    def free(self, text: bytes, start: int) -> int:
        """Return the end: names of columns are nobody's."""
        del start
        return len(text)


@lru_cache(maxsize=64)
def _aligned(names: bytes) -> Columns | None:
    """Return what reads the rows under a line of names, each apart by two blanks at least."""
    line = _shown(names)
    found = [cell.span() for cell in _CELL.finditer(line)]
    if len(found) < _FEWEST:
        return None
    begins = [low for low, _ in found]
    spans = tuple(zip(begins, [*(low - 2 for low in begins[1:]), len(line)], strict=True))
    return _naming(spans, [line[low:high].encode("utf-8", "surrogateescape") for low, high in found])


@dataclass(frozen=True, slots=True)
class Lone:
    """The rows of a single column: as long as the rule is, or behind a blank as the column's name was."""

    kind: str
    width: int
    indented: bool

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. Reads one row; another line ends the table."""
        stop = text.find(b"\n", start, end) + 1
        if not stop and not final:
            return None
        line = text[start : stop or end]
        value = line.strip()
        if not value or not (line[:1] == b" " if self.indented else len(_shown(line.rstrip(b"\r\n"))) == self.width):
            return (start, (), None)
        low = start + line.index(value)
        cells = () if is_empty(value) else ((low, low + len(value), self.kind),)
        return (start + len(line), cells, self)

    def free(self, text: bytes, start: int) -> int:
        """Return the start of what may be a row."""
        return start if text[start : start + 1] == b" " or not self.indented else len(text)


def lone_column(above: bytes, rule: bytes) -> Lone | None:
    """Return what reads the rows below a line and its rule, if that names a personal column and is as long."""
    kind, width = lone(above), len(_shown(rule))
    return Lone(kind, width, above[:1] == b" ") if kind and len(_shown(above)) == width else None
