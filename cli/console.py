"""The output rules, in one place: what a command prints, and how it is drawn on the caller's terminal.

On a terminal: tables at its width, colours where it wants them. Elsewhere: plain text without colours, boxes or
cut-off values. `--json` is the same on both. Every text that a user, a target or a token chose passes through
`safe`, so that no control, bidirectional or invisible character reaches a terminal. Nothing here uses the process's
own streams: many callers are served at once.
"""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.text import Text

from bastion.control.terminal import Terminal
from bastion.model import rfc3339
from recorder.sanitise import visible

_COLORS = {"truecolor": "truecolor", "256color": "256", "direct": "truecolor"}
_NARROWEST = 8  # cells of a column that is cut
_COLUMNS_MAX, _ROWS_MAX = 500, 200
_WIDE = 100  # cells of a terminal that shows extra columns
STYLES = {
    "pending": "yellow",
    "approved": "green",
    "granted": "green",
    "allow": "green",
    "live": "green",
    "used": "dim",
    "expired": "dim",
    "withdrawn": "dim",
    "denied": "red",
    "deny": "red",
    "revoked": "red",
    "approve": "yellow",
    "request": "yellow",
}


def safe(text: str) -> str:
    """Return a text that is safe to draw: one line, with everything that could act on a terminal written out."""
    return visible(text)


def as_text(data: bytes) -> str:
    """Decode bytes that are to be drawn; `safe` shows each byte that is not UTF-8 as an escape of its own."""
    return data.decode("utf-8", "surrogateescape")


