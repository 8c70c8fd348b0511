"""A terminal's screen after a recording, or part of it, was played: for stills, and for reading what a person saw.

pyte does the work, guarded: it gets sanitised text only, one sequence at a time; what it raises on is passed over and
counted; sizes are bounded; the alternate screen, which it lacks, is a second screen. At 0.3-0.5 MB/s it is for short
stretches, never for the path that relays or records.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyte

from recorder.asciicast import Code
from recorder.reader import Recording
from recorder.sanitise import Sanitiser

COLUMNS_MAX = 1000
ROWS_MAX = 500
_RUN = 256  # characters that pyte gets at once, so that combining ones can't pile up on a cell
_CELL_MAX = 16
_HEX = re.compile("[0-9a-f]{6}")
_SAVED_MAX = 16

_TOKEN = re.compile(rf"\x1b\[[?0-9;: ]*[@-~]|\x1b(?:[()*+#].|.)|[^\x1b]{{1,{_RUN}}}|\x1b", re.DOTALL)
_COLOURS = re.compile(r"\x1b\[([0-9;]*:[0-9;:]*)m")
_ALTERNATE = re.compile(r"\x1b\[\?(?:[0-9]+;)*(?:47|1047|1049)(?:;[0-9]+)*([hl])")


@dataclass(frozen=True, slots=True)
class Look:
    """How characters look. Colours are empty (the terminal's own), a name (`red`, `bright_red`) or `#rrggbb`."""

    color: str = ""
    background: str = ""
    bold: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False


Line = tuple[tuple[str, Look], ...]


@dataclass(frozen=True, slots=True)
class Still:
    """A screen at one moment: a text and a look for each cell, the second of a wide character being empty.

    Cells at the ends of lines that show nothing are left out. `cursor` is (column, row), None while it is hidden.
    """

    columns: int
    rows: int
    lines: tuple[Line, ...]
    cursor: tuple[int, int] | None


class TerminalScreen:
    """A screen of `columns` by `rows` characters, bounded by `COLUMNS_MAX` and `ROWS_MAX`. Nothing it is fed raises.

    `errors` counts the sequences that could not be obeyed.
    """

    def __init__(self, columns: int, rows: int) -> None:
        columns, rows = _bounded(columns, rows)
        self.errors = 0
        self._sanitiser = Sanitiser()
        self._main = pyte.Screen(columns, rows)
        self._alternate: pyte.Screen | None = None
        self._attach(self._main)

    def feed(self, data: bytes) -> None:
        """Show output on the screen."""
        for token in _TOKEN.findall(self._sanitiser.feed(data)):
            if switch := _ALTERNATE.fullmatch(token):
                self._switch(switch.group(1) == "h")
                continue
            if token[-1] == "M":  # deleting lines, pyte would leave a line where one never written should come
                for row in range(self._screen.lines):
                    self._screen.buffer[row]
            try:
                self._stream.feed(_COLOURS.sub(_plain_colours, token))
                self._tidy()
            except Exception:  # noqa: BLE001 - pyte raises many kinds on odd sequences; see the module's text
                self.errors += 1

    def resize(self, columns: int, rows: int) -> None:
        """Change the screen's size."""
        columns, rows = _bounded(columns, rows)
        for screen in (self._main, self._alternate):
            if screen is not None:
                if rows < screen.lines:
                    _shrink(screen, rows)
                screen.resize(rows, columns)
                screen.ensure_hbounds()
                screen.ensure_vbounds()

    def lines(self) -> list[str]:
        """Return the rows from top to bottom, without blanks at their ends."""
        screen = self._screen
        return [
            "".join(screen.buffer[row][column].data for column in range(screen.columns)).rstrip()
            for row in range(screen.lines)
        ]

    @property
    def cursor(self) -> tuple[int, int]:
        """(column, row) of the cursor, from 0."""
        screen = self._screen
        return min(screen.cursor.x, screen.columns - 1), screen.cursor.y

    def still(self) -> Still:
        """Return the screen as it is, with its colours."""
        screen = self._screen
        shown = [tuple(_cells(screen.buffer[row], screen.columns)) for row in range(screen.lines)]
        cursor = None if screen.cursor.hidden else self.cursor
        return Still(screen.columns, screen.lines, tuple(shown), cursor)

    @property
    def _screen(self) -> pyte.Screen:
        return self._main if self._alternate is None else self._alternate

    def _attach(self, screen: pyte.Screen) -> None:
        self._stream = pyte.Stream(screen)
        self._stream.use_utf8 = False  # the text is decoded already; this makes pyte heed line-drawing characters

    def _switch(self, alternate: bool) -> None:
        if alternate and self._alternate is None:
            self._alternate = pyte.Screen(self._main.columns, self._main.lines)
            self._alternate.cursor.x, self._alternate.cursor.y = self._main.cursor.x, self._main.cursor.y
        elif not alternate:
            self._alternate = None
        self._attach(self._screen)

    def _tidy(self) -> None:
        """Bound what pyte lets grow: saved cursors, and the combining characters on the cell before the cursor."""
        screen = self._screen
        del screen.savepoints[:-_SAVED_MAX]
        line, column = screen.buffer[screen.cursor.y], screen.cursor.x - 1
        if column in line and len(line[column].data) > _CELL_MAX:
            line[column] = line[column]._replace(data=line[column].data[:_CELL_MAX])


def screen_at(recording: Recording, time: float) -> list[str]:
    """Return the rows of the terminal as they were `time` seconds after the start."""
    screen = TerminalScreen(recording.header.width, recording.header.height)
    returns = not recording.header.term
    for event in recording.events():
        if event.time > time:
            break
        if event.code is Code.RESIZE:
            screen.resize(*event.size)
        elif event.code in {Code.OUTPUT, Code.ERROR}:
            screen.feed(event.data.replace(b"\n", b"\r\n") if returns else event.data)
    return screen.lines()


def _cells(line: Mapping[int, pyte.screens.Char], columns: int) -> Iterator[tuple[str, Look]]:
    """Yield the cells of a line up to the last one that was written to; others look as the terminal does."""
    for column in range(min(max(line, default=-1) + 1, columns)):
        cell = line[column]
        yield cell.data, _look(*cell[1:6], cell.reverse)


@lru_cache(maxsize=4096)
def _look(color: str, background: str, bold: bool, italic: bool, underline: bool, reverse: bool) -> Look:
    return Look(_color(color), _color(background), bold, italic, underline, reverse)


def _color(name: str) -> str:
    """Return pyte's name of a colour in our way: it says brown for yellow, and misspells one."""
    if name == "default":
        return ""
    if _HEX.fullmatch(name):
        return f"#{name}"
    plain = name.replace("bfight", "bright").replace("brown", "yellow")
    return plain.replace("bright", "bright_")


def _shrink(screen: pyte.Screen, rows: int) -> None:
    """Take rows away at the bottom, and at the top only as far as the cursor needs it; pyte takes all from the top."""
    above = max(screen.cursor.y - rows + 1, 0)
    kept = {row - above: line for row, line in screen.buffer.items() if above <= row < above + rows}
    screen.buffer.clear()
    screen.buffer.update(kept)
    screen.cursor.y -= above
    screen.lines = rows
    screen.margins = None


def _bounded(columns: int, rows: int) -> tuple[int, int]:
    return min(max(columns, 1), COLUMNS_MAX), min(max(rows, 1), ROWS_MAX)


def _plain_colours(match: re.Match[str]) -> str:
    """Write SGR numbers with colons the way pyte knows: 38:2::R:G:B as 38;2;R;G;B, and 4:3 as 4."""
    numbers = []
    for group in match.group(1).split(";"):
        kind, *rest = group.split(":")
        if kind in {"38", "48"} and rest[:1] == ["2"]:
            numbers += [kind, "2", *(rest[-3:])]
        elif kind in {"38", "48"} and rest[:1] == ["5"]:
            numbers += [kind, *rest[:2]]
        elif kind:
            numbers.append(kind)
    return f"\x1b[{';'.join(numbers)}m"
