"""Reads tables of HTML: cells by the header of their column, or by the one in their row (`psql -H`, `mysql -H`)."""

import re

from bastion.masking.fields import PERSONAL, WEAK, header, kind_of
from bastion.masking.units import Cell, Unit, is_empty
from bastion.masking.values import begins_person

HEAD = rb"(?i)<th(?: [^<>]{0,100})?>"
"""The tag before the name of a column, as a pattern for an engine."""

_TAG = re.compile(rb"<(/?)([A-Za-z][A-Za-z0-9]{0,20})(?=[\s/>])[^<>]{0,300}>")
_BEGUN = re.compile(rb"<[^<>]{0,325}\Z")
_LONGEST = 326
_SPACE = rb"(?:&nbsp;|\s|\xc2\xa0)*"
_TEXT = re.compile(_SPACE + rb"(.*?)" + _SPACE + rb"\Z", re.DOTALL)
_CELLS, _PARTS = (b"th", b"td"), (b"tr", b"thead", b"tbody", b"tfoot")
_MOST = 400  # columns


class Markup:
    """A table, from the first cell on that names a column."""

    __slots__ = ("_column", "_inside", "_kinds", "_names", "_said")

    def __init__(self) -> None:
        self._kinds: tuple[str, ...] = ()  # of the columns
        self._names: tuple[bytes, ...] = ()  # in the row that is read
        self._column = 0  # the row's last cell
        self._inside = b"th"  # what is open of it: th, td or nothing
        self._said = b""  # in a name that is open

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. Reads up to the last tag there; the end of the table ends it, or of a row that says nothing."""
        cells: list[Cell] = []
        position = start
        for tag in _TAG.finditer(text, start, end):
            self._pass(text, position, tag.start(), cells)
            position = tag.end()
            self._turn(tag[2].lower(), closing=tag[1] != b"")
            if not self._inside and not self._kinds and not self._names:
                return (position, cells, None)
        if final:
            self._pass(text, position, end, cells)
            return (end, cells, None)
        if self._inside != b"th" and not self._kind():
            begun = _BEGUN.search(text, max(position, end - _LONGEST), end)
            position = end if begun is None else begun.start()
        return (position, cells, self) if position > start else None

    def free(self, text: bytes, start: int) -> int:
        """Return the start where a cell is open that is personal."""
        return start if self._kind() else len(text)

    def _kind(self) -> str:
        """Return what the open cell holds."""
        if self._inside != b"td":
            return ""
        if self._kinds:
            return self._kinds[self._column] if self._column < len(self._kinds) else ""
        return kind_of(self._names[0]) if len(self._names) == 1 else ""

    def _pass(self, text: bytes, low: int, high: int, cells: list[Cell]) -> None:
        """Take what the open cell says up to a tag: a part of a name, or a value, which may be personal."""
        if self._inside == b"th":
            self._said = (self._said + text[low:high])[:_LONGEST]
            return
        kind = self._kind()
        if kind:
            found = _TEXT.match(text, low, high)
            assert found is not None  # it matches nothing too
            if not is_empty(found[1]) and (kind != WEAK or begins_person(text, found.start(1))):
                cells.append((*found.span(1), "name" if kind == WEAK else kind))

    def _turn(self, name: bytes, *, closing: bool) -> None:
        """Go behind a tag."""
        if name == b"table" and closing:
            self._kinds, self._names, self._inside = (), (), b""
        elif name in _PARTS:
            self._close()
            if self._names and len(self._names) == self._column + 1:  # a row of names tells what the columns hold
                told = None if PERSONAL.isdisjoint(map(kind_of, self._names)) else header(list(self._names))
                self._kinds = tuple(told or ())
            self._names, self._column = (), -1
        elif name in _CELLS:
            self._close()
            if not closing:
                self._inside = name
                self._column += 1

    def _close(self) -> None:
        """Close the cell that is open."""
        if self._inside == b"th" and len(self._names) < _MOST:
            self._names = (*self._names, self._said.strip())
        self._inside = self._said = b""
