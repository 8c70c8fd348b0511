"""A session while it goes on, for somebody who looks on: `sessions watch`, and `w` in `approvals watch`.

The recording is followed as it is written, so what is shown is what the session's user sees, masked as it was for
them. It is drawn by way of a screen in memory, so that it fits any window, and nothing but drawing reaches the viewer's
terminal. That screen is slow: of much output at once only the end is drawn, in a thread, and at most a quarter of the
time.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from bastion.control import sessions
from bastion.control.services import Control
from bastion.control.terminal import Terminal
from bastion.store.base import SessionRow
from cli.command import ServerContext
from cli.console import length, render, safe, window
from cli.messages import GONE, Messages, closed, feeding, full_screen, gathered, keys, ticks
from cli.play import blocks
from recorder.asciicast import Code, Event
from recorder.reader import Recording
from recorder.sanitise import Sanitiser
from recorder.screen import Line, Look, Still, TerminalScreen
from recorder.tail import Tail

PAUSE = 0.1  # seconds between two looks at the recording
SHARE = 3  # times as long as drawing took, nothing is drawn
CHECK = 2.0  # seconds between two looks at whether the session goes on, and may still be watched
DRAWN_MAX = 64 * 1024  # characters that are drawn at once
READ_MAX = 4 * 1024 * 1024  # bytes that are read at once


@dataclass(frozen=True, slots=True)
class Over:
    """The session is over."""

    row: SessionRow


async def watch_session(context: ServerContext, session_id: str) -> None:
    """Show a session until the viewer quits; without a terminal print it to its end."""
    terminal = context.terminal
    if not terminal.is_tty:
        await _print(context, session_id)
        return
    async with full_screen(terminal), gathered(closed(terminal), keys(terminal), ticks()) as messages:
        await look_on(context, session_id, messages)


async def look_on(context: ServerContext, session_id: str, messages: Messages) -> bool:
    """Show a session until the viewer wants back (True) or is gone; keys and ticks come by `messages`.

    Raises NotFoundError for a session that is over, or may not be seen.
    """
    terminal = context.terminal
    row, recording = await sessions.watch(context.control, session_id)
    viewer = Viewer(recording, *window(terminal))
    still = await asyncio.to_thread(viewer.advance)
    frame = ""
    async with feeding(messages, _stills(viewer), _end(context.control, row)):
        while True:
            if messages.empty():
                drawn = draw(terminal, row, still, _left(context, row))
                if drawn != frame:
                    frame = drawn
                    terminal.write(frame.encode())
                    await terminal.drain()
            match await messages.get():
                case Still() as still:
                    pass
                case Over(row):
                    pass
                case "q" | "escape" | "ctrl-c" | "ctrl-d":
                    return True
                case message if message is GONE:
                    return False


class Viewer:
    """Reads on in a recording that is being written. Used by one thread at a time."""

    def __init__(self, recording: Recording, columns: int, rows: int) -> None:
        header = recording.header
        self._events = recording.follow()
        self._raw_lines = not header.term  # there is no terminal whose size mattered either
        size = (columns, max(1, rows - 1)) if self._raw_lines else (header.width, header.height)
        self._screen = TerminalScreen(*size)
        self._sanitisers = {Code.OUTPUT: Sanitiser(), Code.ERROR: Sanitiser()}
        self.cost = 0.0  # seconds that the last step took
        self.closed = False

    def advance(self) -> Still:
        """Read what came since, and return the screen after it."""
        began = time.monotonic()
        tail, budget = Tail(DRAWN_MAX), READ_MAX
        while budget > 0 and (event := next(self._events, _CLOSED)) is not None:
            if event is _CLOSED:
                self.closed = True
                break
            budget -= len(event.data)
            if event.code is Code.RESIZE:
                self._screen.feed(tail.text().encode())
                tail = Tail(DRAWN_MAX)
                self._screen.resize(*event.size)
            elif event.code in self._sanitisers:
                text = self._sanitisers[event.code].feed(event.data)
                tail.add(text.replace("\n", "\r\n") if self._raw_lines else text)
        self._screen.feed(tail.text().encode())
        self.cost = time.monotonic() - began
        return self._screen.still()


_CLOSED = Event(0.0, Code.MARKER, b"")


async def _stills(viewer: Viewer) -> AsyncIterator[object]:
    """Yield the screen each time that it changed, to the recording's end."""
    last: Still | None = None
    while not viewer.closed:
        still = await asyncio.to_thread(viewer.advance)
        if still != last:
            last = still
            yield still
        await asyncio.sleep(max(PAUSE, SHARE * viewer.cost))


