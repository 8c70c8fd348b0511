"""What readers of structures have in common: what they are asked, and what they say of it.

A reader takes text unit by unit (lines, a tuple, a value) and says which stretches are personal, by the column or the
field they stand in. It is asked again with more text when a unit isn't complete, and never needs more than `LIMIT`
bytes: of a longer row nothing is shown.
"""

import re
from collections.abc import Sequence
from typing import Protocol

Cell = tuple[int, int, str]
"""Where a personal value lies, and its kind; an empty kind says that it can't be known."""


Unit = tuple[int, Sequence[Cell], "Reader | None"]
"""What was read: up to where, what is personal in it, and who reads on (None: nobody). Plain, as there may be many."""


class Reader(Protocol):
    """Reads one kind of structure."""

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """Return the next unit of `text[start:end]`, or None if it needs more text."""

    def free(self, text: bytes, start: int) -> int:
        """Return up to where a unit that isn't complete may be shown on an idle terminal."""


NOTHING = (
    rb"null|none|nil|\\n|n/?a|-|undefined|true|false|\*+|\[[A-Z\-]+(?::[0-9a-z\-./]+)?\]"
    rb"|string|str|text|varchar|char|date|datetime"
)
"""What a field holds that holds nothing, or whose value is masked already."""
NOTHING_FIRST = b"nN\\-uUtTfF*[sSvVcCdD"
_NOTHING = re.compile(rb"(?i)" + NOTHING)


def is_empty(value: bytes) -> bool:
    """Return whether a field holds nothing, or what it held is masked already."""
    return not value or (value[0] in NOTHING_FIRST and _NOTHING.fullmatch(value) is not None)
