"""The end of a long output: what somebody needs who did not watch the rest of it pass."""

import re
from collections import deque

_BLOCKS = 64  # make up the whole, about; one at a time is forgotten
_MODE = re.compile(r"\x1b\[\?([0-9;]+)([hl])")


class Tail:
    """The last characters of sanitised output, `most` or one line more, and the modes that were set before those."""

    def __init__(self, most: int, beginning: str = "") -> None:
        self._most = most
        self._beginning = beginning
        self._blocks: deque[str] = deque()
        self._size = 0  # of the blocks
        self._open: list[str] = []  # parts of the block that is being filled
        self._open_size = 0
        self._modes: dict[str, str] = {}

    def add(self, text: str) -> None:
        """Take more; give whole sequences, as a `Sanitiser` does."""
        block = self._most // _BLOCKS
        for part in [text] if len(text) <= block else text.splitlines(keepends=True):  # no sequence spans lines
            self._open.append(part)
            self._open_size += len(part)
            if self._open_size >= block:
                self._close()

    def _close(self) -> None:
        self._blocks.append("".join(self._open))
        self._size += self._open_size
        self._open, self._open_size = [], 0
        while self._size - len(self._blocks[0]) >= self._most:
            forgotten = self._blocks.popleft()
            self._size -= len(forgotten)
            for numbers, final in _MODE.findall(forgotten):
                self._modes |= dict.fromkeys(numbers.split(";"), final)

    def text(self) -> str:
        """Return what is to be drawn."""
        modes = (f"\x1b[?{number}{final}" for number, final in self._modes.items())
        return "".join([self._beginning, *modes, *self._blocks, *self._open])