async def _end(control: Control, row: SessionRow) -> AsyncIterator[object]:
    """Yield that the session is over, once it is; raises NotFoundError where the right to see it was taken away."""
    while row.ended is None:
        await asyncio.sleep(CHECK)
        row = await sessions.get(control, row.id)
    yield Over(row)


def _left(context: ServerContext, row: SessionRow) -> str:
    if row.ended is None:
        return f"live {length((context.control.now - row.started).total_seconds())}"
    return f"over, exit {row.exit_status}" if row.exit_status else "over"


def draw(terminal: Terminal, row: SessionRow, still: Still, state: str) -> str:
    """Return the whole frame, exactly as high as the viewer's terminal: a title, and what fits of the screen."""
    columns, height = window(terminal)
    room = max(0, height - 1)
    left, top = _corner(still, columns, room)
    lines = [_title(row, still, state, columns, room)]
    for number in range(top, min(top + room, still.rows)):
        mark = still.cursor[0] if still.cursor is not None and still.cursor[1] == number else -1
        lines.append(_drawn(still.lines[number], left, columns, mark))
    lines += [Text("")] * (height - len(lines))
    for line in lines:
        line.truncate(columns)
    frame = render(terminal, lines[:height]).removesuffix("\n").split("\n")
    return "\x1b[H" + "\x1b[K\r\n".join(frame) + "\x1b[K\x1b[J"


def _corner(still: Still, columns: int, rows: int) -> tuple[int, int]:
    """Return the first column and row to show: those where the cursor is, in steps, so that it does not flutter."""
    x, y = still.cursor or (0, 0)
    step = max(1, columns // 2)
    left = 0 if x < columns else min(-(-(x - columns + 1) // step) * step, still.columns - columns)
    return left, max(0, min(y - rows + 1, still.rows - rows))


def _title(row: SessionRow, still: Still, state: str, columns: int, room: int) -> Text:
    where = f"{row.login}@{row.target}" if row.login else row.target
    title = Text(f" {safe(row.identity)} on {safe(where)}")
    if still.columns > columns or still.rows > room:
        title.append(f", part of {still.columns}x{still.rows}")
    right = f"{state}   q back "
    title.truncate(max(0, columns - cell_len(right) - 1), overflow="ellipsis")
    title.pad_right(max(1, columns - cell_len(title.plain) - cell_len(right)))
    title.append(right)
    title.stylize("reverse")
    return title


def _drawn(line: Line, left: int, columns: int, mark: int) -> Text:
    """Return a part of a line as rich draws it; `mark` is the cursor's column."""
    cells = [*line, *[(" ", Look())] * (mark + 1 - len(line))][: left + columns]
    shown = Text()
    for (look, marked), run in groupby(
        enumerate(cells[left:], left), key=lambda placed: (placed[1][1], placed[0] == mark)
    ):
        text = "".join(cell[0] for _, cell in run)
        shown.append(text, _style(look, marked=marked))
    return shown


def _style(look: Look, *, marked: bool) -> Style:
    return Style(
        color=look.color or None,
        bgcolor=look.background or None,
        bold=look.bold,
        italic=look.italic,
        underline=look.underline,
        reverse=look.reverse != marked,
    )


async def _print(context: ServerContext, session_id: str) -> None:
    row, recording = await sessions.watch(context.control, session_id)
    terminal = context.terminal
    shown: Iterator[str] = blocks(recording.follow())
    checked = time.monotonic()
    while not terminal.closed.is_set() and (block := await asyncio.to_thread(next, shown, None)) is not None:
        terminal.write(block.encode())
        await terminal.drain()
        if block:
            continue
        if row.ended is not None:
            return
        if time.monotonic() - checked > CHECK:
            row, checked = await sessions.get(context.control, row.id), time.monotonic()
        await asyncio.sleep(PAUSE)
