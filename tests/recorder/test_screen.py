import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.asciicast import Header
from recorder.screen import COLUMNS_MAX, ROWS_MAX, TerminalScreen, screen_at
from tests.recorder.made import make


def shown(data: bytes, columns: int = 10, rows: int = 3) -> list[str]:
    screen = TerminalScreen(columns, rows)
    screen.feed(data)
    return screen.lines()


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"one\r\ntwo", ["one", "two", ""]),
        (b"1\r\n2\r\n3\r\n4", ["2", "3", "4"]),
        (b"\x1b[2;3Hx", ["", "  x", ""]),
        ("日本 e\u0301".encode(), ["日本 \u00e9", "", ""]),
        (b"\x1b(0lqk\x1b(B", ["┌─┐", "", ""]),
        (b"main\x1b[?1049h\x1b[Halt", ["alt", "", ""]),
        (b"main\x1b[?25;1049h\x1b[Halt\x1b[?1049l!", ["main!", "", ""]),
        (b"\x1b[38:2::1:2:3mx\x1b[4:3my\x1b[48:5:7mz", ["xyz", "", ""]),
        # what pyte raises on
        (b"a\x1b[5Kb\x1b[;mc\x1b[?rd\x1b[>4;2me", ["abcde", "", ""]),
        (b"a\x1b[9Jb", ["ab", "", ""]),
        # what never ends elsewhere
        (b"a\x1b]0;no end\r\nb", ["a", "b", ""]),
    ],
)
def test_what_is_shown(data: bytes, lines: list[str]) -> None:
    assert shown(data) == lines


def test_a_failing_sequence_is_counted_and_the_rest_shown() -> None:
    screen = TerminalScreen(10, 2)
    screen.feed(b"a\x1b[9Jb")
    assert screen.errors == 1
    assert screen.cursor == (2, 0)


JUNK = st.lists(
    st.binary(max_size=20)
    | st.tuples(
        st.sampled_from(["\x1b[", "\x1b[?"]), st.text("0123456789;:", max_size=9), st.characters(max_codepoint=126)
    )
    .map("".join)
    .map(str.encode),
    max_size=30,
).map(b"".join)


@given(JUNK, st.integers(-5, 12), st.integers(-5, 12))
def test_nothing_raises_and_the_size_holds(data: bytes, columns: int, rows: int) -> None:
    screen = TerminalScreen(columns, rows)
    screen.feed(data)
    assert len(screen.lines()) == max(rows, 1)
    screen.resize(5, 2)
    screen.feed(data)
    screen.resize(0, 0)
    screen.feed(data)
    screen.resize(20, 4)
    assert len(screen.lines()) == 4
    assert screen.cursor[0] < 20
    assert screen.cursor[1] < 4


def test_sizes_are_bounded() -> None:
    screen = TerminalScreen(10**9, 10**9)
    assert len(screen.lines()) == ROWS_MAX
    screen.resize(10**9, 2)
    screen.feed(b"\x1b[1;99999999H")
    assert screen.cursor == (COLUMNS_MAX - 1, 0)


@pytest.mark.parametrize("unit", ["\u0301", "\x1b7", "\x1b[9999b", "\x1b[9999L\x1b[9999@", "\x1bH\t"])
def test_nothing_piles_up(unit: str) -> None:
    """Each of these would grow without bound, or take quadratic time, in pyte alone."""
    screen = TerminalScreen(80, 24)
    started = time.process_time()
    screen.feed(b"a" + (unit * 20_000).encode())
    assert time.process_time() - started < 30
    assert max(len(line) for line in screen.lines()) < 1000
    assert len(screen._main.savepoints) <= 16


def test_the_screen_at_a_moment() -> None:
    made = make(
        [(1.0, "o", b"one\r\n"), (2.0, "i", b"typed"), (3.0, "r", b"12x2"), (4.0, "o", b"two"), (5.0, "o", b"\x1b[2J")],
        header=Header(10, 3, term="xterm"),
    )
    assert screen_at(made, 0.5) == ["", "", ""]
    assert screen_at(made, 1.0) == ["one", "", ""]
    assert screen_at(made, 4.5) == ["one", "two"]
    assert screen_at(made, 99.0) == ["", ""]


def test_without_terminal_lines_return() -> None:
    made = make([(1.0, "o", b"one\ntwo\n"), (1.0, "e", b"three")], header=Header(10, 3))
    assert screen_at(made, 2.0) == ["one", "two", "three"]
