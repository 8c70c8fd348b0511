"""A recording as lines of plain text, for text exports and searching.

Output is read as a terminal would show one line: escape sequences are gone, carriage returns and backspaces overwrite,
a command line edited with the arrow keys comes out as it was when Enter was typed, also where it wrapped. It is no
screen: what full-screen programs paint comes out as the pieces they painted, in the order they did, so that everything
that was ever shown can be found. Input and markers are left out; a terminal echoes what its user types.

Limits: a line is cut after `COLUMNS_MAX` columns; memory is bounded by that. Reads some tens of MB/s.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from recorder.asciicast import Code
from recorder.reader import Recording
from recorder.sanitise import Sanitiser

COLUMNS_MAX = 64 << 10
_CELL_MAX = 16  # characters on one cell: one, and what combines with it

# Modes, tab stops, cursor shape, saving the cursor: they leave the line and the cursor alone, but for other screens.
_NO_MOVES = frozenset({"h", "l", "g", " q", "s"})

# The language that `Sanitiser` lets through.
_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f]+)|\x1b\[(?P<private>\??)(?P<numbers>[0-9;:]*)(?P<final> ?[@-~])"
    r"|(?P<escape>\x1b(?:[()*+#].|.))|(?P<control>[\x00-\x1f])",
    re.DOTALL,
)
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile("[\x00-\x1f]")
_DRAWING = str.maketrans("`ajklmnqtuvwx~", "◆▒┘┐┌└┼─├┤┴┬│·")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: when its first character came, in seconds since the start, of which stream it is, and its text."""

    time: float
    code: Code
    text: str


def transcript(recording: Recording) -> Iterator[Line]:
    """Yield the lines of a recording's output in the order in which they ended."""
    width = recording.header.width
    models = {code: _LineModel(code, width) for code in (Code.OUTPUT, Code.ERROR)}
    last = 0.0
    for event in recording.events():
        last = event.time
        if event.code is Code.RESIZE:
            for model in models.values():
                model.width = event.size[0]
        elif event.code in models:
            yield from models[event.code].feed(event.data, last)
    for model in models.values():
        yield from model.flush(last)


