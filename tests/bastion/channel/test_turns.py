"""However much bytes cost, the loop gets its turn between slices; order is kept, and the source waits."""

from collections import deque
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.channel.turns import FIRST, LEAST, MOST, SLICE, TURN, WHOLE, Turns
from bastion.model import Stream

CHEAP, DEAR = b".", b"4"


class Loop:
    """A clock that bytes move forward when they are fed, and turns that are taken one by one."""

    def __init__(self, cheap: float = 1e-8, dear: float = 4e-7) -> None:
        self.now = 0.0
        self.turns: deque[Callable[[], None]] = deque()
        self.seen: list[bytes] = []
        self.reading = True
        self.longest = 0.0
        self._cost = {CHEAP[0]: cheap, DEAR[0]: dear}
        self.sent = Turns(self._feed, self._read, self.turns.append, clock=lambda: self.now)

    def _feed(self, stream: Stream, data: bytes) -> None:
        assert stream is Stream.STDOUT
        self.seen.append(data)
        self.now += sum(data.count(byte) * cost for byte, cost in self._cost.items())

    def _read(self, reading: bool) -> None:
        self.reading = reading

    def add(self, data: bytes) -> None:
        self._timed(lambda: self.sent.add(Stream.STDOUT, data))

    def turn(self) -> bool:
        """Take one turn; return whether there was one to take."""
        if self.turns:
            self._timed(self.turns.popleft())
            return True
        return False

    def _timed(self, act: Callable[[], None]) -> None:
        begin = self.now
        act()
        self.longest = max(self.longest, self.now - begin)


@given(st.lists(st.one_of(st.sampled_from([CHEAP, DEAR]), st.integers(0, 40_000)), max_size=12))
def test_no_turn_is_long_and_nothing_is_lost(steps: list[bytes | int]) -> None:
    """Dear bytes take 0.4 us (2.5 MB/s); a number is how many of the byte before come at once."""
    loop, kind, whole, said = Loop(dear=4e-7), CHEAP, b"", list[int]()

    def note(at: int) -> None:
        said.append(at - len(b"".join(loop.seen)))

    for step in steps:
        if isinstance(step, bytes):
            kind = step
            loop.turn()
            continue
        whole += kind * step
        loop.add(kind * step)
        loop.sent.then(partial(note, len(whole)))
        assert loop.reading is not loop.sent.waiting
    while loop.turn():
        pass
    assert b"".join(loop.seen) == whole
    assert said == [0] * len(said), "what was to come then came right behind its bytes"
    assert loop.reading
    assert loop.longest <= TURN + MOST * 4e-7


def test_a_flood_takes_many_turns_with_the_source_unread() -> None:
    loop, turns = Loop(), 0
    loop.add(DEAR * 1_000_000)
    while not loop.reading:
        assert loop.sent.waiting
        before = loop.now
        assert loop.turn()
        assert loop.now - before <= TURN + 2 * SLICE
        turns += 1
    assert turns >= 1_000_000 * 4e-7 / (TURN + 2 * SLICE) - 2


def test_slices_of_cheap_bytes_grow_and_those_of_dear_ones_shrink() -> None:
    loop = Loop(dear=1e-4)
    loop.add(CHEAP * 500_000)
    assert len(loop.seen[0]) == FIRST
    assert len(loop.seen[-2]) == MOST
    loop.seen.clear()
    loop.add(DEAR * 1000)
    loop.turn()
    loop.add(DEAR * 1000)
    while loop.turn():
        pass
    assert len(loop.seen[-2]) == LEAST


def test_what_feeding_adds_comes_behind() -> None:
    """Reading that goes on within a slice may hand over more at once."""
    seen: list[bytes] = []

    def feed(stream: Stream, data: bytes) -> None:
        if not seen:
            turns.add(stream, b"more")
            turns.then(lambda: seen.append(b"end"))
        seen.append(data)

    turns = Turns(feed, lambda _: None, lambda _: None, clock=lambda: 0.0)
    turns.add(Stream.STDOUT, b"a" * (FIRST + 1))
    assert seen == [b"a" * FIRST, b"a", b"more", b"end"]


def test_what_fails_does_not_stop_what_follows() -> None:
    def feed(stream: Stream, data: bytes) -> None:
        del stream
        if data == b"bad":
            raise RuntimeError(data)
        seen.append(data)

    seen: list[bytes] = []
    turns = Turns(feed, lambda _: None, lambda _: None, clock=lambda: 0.0)
    with pytest.raises(RuntimeError):
        turns.add(Stream.STDOUT, b"bad")
    turns.add(Stream.STDOUT, b"good")
    assert seen == [b"good"]


def test_slices_grow_to_what_is_allowed() -> None:
    seen: list[int] = []
    turns = Turns(lambda _, data: seen.append(len(data)), lambda _: None, lambda _: None, clock=lambda: 0.0, most=WHOLE)
    turns.add(Stream.STDOUT, b"." * (4 * WHOLE))
    assert max(seen) == WHOLE


def test_slices_end_with_a_line_where_one_ends_near() -> None:
    loop, line = Loop(), CHEAP * 99 + b"\n"
    text = line * 4000 + CHEAP * 100_000
    loop.add(text)
    while loop.turn():
        pass
    assert b"".join(loop.seen) == text
    assert max(map(len, loop.seen)) <= MOST + len(line)
    lines = [piece for piece in loop.seen if b"\n" in piece and len(piece) >= 100 * 64]
    assert len(lines) > 10
    assert all(piece.endswith(b"\n") for piece in lines[:-1])


def test_the_end_of_each_turn_is_told_after_its_slices() -> None:
    turns: deque[Callable[[], None]] = deque()
    said: list[str] = []
    now = [0.0]

    def feed(_: Stream, data: bytes) -> None:
        said.append(f"{len(data)}")
        now[0] += TURN

    sent = Turns(feed, lambda _: None, turns.append, lambda: said.append("over"), clock=lambda: now[0])
    sent.add(Stream.STDOUT, b"x" * (FIRST + 1))
    while turns:
        turns.popleft()()
    assert [word for word in said if word != "over"] == [f"{FIRST}", "1"]
    assert said.index("over") == 1
    assert said[-1] == "over"


@given(st.lists(st.tuples(st.sampled_from(Stream), st.binary(min_size=1, max_size=9)), max_size=6), st.booleans())
def test_what_was_left_comes_before_more(pieces: list[tuple[Stream, bytes]], late: bool) -> None:
    """The feed takes one byte at a time and leaves the rest."""
    turns: deque[Callable[[], None]] = deque()
    left: dict[Stream, bytes] = dict.fromkeys(Stream, b"")
    taken: dict[Stream, bytes] = dict.fromkeys(Stream, b"")
    said: list[str] = []
    now = [0.0]

    def feed(stream: Stream, data: bytes) -> None:
        assert not (data and left[stream]), "more came before what was left"
        data = left[stream] + data
        taken[stream], left[stream] = taken[stream] + data[:1], data[1:]
        now[0] += TURN / 2
        if left[stream]:
            sent.again(stream)

    sent = Turns(feed, lambda _: None, turns.append, clock=lambda: now[0])
    for stream, data in pieces:
        sent.add(stream, data)
        while turns and not late:
            turns.popleft()()
    sent.then(lambda: said.append("then") if not any(left.values()) else None)
    while turns:
        turns.popleft()()
    assert said == ["then"]
    assert not sent.waiting
    for stream in Stream:
        assert taken[stream] == b"".join(data for whose, data in pieces if whose is stream)
