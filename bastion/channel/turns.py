"""Hands bytes on in slices, so that no channel keeps the event loop from the others, whatever the bytes cost.

How long a slice takes to be looked at, masked and recorded depends on what it holds: ordinary logs and a flood of what
looks like values are a hundred times apart. So slices grow while they are cheap and shrink where they are not, and what
is left when a turn of the loop took long enough waits for the next one. Its source is not read meanwhile. Who is fed
may leave bytes too, and ask to be fed `again`. Order is kept: `then` comes after everything that was added before.
"""

from collections import deque
from collections.abc import Callable
from time import thread_time

from bastion.model import Stream

TURN = 0.0015
"""Seconds after which the rest waits for the next turn."""
SLICE = 0.001
"""Seconds a slice should take at most."""
LEAST, FIRST, MOST = 256, 2048, 20480
"""Bytes of a slice."""
WHOLE = 131072
"""The most of a slice where nothing is masked: bytes cost the same there whatever they hold, and slices cost more."""
_LONGER = 64
"""What part of itself a slice may be longer to end with a line: there least is held back, to be looked at again."""


class Turns:
    """One direction of a channel.

    Parameters
    ----------
    feed: takes the slices.
    read: told whether the source may be read on.
    soon: runs something in the next turn of the loop.
    over: told when no more slices come in this turn.
    clock: seconds of work done: those that others took the processor for would have slices shrink for nothing.
    most: bytes of a slice.
    """

    def __init__(
        self,
        feed: Callable[[Stream, bytes], None],
        read: Callable[[bool], None],
        soon: Callable[[Callable[[], None]], object],
        over: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = thread_time,
        most: int = MOST,
    ) -> None:
        self._feed = feed
        self._read = read
        self._soon = soon
        self._over = over
        self._clock = clock
        self._most = most
        self._size = FIRST
        self._spent = 0.0  # in this turn
        self._turning = False  # the next turn will come
        self._working = False
        self._stopped = False  # the source is not read
        self._left: dict[Stream, None] = {}  # streams of which bytes were left, in order
        self._waiting: deque[tuple[Stream, bytes] | Callable[[], None]] = deque()

    @property
    def waiting(self) -> bool:
        """Whether something is left for the next turn."""
        return bool(self._waiting)

    def add(self, stream: Stream, data: bytes) -> None:
        """Hand bytes on, now as far as this turn allows."""
        if self._working or self._waiting or self._spent >= TURN or len(data) > self._size:
            self._waiting.append((stream, data))
            self._go_on()
            return
        self._working = True  # one slice in a turn that has time for it, as keys are: they need not line up
        try:
            self._slice(stream, data)
            if self._left:
                self._waiting.append((stream, b""))
            self._over()
        finally:
            self._working = False
        if self._waiting:
            self._go_on()

    def again(self, stream: Stream) -> None:
        """Feed a stream again, with no bytes and before anything else: some that take long were left."""
        self._left[stream] = None
        if not self._working:
            self._waiting.appendleft((stream, b""))
            self._go_on()

    def then(self, act: Callable[[], None]) -> None:
        """Do something once all bytes added so far were handed on."""
        self._waiting.append(act)
        self._go_on()

    def _go_on(self) -> None:
        """Work off what waits until the turn is over. What is added by that waits behind it."""
        if self._working:
            return
        self._working = True
        try:
            while self._waiting and self._spent < TURN:
                first = self._waiting.popleft()
                if isinstance(first, tuple):
                    self._hand_on(*first)
                else:
                    first()
            self._over()
        finally:
            self._working = False
        if bool(self._waiting) is not self._stopped:
            self._stopped = not self._stopped
            self._read(not self._stopped)

    def _hand_on(self, stream: Stream, data: bytes) -> None:
        """Hand slices on until the turn is over."""
        place = 0
        while place < len(data) or self._left:
            if self._spent >= TURN:
                self._waiting.appendleft((stream, data[place:]))
                return
            if self._left:
                left = next(iter(self._left))
                del self._left[left]
                self._slice(left, b"")
                continue
            end = place + self._size
            end = data.find(b"\n", end - 1, end + self._size // _LONGER) + 1 or end
            piece = data[place:end]
            self._slice(stream, piece)
            place += len(piece)

    def _slice(self, stream: Stream, piece: bytes) -> None:
        """Hand a slice on, and learn from how long that takes how large the next one may be."""
        if not self._turning:
            self._turning = True
            self._soon(self._next)
        begin = self._clock()
        self._feed(stream, piece)
        size, seconds = len(piece), self._clock() - begin
        self._spent += seconds
        if not size or self._left:
            return  # what that took says nothing of a whole slice
        if seconds > SLICE:
            self._size = max(LEAST, int(size * SLICE / seconds))
        elif size >= self._size and seconds < SLICE / 2:
            self._size = min(self._most, 2 * size)

    def _next(self) -> None:
        """A new turn."""
        self._turning, self._spent = False, 0.0
        self._go_on()
