"""Finds all values in a text, and where in a cut text the undecided part begins. Knows nothing of streams.

A value found is a property of the text around it alone (see `rows`), so finding in a piece of a long text, with
`REACH` bytes of it in front, gives what finding in the whole would give.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from bastion.masking.engine import ENGINES, Engine
from bastion.masking.numbers import NumberTable
from bastion.masking.rows import Opening, Row, Sink
from bastion.masking.structure import TRIGGERS, Head, Structure
from bastion.masking.units import Cell
from bastion.masking.visible import before_cut, last_character

Found = tuple[int, int, int]
"""Where a value begins and ends, and the index of its row. A plain tuple: there may be one for every second byte."""

NO_ROW = -1
"""The row of what must not be shown though nobody knows what it is."""

PARTIAL = "partial"
"""The kind of that."""


def order(value: Found) -> tuple[int, int, int]:
    """Return what values are sorted by: by start, the longest first."""
    start, end, row = value
    return start, -end, row


class Finder:
    """All chosen rows with an engine. Holds no state of any stream, so that all streams share one."""

    def __init__(self, rows: Sequence[Row], engine: str) -> None:
        self.rows = tuple(rows)
        probes = [(index, probe) for index, row in enumerate(self.rows) for probe in row.probes]
        self._table = NumberTable([row.numbers for row in self.rows])
        owners = [(index, probe.locate, probe.swallowed) for index, probe in probes]
        self._owners = tuple(dict.fromkeys(owners))  # who looks at hits: what several triggers report, once
        numbers = len(self._owners)
        self._owner_of = (
            *map(self._owners.index, owners),
            *(numbers for _ in self._table.triggers),
            *(numbers + 1 + which for which, _ in TRIGGERS),
        )
        triggers = [probe.trigger for _, probe in probes] + self._table.triggers + [trigger for _, trigger in TRIGGERS]
        self.engine: Engine = ENGINES[engine](triggers)
        self._rows_of = {row.kind: index for index, row in reversed(list(enumerate(self.rows)))} | {"": NO_ROW}
        # By row, NO_ROW is the last one
        self.kinds = (*(row.kind for row in self.rows), PARTIAL)
        self.sinks: tuple[Sink | None, ...] = (*(row.sink for row in self.rows), None)
        self._openings: tuple[Opening, ...] = tuple(dict.fromkeys(row.opening for row in self.rows))
        self.firsts = bytes(sorted({byte for opening in self._openings for byte in opening.firsts}))

    def find(self, text: bytes, low: int, high: int) -> list[Found]:
        """Return the values that begin in `text[low:high]`, by start, the longest first. They may overlap.

        The end of the text counts as a boundary: only what begins before `undecided(text)` is sure to stay so.
        """
        return self.scan(text, low, high, every=True)[0]

    def chosen(self, cells: Iterable[Cell]) -> list[Found]:
        """Return the cells whose values are looked for, in the same order."""
        rows = self._rows_of
        return [(start, end, rows[kind]) for start, end, kind in cells if kind in rows]

    def find_all(self, text: bytes) -> list[Found]:
        """Return all values of a whole text, those known by their field or column too, as `find` does."""
        found, heads = self.scan(text, 0, len(text), every=True)
        cells, _ = Structure().settle(text, 0, len(text), heads, final=True)
        known = [(start, end, max(row, 0)) for start, end, row in self.chosen(cells)]  # of no row: as the first one
        return sorted([*found, *known], key=order)

    def scan(
        self, text: bytes, low: int, high: int, *, every: bool = False, most: int = 0
    ) -> tuple[list[Found], list[Head]]:
        """Return what `find` does, and all heads of structures in the text.

        Values that are hidden anyway with another one, since its row's sink swallows them, may be missing unless
        `every` one is wanted. For `most` see `Engine.find`.
        """
        found: list[tuple[int, int, int]] = []  # with the end negative, so that they sort as wanted
        numbers: list[int] = []
        heads: dict[Head, None] = {}  # in the order found, which is nearly sorted
        owners, owner_of = self._owners, self._owner_of
        hits: defaultdict[int, list[int]] = defaultdict(list)
        for index, position in self.engine.find(text, most):
            hits[owner_of[index]].append(position)
        for owner, positions in hits.items():
            if owner < len(owners):
                row, locate, swallowed = owners[owner]
                start = end = 0
                for position in sorted(set(positions)):
                    if position < end and swallowed is not None and not every and swallowed(text, start, position):
                        continue
                    span = locate(text, position)
                    if span is not None and low <= span[0] < high:
                        start, end = span
                        found.append((start, -end, row))
            elif owner == len(owners):
                numbers = positions
            else:
                which = owner - len(owners) - 1
                heads.update(dict.fromkeys([(position, which) for position in positions]))
        found += [(start, -end, row) for start, end, row in self._table.locate(text, numbers) if low <= start < high]
        found.sort()
        return [(start, -end, row) for start, end, row in dict.fromkeys(found)], list(heads)

    def undecided(self, text: bytes) -> int:
        """Return the first position where a value may begin that more text could complete or change.

        The last character never counts as an end of a value, since a backspace may take it away, and none is cut.
        """
        return before_cut(text, self._undecided(text))

    def _undecided(self, text: bytes) -> int:
        length = len(text)
        if length and text[-1] >= 0x20:
            before = length - last_character(text, length)
            opened = self._opened(text, before)
            if opened < before:
                return opened  # what may begin a value now might have done so one character ago
        return self._opened(text, length)

    def free(self, text: bytes, low: int) -> int:
        """Return up to where a text may be shown on an idle terminal, if all before `low` is decided."""
        length = len(text)
        limit = length
        for opening in self._openings:
            start = max(low, opening.start(text, length))
            if start < length:
                limit = min(limit, opening.free(text, start))
        return limit

    def _opened(self, text: bytes, end: int) -> int:
        return min([opening.start(text, end) for opening in self._openings], default=end)


def kinds(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the kinds of the rows, each once, in order."""
    return tuple(dict.fromkeys(row.kind for row in rows))
