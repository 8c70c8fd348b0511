"""Engines: where in a text something may begin that is worth a closer look.

An engine is only a filter. It reports positions for numbered triggers (short linear-time patterns), and what lies there
is decided by the row's own code, so the result of masking is the same with every engine; a faster one finds the same
positions sooner. Hyperscan comes first, RE2 where hyperscan cannot be loaded, `re` as the last resort and as the
oracle of the tests. The choice is made once, by `choose_engine`; whether hyperscan's import survives on this CPU (it
may die of an illegal instruction) is found out by a function that the caller passes in, because this package starts no
processes.

Limits: triggers have no look-around (hyperscan has none), and each should be short: a trigger that can match in many
ways costs one report for every end.
"""

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Trigger:
    """A pattern whose match says: look here. Reported is where the match ends, or with `width` where it begins.

    `width` is how long a match can be. Such a pattern must leave no choice of where it begins for a given end (a
    boundary or one fixed byte in front): the leftmost start of each end is reported. With `once` all that matters is
    whether there is a match: one is reported, any of them. Those that are `apart` are looked for in a pass of their
    own where that is faster: the automaton of many short shapes of digits does not go together with those of words.
    """

    pattern: bytes
    width: int = 0
    once: bool = False
    apart: bool = False


Hit = tuple[int, int]
"""Index of the trigger, position in the text."""


class DenseError(Exception):
    """There are more hits than were wanted."""


class Engine(Protocol):
    """Finds triggers. Reports at least one hit per place where a trigger matches, in no order, maybe repeated.

    Of a trigger that is wanted once it reports one hit, if there are any.
    """

    name: str

    def find(self, text: bytes, most: int = 0) -> list[Hit]:
        """Return all hits in `text`. With `most` it raises DenseError where there are more than that."""


class HyperscanEngine:
    """All triggers in one pass over the text, or two, in vectorised code.

    It is asked for ends alone: keeping track of where matches begin would halve its speed. The few beginnings that are
    wanted are looked up afterwards.
    """

    name = "hyperscan"

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        hyperscan = importlib.import_module("hyperscan")
        self._begins = [
            (re.compile(trigger.pattern + rb"\Z").search, trigger.width) if trigger.width else None
            for trigger in triggers
        ]
        self._scans = [
            _scan(hyperscan, [(index, trigger) for index, trigger in enumerate(triggers) if trigger.apart is apart])
            for apart in {trigger.apart for trigger in triggers}
        ]

    def find(self, text: bytes, most: int = 0) -> list[Hit]:
        """See `Engine.find`."""
        ends: list[Hit] = []

        def note(index: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends.append((index, end))

        def note_some(index: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends.append((index, end))
            if len(ends) > most:
                raise DenseError

        for scan in self._scans:
            scan(text, match_event_handler=note_some if most else note)
        hits: list[Hit] = []
        begins = self._begins
        for hit in ends:
            begin = begins[hit[0]]
            if begin is None:
                hits.append(hit)
            elif (found := begin[0](text, max(0, hit[1] - begin[1]), hit[1])) is not None:
                hits.append((hit[0], found.start()))
        return hits


def _scan(hyperscan: Any, triggers: Sequence[tuple[int, Trigger]]) -> Callable[..., object]:
    """Return the pass that reports these triggers by their numbers."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[trigger.pattern for _, trigger in triggers],
        ids=[index for index, _ in triggers],
        elements=len(triggers),
        flags=[hyperscan.HS_FLAG_SINGLEMATCH if trigger.once else 0 for _, trigger in triggers],
    )
    scan: Callable[..., object] = database.scan
    return scan


class _SearchingEngine:
    """One search per trigger, begun again one byte after each match, with any module that works like `re`."""

    name = ""

    def __init__(self, triggers: Sequence[Trigger], compile_pattern: Callable[[bytes], Any]) -> None:
        self._searches = [
            (index, compile_pattern(trigger.pattern).search, trigger) for index, trigger in enumerate(triggers)
        ]

    def find(self, text: bytes, most: int = 0) -> list[Hit]:
        """See `Engine.find`."""
        hits: list[Hit] = []
        for index, search, trigger in self._searches:
            found = search(text)
            while found is not None:
                if 0 < most <= len(hits):
                    raise DenseError
                hits.append((index, found.start() if trigger.width else found.end()))
                found = None if trigger.once else search(text, found.start() + 1)
        return hits


class RE2Engine(_SearchingEngine):
    """RE2, one pass per trigger; linear time."""

    name = "re2"

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        re2 = importlib.import_module("re2")
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.log_errors = False
        super().__init__(triggers, lambda pattern: re2.compile(pattern, options))


class ReEngine(_SearchingEngine):
    """The standard library's `re`: always there, slow."""

    name = "re"

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        super().__init__(triggers, re.compile)


ENGINES: dict[str, Callable[[Sequence[Trigger]], Engine]] = {
    "hyperscan": HyperscanEngine,
    "re2": RE2Engine,
    "re": ReEngine,
}
"""All engines by name, fastest first."""


def choose_engine(runs: Callable[[str], bool]) -> str:
    """Return the name of the fastest engine that works here.

    `runs(code)` runs a line of Python in a child process and says whether it ended with status 0. `re` needs no child.
    """
    for name in ("hyperscan", "re2"):
        if runs(
            f"from bastion.masking.engine import ENGINES, Trigger; ENGINES[{name!r}]([Trigger(b'a@b')]).find(b'a@b')"
        ):
            return name
    return "re"
