"""What a terminal's output tells about the line being typed: prompts, whose turn it is, and the line on the screen.

Only what comes between the first key and Enter is put on a screen (`bastion.protocols.picture`); of everything else the
last bytes are kept and a few marks are looked for. Marks are hints: any program can print them. So they choose how a
line is read, never whether bytes pass or are recorded. Memory is bounded; too much output at once makes a line unknown.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum, auto

from bastion.protocols.keys import Keys
from bastion.protocols.picture import Mark, Picture

TAIL = 4096
"""Bytes of output that are kept, and that are put on a picture at once."""

_MARK = re.compile(rb"\x1b\[\?([0-9;]{1,32})([hl])")
_MARK_BEGINNING = re.compile(rb"\x1b(?:\[(?:\?[0-9;]{0,32})?)?")
_CARRY = 40  # bytes that a mark has at most
_BRACKETED = b"2004"
_ALTERNATE = frozenset({b"47", b"1047", b"1049"})
_BASH_SEARCH = re.compile(r"\((?:failed )?(?:reverse-)?i-search\)`(.*?)': (.*)", re.DOTALL)
_ZSH_ROW = re.compile(r"(?:failing )?(?:bck|fwd)-i-search: |execute: |zle-line-init")
_SEPARATOR = re.compile(r"[$%#>\u276f\u279c]\s+(?=\S)")  # what prompts end in

_DRIVER_ERASES = b"\x08 \x08"
_ERASURE = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]|[\x07\x08\r\n ]|\^E")

_TELLING = 3  # characters of typed text on the screen that can't be chance

SCROLLED = "the beginning of the line is not on the screen any more"
NO_WIDTH = "the line holds characters without a width"
NO_PROMPT = "it is not known where the prompt ends"
INTERRUPT = b"\x03"
NO_ECHO = "what was typed does not show"
DIFFER = "the screen and the keys differ"
ODD_KEY = "a key that some shells run lines with, among other things"
UNSEEN = "neither the screen nor the keys tell"
KEYS = "keys whose meaning depends on who reads them"
LONG_PASTE = "a paste too long to be read"
BELOW = "what stands below the cursor may belong to the line or not"


class Rest(Enum):
    """What happens to the rest of a paste that was too long to be kept."""

    NONE = auto()
    PASS = auto()
    DROP = auto()


@dataclass(frozen=True, slots=True)
class Window:
    """A terminal: its size in characters, and the keys its driver knows (RFC 4254 section 8: VINTR, VKILL)."""

    columns: int
    rows: int
    interrupt: bytes = INTERRUPT
    kill: bytes = b"\x15"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a piece of output held: `prompted`, a new turn at typing began; `ran`, an editor gave a line away."""

    prompted: bool = False
    ran: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """The line on the screen, `others` that it may be, the prompt before it, and why it is not certain."""

    text: str | None
    others: tuple[str, ...] = ()
    prompt: str = ""
    doubts: tuple[str, ...] = ()


