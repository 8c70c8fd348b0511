"""The live screen of approvals as a plain object: rows and keys go in, frames and wishes come out. No I/O, no clock.

Two things keep a hurried approver safe. The selection never moves by itself, save onto the first row of an empty
list: when the selected request goes away, nothing is selected. And `a` works only where the whole command is in
sight: for one that doesn't fit below the list it opens the details first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from rich.cells import cell_len
from rich.text import Text

from bastion.control.terminal import Terminal
from bastion.model import Kind
from bastion.policy.understanding import Understanding
from bastion.store.base import ApprovalRow
from cli.approvals import summary
from cli.console import as_text, length, render, safe, window

REASON_MAX = 500  # characters
NAME_MAX = 24  # cells of a person or a place in the list
HURRY = 60  # seconds before the end, from which the countdown is red
_DETAIL_LINES = 7  # below the list, where the window has room for them
_HELP = {
    "list": "up/down select   a approve   d deny   w watch   enter details   q quit",
    "details": "up/down scroll   a approve   d deny   w watch   enter back   q quit",
    "reason": "enter deny   escape cancel",
}


@dataclass(frozen=True, slots=True)
class Decide:
    """The approver wants this decision."""

    approval_id: str
    approve: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """The approver wants to see the session in which it was asked."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Quit:
    """The approver wants to leave."""


class Mode(Enum):
    """What the screen shows, and what keys mean."""

    LIST = "list"
    DETAILS = "details"
    REASON = "reason"