class _LineModel:
    """The line that the cursor is in: its cells, row after row of `width` where it wrapped, and the cursor's index.

    A wide character has an empty cell behind it. `_edge` says that text just filled the last column: the cursor then
    still stands on it, though its index is already that of the next row.
    """

    def __init__(self, code: Code, width: int) -> None:
        self.width = width
        self._code = code
        self._sanitiser = Sanitiser()
        self._cells: list[str] = []
        self._at = 0
        self._edge = False
        self._drawing = False
        self._time: float | None = None  # when the first character of the line came

    def feed(self, data: bytes, time: float) -> Iterator[Line]:
        """Yield the lines that the bytes end."""
        *ended, rest = _COLOURS.sub("", self._sanitiser.feed(data)).split("\n")
        for part in ended:
            plain = part.removesuffix("\r")
            if self._time is not None or self._at or self._cells or self._drawing or _CONTROL.search(plain):
                yield from self._part(part, time)
                yield self._end(time)
            else:
                yield Line(time, self._code, plain.rstrip())
        yield from self._part(rest, time)

    def flush(self, time: float) -> Iterator[Line]:
        """Yield the line that was begun, unless it is blank."""
        line = self._end(time)
        if line.text:
            yield line

    def _end(self, time: float) -> Line:
        line = Line(time if self._time is None else self._time, self._code, "".join(self._cells).rstrip())
        self._cells, self._at, self._edge, self._time = [], 0, False, None
        return line

    def _part(self, text: str, time: float) -> Iterator[Line]:
        """Yield the lines that the cursor leaves otherwise than by a line feed."""
        for token in _TOKEN.finditer(text):
            kind = token.lastgroup
            if kind == "text":
                if self._time is None:
                    self._time = time
                self._write(token.group())
                stays = len(self._cells) < COLUMNS_MAX
            elif kind == "control":
                stays = self._control(token.group())
            elif kind == "escape":
                stays = self._escape(token.group())
            else:
                stays = self._sequence(token["private"], token["numbers"], token["final"])
            if not stays:
                yield from self.flush(time)

    def _leave_edge(self) -> None:
        if self._edge:
            self._at -= 1
            self._edge = False

    @property
    def _row(self) -> int:
        """The index of the first column of the cursor's row."""
        return self._at - self._at % self.width

    def _write(self, text: str) -> None:
        if self._drawing:
            text = text.translate(_DRAWING)
        cells = list(text) if text.isascii() else self._columns(text)
        if not cells:
            return
        missing = self._at - len(self._cells)
        if missing > 0:
            self._cells.extend(" " * missing)
        self._cells[self._at : self._at + len(cells)] = cells
        self._at += len(cells)
        self._edge = self._at % self.width == 0

    def _columns(self, text: str) -> list[str]:
        """Return one string for each column: a wide character takes two, one of no width goes with the one before."""
        cells: list[str] = []
        for char in text:
            if unicodedata.combining(char):
                line, last = (cells, len(cells) - 1) if cells else (self._cells, self._at - 1)
                if 0 <= last < len(line):
                    last -= 1 if last and not line[last] else 0
                    line[last] = (line[last] + char)[:_CELL_MAX]
                continue
            cells.append(char)
            if unicodedata.east_asian_width(char) in "WF":
                cells.append("")
        return cells

    def _control(self, char: str) -> bool:
        self._leave_edge()
        match char:
            case "\r":
                self._at = self._row
            case "\b":
                self._to_column(self._at - self._row - 1)
            case "\t":
                self._to_column((self._at - self._row) // 8 * 8 + 8)
            case "\v" | "\f":
                return False
        return True

    def _escape(self, sequence: str) -> bool:
        if sequence.startswith("\x1b("):
            self._drawing = sequence == "\x1b(0"
        return sequence[1] in "()*+7H"

    def _sequence(self, private: str, numbers: str, final: str) -> bool:
        """Obey a CSI sequence; return False where it moves the cursor out of the line."""
        if final in _NO_MOVES:
            return not (private and ("47" in numbers or "1049" in numbers))
        self._leave_edge()
        first = numbers.partition(";")[0]
        count = max(int(first or 0), 1)
        column = self._at - self._row
        match final:
            case "A" | "B":
                return self._to_row(-count if final == "A" else count)
            case "C" | "a":
                self._to_column(column + count)
            case "D":
                self._to_column(column - count)
            case "G" | "`":
                self._to_column(count - 1)
            case "I" | "Z":
                self._to_column((column // 8 + count) * 8 if final == "I" else (column - 1) // 8 * 8)
            case "b":
                self._write("".join(self._cells[self._at - 1 : self._at]) * min(count, self.width))
            case _:
                return self._edit(final, first, count)
        return True

    def _edit(self, final: str, first: str, count: int) -> bool:
        """Obey a sequence that erases or shifts; return False where it is none of these, or concerns the screen."""
        at, end = self._at, self._row + self.width
        count = min(count, self.width)
        match final:
            case "K":
                mode = first or "0"
                start, stop = {"0": (at, end), "1": (self._row, at + 1)}.get(mode, (self._row, end))
                self._blank(start, stop)
            case "J" if first in {"", "0"}:
                del self._cells[at:]
            case "X":
                self._blank(at, min(at + count, end))
            case "P":
                del self._cells[at : at + count]
            case "@":
                self._cells[at:at] = [" "] * count
            case _:
                return False
        return True

    def _blank(self, start: int, stop: int) -> None:
        if stop >= len(self._cells):
            del self._cells[start:]
        else:
            self._cells[start:stop] = [" "] * (stop - start)

    def _to_column(self, column: int) -> None:
        self._at = self._row + min(max(column, 0), self.width - 1)

    def _to_row(self, rows: int) -> bool:
        """Move within the rows of a line that wrapped; return False where that leaves the line."""
        at = self._at + rows * self.width
        if not 0 <= at < max(len(self._cells), 1) + self.width:
            return False
        self._at = at
        return True
