"""The few rows of a terminal on which a line is edited, kept from the prompt on, to read the line back.

Not the user's whole screen: it begins with the last bytes of output before the first key, on an empty screen that is
taller than the real one. Line editors move relative to the prompt, so that this shows what the editor believes, and
what programs did to the screen before (margins, modes, character sets, a forged alternate screen) has no say. pyte does
the work, guarded by `recorder.screen`. Limits: a line whose beginning scrolled away or was moved is not known.
"""

import unicodedata
from dataclasses import dataclass

import pyte
from wcwidth import wcwidth

from recorder.screen import TerminalScreen

SPARE_ROWS = 100


class _Rows(pyte.Screen):
    """A screen that knows which rows were wrapped, how far it scrolled, and whether it met what it can't show."""

    def __init__(self, columns: int, lines: int) -> None:
        self.wrapped: set[int] = set()
        self.scrolled = 0
        self.strange = False
        self._drawing = False
        super().__init__(columns, lines)

    def draw(self, data: str) -> None:
        if not data.isascii():
            kept = [char for char in data if wcwidth(char) > 0]
            if len(kept) != len(data) or "\ufffd" in data:
                self.strange = True
                data = "".join(char for char in data if wcwidth(char) > 0 or unicodedata.combining(char))
        self._drawing = True
        super().draw(data)
        self._drawing = False

    def linefeed(self) -> None:
        row = self.cursor.y
        if self._drawing:
            self.wrapped.add(row)
        else:
            self.wrapped.discard(row)
        super().linefeed()

    def index(self) -> None:
        bottom = self.cursor.y == (self.margins.bottom if self.margins else self.lines - 1)
        super().index()
        if bottom:
            self.scrolled += 1
            self.wrapped = {row - 1 for row in self.wrapped if row}

    def erase_in_display(self, how: int = 0, *args: object, **kwargs: object) -> None:
        super().erase_in_display(how, *args, **kwargs)
        first = self.cursor.y if how == 0 else 0
        self.wrapped = {row for row in self.wrapped if row < first}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the picture that scrolls with it."""

    row: int
    column: int


class Picture(TerminalScreen):
    """The rows around one line being edited."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows + SPARE_ROWS)
        self._rows = _Rows(self._main.columns, self._main.lines)
        self._main = self._rows
        self._attach(self._rows)

    @property
    def strange(self) -> bool:
        """Whether something was shown whose place on the screen is not sure: no width, or no UTF-8."""
        return self._rows.strange or self.errors > 0

    @property
    def mark(self) -> Mark:
        """The cursor's place."""
        screen = self._rows
        return Mark(screen.cursor.y + screen.scrolled, min(screen.cursor.x, screen.columns))

    def before(self, mark: Mark) -> str:
        """Return the text of a row up to a mark."""
        return "".join(self._cells(mark.row)[: mark.column]) if self._visible(mark) else ""

    def behind(self, mark: Mark) -> str:
        """Return the text of a row from a mark on, without blanks at its end."""
        return "".join(self._cells(mark.row)[mark.column :]).rstrip() if self._visible(mark) else ""

    def line_from(self, mark: Mark, end: Mark | None = None) -> list[str] | None:
        """Return the text from a mark to `end`, or all there is, cut where rows are not wrapped; None without a mark.

        Blanks at the ends of lines are not known, and left out.
        """
        if not self._visible(mark):
            return None
        last = self._last() if end is None else end.row - self._rows.scrolled
        lines = [""]
        for row in range(mark.row - self._rows.scrolled, last + 1):
            place = row + self._rows.scrolled
            cells = self._cells(place)[: end.column if end is not None and end.row == place else None]
            text = "".join(cells[mark.column if place == mark.row else 0 :])
            wraps = row in self._rows.wrapped
            lines[-1] += _unpadded(text, self._cells(place + 1)[0]) if wraps else text
            if not wraps:
                lines.append("")
        lines = [line.rstrip() for line in lines]
        while len(lines) > 1 and not lines[-1]:
            lines.pop()
        return lines

    def lines_below(self, mark: Mark) -> int:
        """Return how many rows the cursor is above the last one that shows anything."""
        return max(self._last() - self._rows.cursor.y, 0) if self._visible(mark) else 0

    def cursor_line(self, mark: Mark) -> int:
        """Return which of the lines of `line_from` the cursor is on."""
        first, screen = mark.row - self._rows.scrolled, self._rows
        return sum(row not in screen.wrapped for row in range(max(first, 0), screen.cursor.y))

    def find(self, prompt: str, below: Mark) -> Mark | None:
        """Return the end of the lowest row down to the cursor's that begins with a prompt, not above a mark."""
        screen = self._rows
        top = max(below.row - screen.scrolled, 0)
        for row in range(screen.cursor.y, top - 1, -1):
            cells = self._cells(row + screen.scrolled)
            if row - 1 not in screen.wrapped and "".join(cells).startswith(prompt):
                widths = (width for width in range(len(cells) + 1) if "".join(cells[:width]) == prompt)
                if (width := next(widths, None)) is not None:  # none where an accent came onto its last letter
                    return Mark(row + screen.scrolled, width)
        return None

    def start_of_line(self) -> Mark:
        """Return where the cursor's row begins, or the first of the wrapped rows it belongs to."""
        screen = self._rows
        row = screen.cursor.y
        while row - 1 in screen.wrapped:
            row -= 1
        return Mark(row + screen.scrolled, 0)

    def _switch(self, alternate: bool) -> None:
        """Stay on the one screen there is: editors of lines don't switch."""

    def _visible(self, mark: Mark) -> bool:
        return 0 <= mark.row - self._rows.scrolled < self._rows.lines

    def _last(self) -> int:
        screen = self._rows
        shown = (row for row, cells in screen.buffer.items() if any(cell.data.strip() for cell in cells.values()))
        return min(max([screen.cursor.y, *shown]), screen.lines - 1)

    def _cells(self, row: int) -> list[str]:
        """Return the cells of a row, counted as marks count; the second cell of a wide character is empty."""
        line = self._rows.buffer[row - self._rows.scrolled]
        return [str(line[column].data) for column in range(self._rows.columns)]


def _unpadded(text: str, following: str) -> str:
    """Return the text of a wrapped row without the cell that was left free because a wide character did not fit."""
    return text[:-1] if text.endswith(" ") and following and wcwidth(following[0]) == 2 else text
