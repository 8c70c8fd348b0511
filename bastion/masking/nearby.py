"""Which personal fields stand near keys that say little: what tells that a bare `name` is somebody's."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from bastion.masking.fields import PERSONAL, kind_of, may_be_personal

OBJECT_END = re.compile(rb"[{}]|\n[ \t]*(?:\r?\n|- )")
"""What parts two objects."""

_NAME = rb"[\w\x80-\xff \-]"
FIELD = re.compile(rb"(?<![\[A-Z])[A-Za-z\x80-\xff]" + _NAME + rb"{1,30}(?=[\"']?[ \t]*[:=|>])")
"""The name of a field that a sign follows."""

LIMIT = 4096
"""No structure is looked at further back than so many bytes."""

REACH = 96
"""How many bytes before a key a field may begin that tells of it."""

AHEAD = 300
"""No value behind a key, with what is looked at behind it, is longer."""

_LONGEST = 31
_RUN = re.compile(rb"(?:(?<!" + _NAME + rb")|\A)" + _NAME + rb"++(?=[\"']?[ \t]*[:=|>])")
_BEGUN = re.compile(rb"(?<![\[A-Z])[A-Za-z\x80-\xff].+", re.DOTALL)
_RECORD = re.compile(rb"-\[ RECORD [0-9]+ \]|\*{3} [0-9]+\. row \*{3}")
_RECORD_MARKS = (b"-[ RECORD ", b". row ***")
_RECORD_LINE = re.compile(rb"\s*[^\s|:]*\s*[|:]")


class Nearby:
    """A text with its fields around some keys, looked for once for all of them. Keys are given by where they end.

    `keys` are all that are asked about, in order.
    """

    def __init__(self, text: bytes, keys: Sequence[int]) -> None:
        self._text = text
        self._starts: list[int] = []  # of what may be a personal field, or end like one
        self._ends: list[int] = []
        self._records = bool(keys) and any(mark in text for mark in _RECORD_MARKS)
        self._record = -1  # where the record began that is going on at `_line`
        self._line = 0
        known: dict[bytes, bool] = {}
        for low, high in _windows(keys):
            window = text[low:high]
            for start, end in [run.span() for run in _RUN.finditer(window)]:
                name = window[max(start, end - 2 * _LONGEST) : end]
                personal = known.get(name)
                if personal is None:
                    personal = known[name] = may_be_personal(name)
                if personal:
                    self._starts.append(low + start)
                    self._ends.append(low + end)

    def told(self, key: int) -> bool:
        """Return whether a personal field stands shortly before, in the same object."""
        text, low = self._text, key - REACH
        at = bisect_left(self._ends, key) - 1
        while at >= 0 and self._ends[at] > low:
            start, end = self._starts[at], self._ends[at]
            if OBJECT_END.search(text, end, key) is not None:
                return False
            stop = end if text[end] in b"\"'" else start + len(text[start:end].rstrip(b" "))
            name = _BEGUN.search(text, max(low, start, stop - _LONGEST), end)
            if name is not None and kind_of(name[0]) in PERSONAL:
                return True
            at -= 1
        return False

    def followed(self, key: int) -> bool:
        """Return whether a personal field may stand as near behind the key's value as it counts."""
        at = bisect_right(self._ends, key)
        return at < len(self._ends) and self._starts[at] < key + AHEAD

    def recorded(self, key: int) -> bool:
        """Return whether a record of psql's or mysql's vertical layout began and no line without a field came since."""
        if not self._records:
            return False
        text, low = self._text, max(0, key - LIMIT)
        line = max(low, text.rfind(b"\n", low, key) + 1)
        if _RECORD_LINE.fullmatch(text, line, key) is None:
            return False
        if self._line < low:
            self._record, self._line = -1, text.rfind(b"\n", 0, low) + 1
        for passed in text[self._line : line].split(b"\n")[:-1]:
            begun = [self._line + mark.start() for mark in _RECORD.finditer(passed)] if b" " in passed else []
            if begun:
                self._record = begun[-1]
            elif b"|" not in passed and b":" not in passed:
                self._record = -1
            self._line += len(passed) + 1
        return self._record >= low


def _windows(keys: Iterable[int]) -> Sequence[tuple[int, int]]:
    """Return the stretches of text around the keys."""
    windows: list[tuple[int, int]] = []
    for key in keys:
        low = max(0, key - REACH - 2 * _LONGEST)
        if windows and low <= windows[-1][1]:
            windows[-1] = (windows[-1][0], key + AHEAD)
        else:
            windows.append((low, key + AHEAD))
    return windows
