"""Reads the tuples behind VALUES in statements of SQL."""

import re
from dataclasses import dataclass

from bastion.masking.units import Cell, Unit, is_empty

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
            return Unit(position, cells, self)
        rest = text[start : min(end, start + 64)].lstrip(b" \t\r\n,")
        over = (rest and not rest.startswith(b"(")) or final
        return Unit(start, (), None) if over else None

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