class Watcher:
    """Follows the output of one terminal."""

    def __init__(self, columns: int, rows: int) -> None:
        self.editor = False  # bracketed paste is on: a line editor reads keys
        self.full = False  # the alternate screen is on
        self._editor_seen = False
        self.released = False  # a line was run, and no sign of it came yet
        self._size = (columns or 80, rows or 24)
        self._tail = bytearray()
        self._carry = b""
        self._screen: Picture | None = None
        self._unseen = b""  # what the picture does not show yet: few keys are followed by a look at it
        self._mark: Mark | None = None
        self._prompt = ""
        self._last_prompt = ""
        self._prompt_bytes = b""
        self._right = ""
        self._right_end = 0
        self._shown_before = ""
        self._moved = False
        self._guessed = False
        self._prefilled = False
        self._shows = 0

    @property
    def editing(self) -> bool:
        """Whether a line is being followed on the screen."""
        return self._screen is not None

    @property
    def _picture(self) -> Picture | None:
        """The screen on which a line is being followed, as it is now."""
        if self._screen is not None and self._unseen:
            self._screen.feed(self._unseen)
            self._unseen = b""
        return self._screen

    @_picture.setter
    def _picture(self, picture: Picture | None) -> None:
        self._screen, self._unseen = picture, b""

    @property
    def prompt_bytes(self) -> bytes:
        """The output that shows the prompt of the line."""
        return self._prompt_bytes

    @property
    def echoed(self) -> bool:
        """Whether any output came since the first key."""
        return self._shows > 0

    def echoes(self, shown: Shown, typed: str | None) -> bool:
        """Whether typed text shows, or did before other output came in between."""
        if self.echoed or typed == "" or shown.text not in (None, ""):
            return True
        before = self._shown_before[:_TELLING]
        return typed is not None and bool(before) and typed.startswith(before)

    def doubts(self, shown: Shown, typed: str | None) -> tuple[tuple[str, ...], bool]:
        """Return why screen and keys give no one account of the line, and whether what is typed shows."""
        echo = self.echoes(shown, typed)
        why: tuple[str, ...] = ()
        if shown.text is None and typed is None:
            why = (UNSEEN,)
        elif typed is None and not self.editor:
            why = (KEYS,)
        elif not echo:
            why = (NO_ECHO,)
        elif shown.text is not None and typed is not None and not same(shown.text, typed):
            why = (DIFFER,)
        return (*shown.doubts, *why), echo

    @property
    def at_known_prompt(self) -> bool:
        """Whether the line stands behind the same prompt as one before."""
        return bool(self._prompt.strip()) and self._prompt == self._last_prompt and self._mark is not None

    def output(self, data: bytes) -> Seen:
        """Take output."""
        self._tail += data[-TAIL:]
        del self._tail[:-TAIL]
        prompted = ran = False
        place = 0
        for end, modes, on in self._marks(data):
            self._show(data[place:end])
            place = end
            if _BRACKETED in modes:
                self.editor = on
                self._editor_seen = True
                prompted, ran = prompted or on, ran or not on
            if modes & _ALTERNATE:
                self.full = on
            self.end()
        self._show(data[place:])
        if b"\n" in data and not self.editor and self._picture is not None:
            if self._mark is not None and self._shows and not self._shown_before:
                self._shown_before = (self._picture.line_from(self._mark) or [""])[0]
            self.end()  # the terminal driver echoes no line end before Enter
            prompted = True
        return Seen(prompted, ran)

    def begin(self, keys: Keys) -> None:
        """The first key of a line came: what is shown now is the prompt."""
        last_line = bytes(self._tail[self._tail.rfind(b"\n") + 1 :])
        self._picture = Picture(*self._size)
        self._picture.feed(last_line)
        self._prompt_bytes = last_line
        cursor = self._picture.mark
        self._mark, self._prompt = cursor, self._picture.before(cursor)
        behind = self._picture.behind(cursor)
        self._right, self._right_end = behind.strip(), len(self._prompt) + len(behind)
        self._guessed = False
        self._moved, self._shows = len(last_line) == TAIL, 0
        late = self.editor and not self._prompt
        if not keys.whole.empty or self._prefilled or late or self._moved:
            self._mark = None
            self._place_prompt(keys)

    def end(self) -> None:
        """No line is being edited any more."""
        self._picture, self._mark, self.released = None, None, False

    def ran_line(self, *, prefills: bool) -> None:
        """A line was given to the shell; `prefills`: by a key that puts another line in."""
        if self._mark is not None and (self.editor or (self.echoed and not self._editor_seen)):
            self._last_prompt = self._prompt
        self._prefilled, self._shown_before = prefills, ""
        if self.editor:
            self.released = True
        else:
            self.end()

    def again(self) -> bytes:
        """The line was taken away and its prompt stands alone: begin anew from there; return what shows it."""
        self.end()
        self._tail = bytearray(self._prompt_bytes)
        return self._prompt_bytes

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's new size: editors draw their line anew."""
        self._size = (columns or 80, rows or 24)
        if self._screen is not None and self.editor:
            self._picture = Picture(*self._size)
            self._mark, self._moved = None, True

    def rows_below(self) -> int:
        """Return how many rows of the line are below the cursor."""
        if self._picture is None or self._mark is None:
            return 0
        return self._picture.lines_below(self._mark)

    def empty(self) -> bool:
        """Whether the line on the screen is known to be empty, with the cursor at its beginning."""
        if self._picture is None or self._mark is None:
            return False
        lines = self._picture.line_from(self._mark)
        return lines is not None and self._without_right(lines) == [""] and self._picture.mark == self._mark

    def read(self, keys: Keys) -> Shown:
        """Return the line as it stands on the screen."""
        picture = self._picture
        if picture is None:
            return Shown(None, (), "", (NO_PROMPT,))
        if (found := self._searched(picture)) is not None:
            return found
        self._place_prompt(keys)
        if self._mark is None:
            whole = picture.line_from(picture.start_of_line()) or [""]
            return Shown(None, ("\n".join(whole),), "", (NO_PROMPT,))
        lines = picture.line_from(self._mark)
        if lines is None:
            return Shown(None, (), self._prompt, (SCROLLED,))
        lines = self._without_right(lines)
        text = "\n".join(lines)
        doubts = [NO_WIDTH] if picture.strange else []
        if keys.whole.text is None and keys.line.text is None and picture.cursor_line(self._mark) + 1 < len(lines):
            doubts.append(BELOW)
        if self._guessed and self._prompt != self._last_prompt:
            doubts.append(NO_PROMPT)
        return Shown(text, self._others(picture, lines), self._prompt, tuple(doubts))

    def _others(self, picture: Picture, lines: list[str]) -> tuple[str, ...]:
        """Return what else may be meant: without lists below or suggestions behind, or with a part of the prompt."""
        assert self._mark is not None
        others = []
        upto = picture.cursor_line(self._mark) + 1
        if upto < len(lines):
            others.append("\n".join(lines[:upto]))
        before = picture.line_from(self._mark, picture.mark)
        if before is not None and before != lines:
            others.append("\n".join(before))  # suggestions stand behind the cursor
        if self._prompt != self._last_prompt:
            text = "\n".join(lines)
            others += [self._prompt[found.end() :] + text for found in _SEPARATOR.finditer(self._prompt)]
        return tuple(other for other in others if other.strip())

    def _place_prompt(self, keys: Keys) -> None:
        """Find where the line begins, where the first key did not tell or the editor drew it anew elsewhere."""
        picture = self._picture
        assert picture is not None
        if self._mark is not None and not (keys.redrawn or self._moved):
            return
        prompt = self._prompt if self._mark is not None or self._moved else self._last_prompt
        below = self._mark or Mark(0, 0)
        if prompt.strip() and (found := picture.find(prompt, Mark(below.row, 0))) is not None:
            self._mark, self._prompt = found, prompt
            return
        if self._mark is not None:
            return
        start = picture.start_of_line()
        text = "\n".join(picture.line_from(start) or [])
        for typed in (keys.whole.text, keys.line.text):
            if typed and text.endswith(typed.rstrip()):
                self._prompt = text[: len(text) - len(typed.rstrip())]
                self._mark = picture.find(self._prompt, start) if self._prompt else start
                self._guessed = True
                return

    def _searched(self, picture: Picture) -> Shown | None:
        """Return the line bash has found while it shows its search in place of the prompt."""
        lines = picture.line_from(picture.start_of_line()) or [""]
        found = _BASH_SEARCH.fullmatch("\n".join(lines))
        if found is None:
            return None
        text = found.group(2)
        later = tuple(text[place + 3 :] for place in range(len(text)) if text.startswith("': ", place))
        return Shown(text, later, self._prompt)

    def _without_right(self, lines: list[str]) -> list[str]:
        """Leave out a prompt at the right margin, and rows in which zsh tells about itself."""
        right = f" {self._right}" if self._right else ""
        if right and lines[0].endswith(right) and len(self._prompt) + len(lines[0]) == self._right_end:
            lines = [lines[0].removesuffix(right).rstrip(), *lines[1:]]
        while len(lines) > 1 and _ZSH_ROW.match(lines[-1]):
            lines = lines[:-1]
        return lines

    def _show(self, data: bytes) -> None:
        if self._screen is None or not data:
            return
        self._shows += 1
        if len(data) > TAIL:
            self._picture = Picture(*self._size)
            data = bytes(self._tail[self._tail.find(b"\n") + 1 :])
            self._mark, self._moved = None, True
        elif len(self._unseen) + len(data) > TAIL:
            self._screen.feed(self._unseen)
            self._unseen = b""
        self._unseen += data

    def _marks(self, data: bytes) -> list[tuple[int, set[bytes], bool]]:
        """Return where marks end in the output, the modes they name and whether they switch them on."""
        if b"\x1b" not in data and not self._carry:
            return []
        whole, before = self._carry + data, len(self._carry)
        start = whole.rfind(b"\x1b")
        unfinished = start >= 0 and len(whole) - start < _CARRY and _MARK_BEGINNING.fullmatch(whole, start)
        self._carry = whole[start:] if unfinished else b""
        marks = []
        for match in _MARK.finditer(whole):
            modes = set(match.group(1).split(b";"))
            if _BRACKETED in modes or modes & _ALTERNATE:
                marks.append((match.end() - before, modes, match.group(2) == b"h"))
        return marks


def same(shown: str, typed: str) -> bool:
    """Return whether a line on the screen is the one that was typed, as far as a screen can tell."""
    if "\t" in typed:  # shown as blanks, how many depends on the column
        return shown.split() == typed.split()
    return _plain(shown) == _plain(typed)


def only_erases(output: bytes, line: bytes) -> bool:
    """Return whether output takes a line away: editors may show it once more before they erase it."""
    return _ERASURE.sub(b"", output) in _ERASURE.sub(b"", line)


def driver_erased(output: bytes, length: int) -> bool:
    """Return whether output is the terminal driver's way of erasing so many characters, or more, and nothing else."""
    erased = output.count(_DRIVER_ERASES)
    return output == erased * _DRIVER_ERASES and erased >= length


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n")).rstrip("\n")
