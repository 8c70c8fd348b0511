"""What a detector is made of: a row says what to look for, how to prove it, and how much of a cut value to hold back.

Everything here is a pure function of the text around one position, so what is found can't depend on how the text came
in. `locate(text, hit)` looks at no more than `REACH` bytes before the value and at nothing behind the first byte that
the row's `Opening` doesn't list in `body`, or behind `limit` bytes.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bastion.masking.engine import Trigger

REACH = 192
"""How many bytes before a value may decide about it (context words, neighbourhood)."""

ALNUM = (string.ascii_letters + string.digits).encode()

Span = tuple[int, int]
"""Where a value lies: first byte, byte after the last."""


class Opening(Protocol):
    """Where in a text the earliest value may begin that more text could still complete, and what of it may be shown."""

    @property
    def limit(self) -> int:
        """No value, with what it looks at behind itself, is longer."""

    @property
    def firsts(self) -> bytes:
        """Every byte a value may begin with, as far as it is held back wherever it stands."""

    def start(self, text: bytes, end: int) -> int:
        """Return the first position from which `text[:end]` may hold the beginning of a value, else `end`."""

    def free(self, text: bytes, start: int) -> int:
        """Return up to where an undecided value that begins at `start` may be shown on an idle terminal."""


@dataclass(frozen=True, slots=True)
class RunOpening:
    """Values made of certain bytes only: the last run of those, from the first byte a value can begin with.

    `budget` is how many letters and digits of an undecided value an idle terminal may show.
    """

    body: bytes
    firsts: bytes
    limit: int
    budget: int = 4
    _not_firsts: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_not_firsts", bytes(set(self.body) - set(self.firsts)))

    def start(self, text: bytes, end: int) -> int:
        """Return where the run at the end may begin a value."""
        tail = text[max(0, end - self.limit) : end]
        run = tail[len(tail.rstrip(self.body)) :]
        return end - len(run.lstrip(self._not_firsts))

    def free(self, text: bytes, start: int) -> int:
        """Return the position behind the budget and the separator that follows it."""
        left = self.budget
        for position in range(start, len(text)):
            if text[position : position + 1].isalnum():
                if not left:
                    return position
                left -= 1
        return len(text)


class Sink(Protocol):
    """Makes a value found by its head longer, byte by byte, for as long as what follows belongs to it."""

    @property
    def uniform(self) -> bool:
        """Whether one that begins inside what another swallowed ends where that one does."""

    @property
    def firsts(self) -> bytes:
        """Every byte that may be the first one it swallows."""

    def swallow(self, text: bytes, start: int, stop: int, state: int) -> tuple[int, int]:
        """Return up to where `text[start:stop]` belongs to the value, and the state to go on with.

        The state begins as 0; -1 says that the value is over. It is over before `stop` or not at all.
        """


@dataclass(frozen=True, slots=True)
class Probe:
    """A trigger, and what decides at each of its hits.

    `swallowed(text, start, hit)` says whether what may be found at a hit inside a value that begins at `start` is
    hidden with it in any case, since the row's sink goes on: nobody has to look there.
    """

    trigger: Trigger
    locate: Callable[[bytes, int], Span | None]
    swallowed: Callable[[bytes, int, int], bool] | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Layouts (templates, see `shapes`) that count anywhere, and the check on the letters and digits alone."""

    layouts: tuple[str, ...]
    check: Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to find. `kind` is the detector's name in the configuration, `name` tells rows of a kind apart.

    `samples` are texts whose part between `<` and `>` is a value; `near_misses` are texts that look alike and hold
    none. `context` says in words what must stand near the value, for people.
    """

    name: str
    kind: str
    probes: tuple[Probe, ...]
    opening: Opening
    samples: tuple[str, ...]
    near_misses: tuple[str, ...]
    context: str = ""
    sink: Sink | None = None
    numbers: Numbers | None = None


_CONTROL = bytes(set(range(0x20)) - set(b"\t\n\r\x00\x1b")) + b"\x7f"
_STRANGE = bytes(byte >= 0x80 or byte in _CONTROL for byte in range(0x100))


def is_text(text: bytes, start: int) -> bool:
    """Return whether what stands before `start` looks like text rather than like compressed or random bytes.

    Of the 32 bytes before, at most an eighth may be control characters or no UTF-8 (one more for a character cut at the
    edge). A random byte is that with a probability of 0.58, so 32 random bytes pass about once in 10 million times.
    """
    window = text[start - 32 if start > 32 else 0 : start]
    if True not in window.translate(_STRANGE):
        return True
    bad = len(window) - len(window.translate(None, _CONTROL)) + window.decode("utf-8", "replace").count("\ufffd")
    return bad * 8 <= len(window) + 8
