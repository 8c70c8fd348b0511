"""Masked reading of one file over sftp: which ranges are asked of the target, and what of the answers may go on.

A mask decides on a byte only once it has seen some bytes behind it. So each read is asked for a little longer than the
client wants, and one that starts in the middle of the file also from a little before; what comes goes through a masker
in the order of the file, and the client gets exactly the range it asked for, as many bytes as the target has, masked.
Reads that follow each other share a masker (a `_Run`), so that nothing is hidden by where a read ends.

Limits: a value that began more than `BEFORE` bytes ahead of a jump is not seen as one; of a file that grows while it is
read, the part of a value that stood at its end is shown. Memory a run: what was read ahead, at most `MAX_AHEAD`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bastion.protocols.transfer import ByteMasker

BEFORE = 4096
BEHIND = 1024
MAX_READ = 256 * 1024 - 1024 - BEFORE - BEHIND
"""The longest range a client gets at once: with what is added, a target still answers it whole."""

MAX_AHEAD = 8 * 1024 * 1024
MAX_RUNS = 8
_FILL = 32 * 1024


class UnmaskableError(Exception):
    """This file cannot be masked so; the text says why."""


@dataclass(slots=True)
class Wish:
    """A range the client wants (`offset`, `length`), and the one asked of the target for it (`begin`, `size`).

    An `own` wish is the bastion's alone, to see how a value goes on. `end` is where the client's bytes end, known once
    the target answered.
    """

    request: int
    offset: int
    length: int
    begin: int
    size: int
    run: "_Run" = field(repr=False)
    own: bool = False
    end: int = -1


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets for a request; no data is the end of the file."""

    request: int
    data: bytes


Step = Answer | Wish
"""What follows of an answer of the target: something for the client, or a further range to ask for."""


class _Run:
    """Ranges that follow each other: `ready` are masked bytes from `base` on, `fed` is how far the masker has seen."""

    def __init__(self, new: Callable[[], ByteMasker], seen: Callable[[int, bytes], None], begin: int) -> None:
        self._new = new
        self._seen = seen
        self._masker = new()
        self._past: dict[str, int] = {}  # counts of earlier maskers
        self._tail = b""  # the last bytes seen, unmasked
        self._skip = 0  # how many bytes the masker is about to put out went out already
        self._early: dict[int, bytes] = {}
        self.base = self.fed = self.planned = begin
        self.ready = bytearray()
        self.over = False  # the masker was told that the file ends
        self.flying: list[Wish] = []
        self.waiting: list[Wish] = []
        self.used = 0

    @property
    def decided(self) -> int:
        """How far masked bytes are ready."""
        return self.base + len(self.ready)

    @property
    def counts(self) -> dict[str, int]:
        """How many values were masked, by type."""
        totals = dict(self._past)
        for kind, number in self._masker.counts.items():
            totals[kind] = totals.get(kind, 0) + number
        return totals

    def take(self, begin: int, data: bytes) -> None:
        """Feed what follows right on what was fed; keep what does not yet."""
        if begin + len(data) <= self.fed:
            return
        self._early[begin] = data
        if sum(map(len, self._early.values())) + len(self.ready) > MAX_AHEAD:
            raise UnmaskableError("it is read in too many places at once")
        while (at := min((at for at in self._early if at <= self.fed), default=None)) is not None:
            if following := self._early.pop(at)[self.fed - at :]:
                self._feed(following)

    def finish(self) -> None:
        """The file ends where the masker has seen it to."""
        if not self.over:
            self.over = True
            self._put(self._masker.end())
            if self.decided != self.fed:
                raise UnmaskableError("its length would change")

    def forget(self, before: int) -> None:
        """Drop masked bytes nobody will ask for."""
        drop = min(max(0, before - self.base), len(self.ready))
        del self.ready[:drop]
        self.base += drop

    def _feed(self, data: bytes) -> None:
        if self.over:  # it goes on all the same: begin anew, with what stood before as context
            self.over, self._past, self._masker = False, self.counts, self._new()
            self._skip = len(self._tail) - len(self._masker.feed(self._tail))
        self._seen(self.fed, data)
        self._put(self._masker.feed(data))
        self.fed += len(data)
        self._tail = (self._tail + data)[-BEFORE:]
        if self.decided > self.fed:
            raise UnmaskableError("its length would change")

    def _put(self, masked: bytes) -> None:
        skipped = min(self._skip, len(masked))
        self._skip -= skipped
        self.ready += masked[skipped:]


