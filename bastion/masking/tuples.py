"""Reads statements of SQL: the columns that CREATE TABLE declares, and the tuples behind VALUES."""

import re
from dataclasses import dataclass

from bastion.masking.fields import WEAK, kind_of
from bastion.masking.units import Cell, Reader, Unit, is_empty

_STRING = rb"'[^'\\]*+(?:\\.[^'\\]*+)*+'|\"[^\"]*+\"|\([^()']*+\)"
_TUPLE = re.compile(rb"[\s,]*+\(((?:[^()'\"]++|" + _STRING + rb")*+)\)", re.DOTALL)
_TUPLE_GAP = re.compile(rb"[\s,]*\Z")
_ITEM = re.compile(rb"(?:[^,'\"()]++|" + _STRING + rb")++", re.DOTALL)
_QUOTES = b"'\""


@dataclass(frozen=True, slots=True)
class Tuples:
    """The tuples behind VALUES."""

    kinds: tuple[str, ...]

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. Reads as many as there are; what is no tuple ends them."""
        cells: list[Cell] = []
        position = start
        while (found := _TUPLE.match(text, position, end)) is not None:
            low, high = found.span(1)
            self._read_items(text, low, high, cells)
            position = high + 1
        if position > start:
            return (position, cells, self)
        rest = text[start : min(end, start + 64)].lstrip(b" \t\r\n,")
        over = (rest and not rest.startswith(b"(")) or final
        return (start, (), None) if over else None

    def _read_items(self, text: bytes, at: int, end: int, cells: list[Cell]) -> None:
        """Add the personal ones of the items from `at` to the end of the tuple."""
        for kind in self.kinds:
            item = _ITEM.match(text, at, end)
            if item is None:
                return
            if kind:
                value = item[0].rstrip()
                inner = value.lstrip().lstrip(_QUOTES)
                low = at + len(value) - len(inner)
                inner = inner.rstrip(_QUOTES)
                if not is_empty(inner):
                    cells.append((low, low + len(inner), kind))
            at = item.end() + 1

    def free(self, text: bytes, start: int) -> int:
        """Return the beginning of the tuple."""
        return len(text) if _TUPLE_GAP.match(text, start) else start


_MOST_TABLES = 256
_MOST_COLUMNS = 400
_LONGEST_COLUMN = 2048
_NAME = re.compile(rb"(?i)\s*(?:if not exists\s+)?([^\s()]{1,130})\s*\(")
_LONGEST_NAME = 160  # with what stands before and behind it
_NAME_BEGUN = re.compile(rb"[^()]{0,%d}\Z" % _LONGEST_NAME)
_COLUMN = re.compile(
    rb"(?:[^,()'\"`]++|" + _STRING + rb"|`[^`]*+`|\((?:[^()]++|\([^()]*+\))*+\))*+([,)])",
    re.DOTALL,
)
_FIRST_WORD = re.compile(rb"\s*(?:--[^\n]*\n\s*)*([\"`\[]?)([\w\x80-\xff]+)")
_INTO = re.compile(rb"(?i)into\s{1,8}([^\s()]{1,130})\s{1,8}values\Z")
INTO = rb"(?i)into\s{1,8}[^\s()]{1,130}\s{1,8}values"
"""How a statement ends that names no columns, before its tuples, as a pattern for an engine."""
CREATE = rb"(?i)create (?:temp(?:orary)? |unlogged |global temporary )?table "
"""The same for what stands before the name of a table that is declared."""


class Tables:
    """Tables that were declared in a stream, with the kinds of their columns, as far as some are personal."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, tuple[str, ...]] = {}

    def declare(self, name: bytes, kinds: tuple[str, ...]) -> None:
        """Remember a table, or forget one of that name."""
        self._kinds.pop(name, None)
        if any(kinds):
            self._kinds[name] = kinds
            if len(self._kinds) > _MOST_TABLES:
                del self._kinds[next(iter(self._kinds))]

    def behind(self, before: bytes) -> Tuples | None:
        """Return what reads the tuples that follow a statement without columns, if its table is known."""
        found = _INTO.search(before, max(0, len(before) - 160)) if self._kinds else None
        kinds = self._kinds.get(_bare(found[1])) if found is not None else None
        return None if kinds is None else Tuples(kinds)


@dataclass(frozen=True, slots=True)
class Declared:
    """The columns of a table that is declared, one after the other; before the first one its name."""

    tables: Tables
    name: bytes = b""
    kinds: tuple[str, ...] = ()

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. What is no column ends them."""
        if not self.name:
            named = _NAME.match(text, start, min(end, start + _LONGEST_NAME + 1))
            if named is not None:
                return (named.end(), (), Declared(self.tables, _bare(named[1])))
            over = final or _NAME_BEGUN.match(text, start, end) is None
            return (start, (), None) if over else None
        column = _COLUMN.match(text, start, min(end, start + _LONGEST_COLUMN + 1))
        if column is None or len(self.kinds) >= _MOST_COLUMNS:
            over = column is not None or final or end - start > _LONGEST_COLUMN
            return (start, (), None) if over else None
        word = _FIRST_WORD.match(text, start, column.end())
        kind = kind_of(word[2]) if word is not None else ""
        kinds = (*self.kinds, "name" if kind == WEAK else kind)
        then: Reader | None = Declared(self.tables, self.name, kinds)
        if column[1] == b")":
            self.tables.declare(self.name, kinds)
            then = None
        return (column.end(), (), then)

    def free(self, text: bytes, start: int) -> int:
        """Return the end: columns are nobody's."""
        del start
        return len(text)


def _bare(name: bytes) -> bytes:
    """Return the name of a table without its schema and quotes."""
    return name.rpartition(b".")[2].strip(b'"`[]').lower()