def as_json_text(data: bytes) -> str:
    """Decode bytes for JSON: those that are not UTF-8 become backslash escapes, as lone surrogates are no Unicode."""
    return data.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a listing. `grow` columns are cut off where the line is too short; `extra` ones are left out there.

    In a pipe nothing is cut off or left out.
    """

    title: str
    grow: bool = False
    right: bool = False
    extra: bool = False


class Console:
    """Draws on one terminal. Cheap to make; holds no state but the terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def text(self, text: str) -> None:
        """Print text that is ours (not a user's) as it is, with a final newline."""
        self._write(text + "\n")

    def line(self, text: str) -> None:
        """Print one line that may hold users' texts; made safe here."""
        self._write(safe(text) + "\n")

    def json(self, value: Any) -> None:
        """Print one JSON value. Non-ASCII is escaped, so that it is safe on a terminal too."""
        self._write(json.dumps(value, indent=2, default=_plain) + "\n")

    def json_line(self, value: Any) -> None:
        """Print one JSON value on one line, for streams of them."""
        self._write(json.dumps(value, default=_plain) + "\n")

    def draw(self, *parts: RenderableType) -> None:
        """Print rich renderables at the terminal's width."""
        self._write("".join(f"{line}\n" for line in render(self.terminal, parts).rstrip("\n").split("\n")))

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]], *, empty: str) -> None:
        """Print a listing. Cells are made safe here; `empty` is said on a terminal where there are no rows."""
        cells = [[safe(cell) for cell in row] for row in rows]
        if not self.terminal.is_tty:
            self._write(_plain_table(columns, cells))
        elif cells:
            width, _ = window(self.terminal)
            self.draw(*_drawn_table(*_roomy(columns, cells, width), width))
        else:
            self.text(empty)

    def fields(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print one thing as `name: value` lines; values are made safe here."""
        pairs = list(pairs)
        width = max((len(name) for name, _ in pairs), default=0) + 1
        for name, value in pairs:
            label = Text(f"{name + ':':<{width}} ", style="bold")
            self.draw(label.append(Text(safe(value), style=STYLES.get(value, "not bold"))))

    def error(self, message: str) -> None:
        """Print an error, each line starting with `bastion: `."""
        for line in message.splitlines() or [""]:
            self.terminal.error(self._newlines(f"bastion: {safe(line)}\n").encode())

    def usage(self, text: str) -> None:
        """Print usage on standard error."""
        self.terminal.error(self._newlines(text + "\n").encode())

    async def drain(self) -> None:
        """Wait until what was printed is on its way."""
        await self.terminal.drain()

    def _write(self, text: str) -> None:
        self.terminal.write(self._newlines(text).encode("utf-8", "backslashreplace"))

    def _newlines(self, text: str) -> str:
        # A PTY's client is in raw mode: without CR lines would run off in stairs.
        return text.replace("\n", "\r\n") if self.terminal.is_tty else text


def window(terminal: Terminal) -> tuple[int, int]:
    """Return (columns, rows) to draw for: what the terminal says, within bounds, as a caller may say anything."""
    return min(max(terminal.columns, 1), _COLUMNS_MAX), min(max(terminal.rows, 1), _ROWS_MAX)


def render(terminal: Terminal, parts: Iterable[RenderableType]) -> str:
    """Return renderables as text with newlines, as wide as the terminal; without a terminal plain and never wrapped."""
    out = io.StringIO()
    width, height = window(terminal)
    rich = RichConsole(
        file=out,
        width=width if terminal.is_tty else 10_000,
        height=height,
        force_terminal=terminal.is_tty and terminal.color,
        color_system=_color_system(terminal.term) if terminal.is_tty and terminal.color else None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        force_interactive=False,
        _environ={},
    )
    for part in parts:
        rich.print(part, soft_wrap=not terminal.is_tty)
    return out.getvalue()


def _color_system(term: str) -> Any:
    suffix = term.rpartition("-")[2]
    return _COLORS.get(suffix, "standard")


def _roomy(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], available: int
) -> tuple[Sequence[Column], Sequence[Sequence[str]]]:
    """Leave out the extra columns on a narrow terminal."""
    if available >= _WIDE:
        return columns, rows
    kept = [place for place, column in enumerate(columns) if not column.extra]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _drawn_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], available: int) -> list[Text]:
    widths = _widths(columns, rows, available)
    lines = [_line(columns, [column.title for column in columns], widths, "bold")]
    lines.append(Text("─" * min(available, sum(widths) + 2 * (len(widths) - 1)), style="dim"))
    lines += [_line(columns, row, widths) for row in rows]
    for line in lines:
        line.truncate(available)  # where even the columns that never shrink are too many
    return lines


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int], style: str = "") -> Text:
    cells: list[Text] = []
    for column, value, width in zip(columns, row, widths, strict=True):
        cell = Text(value, style=style or STYLES.get(value, ""))
        cell.truncate(width, overflow="ellipsis")
        cell.align("right" if column.right else "left", width)
        cells.append(cell)
    line = Text("  ").join(cells)
    line.rstrip()
    return line


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], available: int) -> list[int]:
    """Return the columns' widths in cells: those of their texts, the widest growing ones cut until all fit."""
    widths = [
        max([cell_len(column.title), *(cell_len(row[place]) for row in rows)]) for place, column in enumerate(columns)
    ]
    excess = sum(widths) + 2 * (len(widths) - 1) - available  # two cells stand between columns
    growing = [place for place, column in enumerate(columns) if column.grow]
    while excess > 0 and growing:
        widest = max(growing, key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
        excess -= 1
    return widths


def _plain_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    lines = [[column.title for column in columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, bytes):
        return as_json_text(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def moment(time: datetime | None) -> str:
    """Return a time for people: UTC, to the second; a dash where there is none."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ") if time else "-"


def length(seconds: float) -> str:
    """Return a length of time for people, as in `9m05s` or `2h10m`; never negative."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def size(count: int) -> str:
    """Return a number of bytes for people, as in `12.3 kB` (powers of 1000)."""
    if count < 1000:
        return f"{count} B"
    value, units = float(count), ["kB", "MB", "GB", "TB"]
    for unit in units:
        value /= 1000
        if value < 999.95 or unit == units[-1]:
            return f"{value:.1f} {unit}"
    raise AssertionError