class MaskedReads:
    """The reads of one open file. Every method may raise UnmaskableError.

    Parameters
    ----------
    new: makes a masker.
    seen: told each range of the file that a masker was fed, and where it begins.
    """

    def __init__(self, new: Callable[[], ByteMasker], seen: Callable[[int, bytes], None]) -> None:
        self._new = new
        self._seen = seen
        self._runs: list[_Run] = []
        self._clock = 0
        self._past: dict[str, int] = {}

    def plan(self, request: int, offset: int, length: int) -> Wish:
        """Return what to ask the target for."""
        length = min(length, MAX_READ)
        run = next((run for run in self._runs if run.base <= offset <= run.planned), None)
        if run is None:
            run = self._jump(offset)
            begin = run.base
        else:
            begin = max(offset, run.fed) if offset + length > run.fed else offset
        run.planned = max(run.planned, offset + length)
        return self._fly(Wish(request, offset, length, begin, offset + length + BEHIND - begin, run))

    def answered(self, wish: Wish, data: bytes, known_size: int | None) -> list[Step]:
        """Take the target's answer to a wish. `known_size` is the file's, where the target told it before."""
        run, end = wish.run, wish.begin + len(data)
        run.flying.remove(wish)
        run.take(wish.begin, data)
        if len(data) < wish.size and run.fed == end == known_size:
            run.finish()
        if wish.own:
            return self._advance(run)
        if data and end <= wish.offset:  # nothing but what stands before it: ask on
            size = wish.offset + wish.length + BEHIND - end
            return [self._fly(Wish(wish.request, wish.offset, wish.length, end, size, run)), *self._advance(run)]
        wish.end = max(wish.offset, min(wish.offset + wish.length, end))
        run.waiting.append(wish)
        return self._advance(run)

    def ended(self, wish: Wish) -> list[Step]:
        """Take the target's word that the file ends before a wish begins."""
        run = wish.run
        run.flying.remove(wish)
        if wish.begin <= run.fed:
            run.finish()
        if not wish.own:
            wish.end = max(wish.offset, min(wish.offset + wish.length, wish.begin))
            run.waiting.append(wish)
        return self._advance(run)

    def failed(self, wish: Wish) -> list[Step]:
        """Forget a wish that the target refused, and go on with the others."""
        wish.run.flying.remove(wish)
        if wish.own:
            raise UnmaskableError("the target does not tell how it goes on")
        return self._advance(wish.run)

    def counts(self) -> dict[str, int]:
        """Return how many values were masked, by type."""
        totals = dict(self._past)
        for run in self._runs:
            for kind, number in run.counts.items():
                totals[kind] = totals.get(kind, 0) + number
        return totals

    def _jump(self, offset: int) -> _Run:
        if len(self._runs) >= MAX_RUNS:
            idle = [run for run in self._runs if not run.flying and not run.waiting]
            if not idle:
                raise UnmaskableError("it is read in too many places at once")
            oldest = min(idle, key=lambda run: run.used)
            self._runs.remove(oldest)
            for kind, number in oldest.counts.items():
                self._past[kind] = self._past.get(kind, 0) + number
        run = _Run(self._new, self._seen, max(0, offset - BEFORE))
        self._runs.append(run)
        return run

    def _fly(self, wish: Wish) -> Wish:
        self._clock += 1
        wish.run.used = self._clock
        wish.run.flying.append(wish)
        return wish

    def _advance(self, run: _Run) -> list[Step]:
        steps: list[Step] = []
        for wish in list(run.waiting):
            if wish.end == wish.offset or run.decided >= wish.end:
                run.waiting.remove(wish)
                data = bytes(run.ready[wish.offset - run.base : wish.end - run.base]) if wish.end > wish.offset else b""
                steps.append(Answer(wish.request, data))
        if run.waiting and not any(wish.begin <= run.fed < wish.begin + wish.size for wish in run.flying):
            if run.over:
                raise UnmaskableError("the target contradicts itself on where it ends")
            size = _FILL if run.waiting[0].end > run.fed else BEHIND
            steps.append(self._fly(Wish(0, run.fed, 0, run.fed, size, run, own=True)))
        run.forget(min((wish.offset for wish in (*run.flying, *run.waiting) if not wish.own), default=run.planned))
        return steps