class Screen:
    """State of the screen. `status` is the line above the help, for results of decisions."""

    def __init__(self, name: str) -> None:
        self.status = ""
        self.mode = Mode.LIST
        self._behind = Mode.LIST  # what is seen while a reason is typed
        self._name = name
        self._rows: tuple[ApprovalRow, ...] = ()
        self._understood: Mapping[str, Understanding | None] = {}
        self._selected = ""
        self._reason = ""
        self._scroll = 0
        self._fits = False

    @property
    def selected(self) -> ApprovalRow | None:
        """The selected request, if it is still there."""
        return next((row for row in self._rows if row.id == self._selected), None)

    def update(self, rows: Sequence[ApprovalRow], understood: Mapping[str, Understanding | None] | None = None) -> bool:
        """Take the pending requests, oldest first, and what each would run; returns whether there are new ones."""
        self._understood = understood or {}
        known = {row.id for row in self._rows}
        was_empty, self._rows = not self._rows, tuple(rows)
        if was_empty and rows:
            self._selected = rows[0].id
        elif self.selected is None:
            if self.mode is not Mode.LIST:
                self.status = f"{self._selected} is not pending any more"
            self._selected, self.mode, self._reason = "", Mode.LIST, ""
        return any(row.id not in known for row in rows)

    def press(self, key: str) -> Decide | Watch | Quit | None:
        """Take one key and return what the approver wants done, if anything."""
        if key == "ctrl-c":
            return Quit()
        if self.mode is Mode.REASON:
            return self._press_reason(key)
        if key in {"q", "ctrl-d"}:
            return Quit()
        row = self.selected
        match key:
            case "up" | "k" | "down" | "j":
                self._move(-1 if key in {"up", "k"} else 1)
            case "page up" | "page down":
                self._move(-10 if key == "page up" else 10)
            case "enter" | "escape":
                self._toggle(open_=key == "enter" and self.mode is Mode.LIST)
            case "a" if row is not None and (self._fits or self.mode is Mode.DETAILS):
                return Decide(row.id, approve=True)
            case "a" if row is not None:
                self._toggle(open_=True)
                self.status = "this command is long: read it, then press a"
            case "d" if row is not None:
                self._behind, self.mode, self._reason = self.mode, Mode.REASON, ""
            case "w" if row is not None and row.session:
                return Watch(row.session)
            case "w" if row is not None:
                self.status = f"{row.id} was asked in no session that could be watched"
            case _:
                pass
        return None

    def _press_reason(self, key: str) -> Decide | None:
        match key:
            case "escape":
                self.mode = self._behind
            case "enter":
                self.mode = Mode.LIST
                return Decide(self._selected, approve=False, reason=self._reason.strip())
            case "backspace":
                self._reason = self._reason[:-1]
            case "ctrl-u":
                self._reason = ""
            case _ if len(key) == 1 and len(self._reason) < REASON_MAX:
                self._reason += key
            case _:
                pass
        return None

    def _move(self, step: int) -> None:
        self.status = ""
        if self.mode is Mode.DETAILS:
            self._scroll = max(0, self._scroll + step)
            return
        places = [row.id for row in self._rows]
        if self._selected in places:
            place = places.index(self._selected) + step
            self._selected = places[min(max(place, 0), len(places) - 1)]
        elif places:
            self._selected = places[0 if step > 0 else -1]

    def _toggle(self, *, open_: bool) -> None:
        self.status = ""
        self.mode = Mode.DETAILS if open_ and self.selected is not None else Mode.LIST
        self._scroll = 0

    def draw(self, terminal: Terminal, now: datetime) -> str:
        """Return the whole frame as control sequences and text, exactly as high as the terminal."""
        columns, height = window(terminal)
        bottom = self._bottom(columns)
        room = max(0, height - 1 - len(bottom))
        view = self._behind if self.mode is Mode.REASON else self.mode
        body = self._details(columns, room, now) if view is Mode.DETAILS else self._list(columns, room, now)
        lines = [self._title(columns, now), *body[:room]]
        lines += [Text("")] * (height - len(lines) - len(bottom))
        lines = [*lines, *bottom][:height]
        for line in lines:
            line.truncate(columns, overflow="ellipsis")
        frame = render(terminal, lines).removesuffix("\n").split("\n")
        return "\x1b[H" + "\x1b[K\r\n".join(frame) + "\x1b[K\x1b[J"

    def _title(self, columns: int, now: datetime) -> Text:
        waiting = f" {len(self._rows)} waiting" if self._rows else " nothing waits"
        right = f"{safe(self._name)}  {now:%H:%M:%SZ} "
        title = Text(f" approvals:{waiting}")
        title.pad_right(max(1, columns - cell_len(title.plain) - cell_len(right)))
        title.append(right)
        title.stylize("reverse")
        return title

    def _bottom(self, columns: int) -> list[Text]:
        if self.mode is Mode.REASON:
            shown = safe(self._reason)
            while cell_len(shown) > max(10, columns - 20):
                shown = shown[1:]
            first = Text("why not? ", style="bold").append(shown, style="not bold").append("_", style="blink")
        else:
            first = Text(safe(self.status), style="yellow")
        return [first, Text(_HELP[self.mode.value], style="dim")]

    def _list(self, columns: int, room: int, now: datetime) -> list[Text]:
        row = self.selected
        details = _wrapped(row, columns, now, self._understood.get(row.id)) if row is not None else []
        spare = max(0, room - min(len(self._rows), max(1, room // 2)) - 1)
        pane = details[: min(max(_DETAIL_LINES, len(_command(row, columns))), spare)] if row else []
        # the command comes first in the details: all of it must be in sight before `a` works from here
        self._fits = row is not None and len(_command(row, columns)) <= len(pane)
        height = room - len(pane) - bool(pane)
        places = [candidate.id for candidate in self._rows]
        place = places.index(self._selected) if self._selected in places else 0
        start = max(0, min(place - height // 2, len(places) - height))
        names = _Names.of(self._rows, columns)
        lines = [self._line(candidate, names, now) for candidate in self._rows[start : start + height]]
        lines += [Text("")] * (height - len(lines))
        return [*lines, Text("-" * columns, style="dim"), *pane] if pane else lines

    def _line(self, row: ApprovalRow, names: "_Names", now: datetime) -> Text:
        chosen = row.id == self._selected
        left = (row.expires - now).total_seconds()
        line = Text(f"{'>' if chosen else ' '} ", style="bold" if chosen else "")
        line.append(f"{length(left):>7}  ", style="bold red" if left < HURRY else "")
        for name, width in ((_who(row), names.who), (_where(row), names.where)):
            cell = Text(name, style="cyan")
            cell.truncate(width, overflow="ellipsis", pad=True)
            line.append(cell).append("  ")
        return line.append(safe(as_text(row.command)))

    def _details(self, columns: int, room: int, now: datetime) -> list[Text]:
        row = self.selected
        lines = _wrapped(row, columns, now, self._understood.get(row.id)) if row is not None else []
        self._scroll = min(self._scroll, max(0, len(lines) - room))
        more = len(lines) - room - self._scroll
        shown = lines[self._scroll : self._scroll + room]
        if more > 0 and shown:
            shown[-1] = Text(f"-- {more + 1} more lines --", style="dim")
        return shown


@dataclass(frozen=True, slots=True)
class _Names:
    """How wide the columns of people and places are."""

    who: int
    where: int

    @classmethod
    def of(cls, rows: Sequence[ApprovalRow], columns: int) -> "_Names":
        widest = [max((cell_len(name(row)) for row in rows), default=0) for name in (_who, _where)]
        return cls(*(min(width, NAME_MAX, columns // 5) for width in widest))


def _who(row: ApprovalRow) -> str:
    return safe(row.requester) + ("" if row.kind is Kind.HUMAN else f" ({row.kind})")


def _where(row: ApprovalRow) -> str:
    return safe(f"{row.login}@{row.target}" if row.login else row.target)


def _command(row: ApprovalRow | None, columns: int) -> list[Text]:
    return _wrap("", safe(as_text(row.command)), columns) if row is not None else []


def _wrapped(row: ApprovalRow, columns: int, now: datetime, understood: Understanding | None) -> list[Text]:
    """Return the details of a request, cut into lines; the command comes first, alone."""
    lines = _command(row, columns)
    for name, value in summary(row, now, understood):
        if name != "command":
            lines += _wrap(f"{name}: ", safe(value), columns)
    return lines


def _wrap(name: str, value: str, columns: int) -> list[Text]:
    """Cut a text into lines of at most `columns` cells, losing nothing, not even spaces at the ends of lines."""
    text, width, lines = name + value, max(1, columns - 1), [""]
    for character in text:
        if cell_len(lines[-1]) + cell_len(character) > width:
            lines.append("")
        lines[-1] += character
    style = "dim" if name else "bold"
    return [Text(line, style=style) for line in lines]
