"""A line being edited, as plain keys make it: what was typed, where the cursor is, what was killed.

Only what readline, zle and the terminal driver do alike is followed; where they differ, or the buffer is not known (a
recalled line, a completion), the text is None until the line is over. Nothing here reads bytes (see
`bastion.protocols.keys`) or looks at the screen.
"""

import re

MAX_TEXT = 65_536
"""Characters that are followed; a longer line is not known."""

_PLAIN_WORD = re.compile(r"(?:^|(?<=[ \t]))([A-Za-z0-9_]+)[ \t]*\Z")


class LineBuffer:
    """The line editor's buffer. `text` is None where it is not known."""

    def __init__(self) -> None:
        self._text: list[str] | None = []
        self._cursor = 0
        self._killed: str | None = ""
        self._killing = False
        self.touched = False  # whether any key came since the line began

    @property
    def text(self) -> str | None:
        """The line as far as keys alone tell."""
        return None if self._text is None else "".join(self._text)

    @property
    def empty(self) -> bool:
        """Whether nothing stands in it for certain."""
        return self._text is not None and not self._text

    def clear(self) -> None:
        """Begin a new line; what was killed stays."""
        self._text, self._cursor, self._killing, self.touched = [], 0, False, False

    def lose(self) -> None:
        """Note that what stands in the buffer can't be told from keys any more."""
        self._text, self._killing, self.touched = None, False, True

    def insert(self, text: str) -> None:
        """Put text in at the cursor."""
        self.touched, self._killing = True, False
        if self._text is None:
            return
        if len(self._text) + len(text) > MAX_TEXT:
            self.lose()
            return
        self._text[self._cursor : self._cursor] = text
        self._cursor += len(text)

    def erase_back(self) -> None:
        """Delete the character before the cursor."""
        self.touched, self._killing = True, False
        if self._text is not None and self._cursor:
            self._cursor -= 1
            del self._text[self._cursor]

    def erase_forward(self) -> None:
        """Delete the character under the cursor."""
        self.touched, self._killing = True, False
        if self._text is not None:
            del self._text[self._cursor : self._cursor + 1]

    def move(self, by: int) -> None:
        """Move the cursor by characters, as far as the line goes."""
        self.touched, self._killing = True, False
        if self._text is not None:
            self._cursor = min(max(self._cursor + by, 0), len(self._text))

    def home(self) -> None:
        """Move to the beginning; within several lines editors differ on which."""
        self._to(0)

    def end(self) -> None:
        """Move to the end."""
        self._to(MAX_TEXT)

    def _to(self, place: int) -> None:
        self.touched, self._killing = True, False
        if self._text is not None and "\n" in self._text:
            self.lose()
        elif self._text is not None:
            self._cursor = min(place, len(self._text))

    def kill_line(self) -> None:
        """Ctrl-U: to the beginning in bash, the whole line elsewhere; the same only at the end of the line."""
        if self._text is None or self._cursor != len(self._text) or "\n" in self._text:
            self._kill_unknown()
        else:
            self._kill(0, self._cursor, forward=False)

    def kill_end(self) -> None:
        """Ctrl-K: from the cursor to the end."""
        if self._text is None or "\n" in self._text:
            self._kill_unknown()
        else:
            self._kill(self._cursor, len(self._text), forward=True)

    def kill_word(self) -> None:
        """Ctrl-W: the word before the cursor, where all editors agree on what a word is."""
        found = None if self._text is None else _PLAIN_WORD.search("".join(self._text[: self._cursor]))
        if found is None and not (self._text is not None and self._cursor == 0):
            self._kill_unknown()
        elif found is not None:
            self._kill(found.start(1), self._cursor, forward=False)

    def yank(self) -> None:
        """Ctrl-Y: put in what was killed last."""
        if self._killed is None:
            self.lose()
        else:
            self.insert(self._killed)

    def transpose(self) -> None:
        """Ctrl-T: swap the characters around the cursor."""
        self.touched, self._killing = True, False
        if self._text is None or len(self._text) < 2 or self._cursor == 0:
            return
        right = min(self._cursor, len(self._text) - 1)
        self._text[right - 1], self._text[right] = self._text[right], self._text[right - 1]
        self._cursor = right + 1

    def _kill(self, start: int, end: int, *, forward: bool) -> None:
        assert self._text is not None
        cut = "".join(self._text[start:end])
        del self._text[start:end]
        self._cursor = start
        if self._killing and self._killed is not None:
            cut = self._killed + cut if forward else cut + self._killed
        self._killed, self._killing, self.touched = cut[:MAX_TEXT], True, True

    def _kill_unknown(self) -> None:
        self.lose()
        self._killed = None
