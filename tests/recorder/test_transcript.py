import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.asciicast import Code, Header
from recorder.transcript import COLUMNS_MAX, Line, _LineModel, transcript
from tests.recorder.made import make, output

NARROW = Header(width=10, term="xterm")


def texts(data: bytes, header: Header | None = None) -> list[str]:
    return [line.text for line in transcript(output(data, header))]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"one\ntwo", ["one", "two"]),
        (b"a\r\n\r\nb\r\n", ["a", "", "b"]),
        (b"blanks   \r\n", ["blanks"]),
        (b"\x1b[1;31mred\x1b[0m plain\r\n", ["red plain"]),
        (b"\x1b]0;title\x07$ ls\r\n", ["$ ls"]),
        ("zażółć 日本 😀\r\n".encode(), ["zażółć 日本 😀"]),
        (b"bad \xff byte\r\n", ["bad \ufffd byte"]),
        # carriage return and backspace overwrite
        (b" 10%\r 50%\r100%\r\n", ["100%"]),
        (b"long text\rshort\r\n", ["shorttext"]),
        (b"long text\r\x1b[Kshort\r\n", ["short"]),
        (b"abc\b\bX\r\n", ["aXc"]),
        (b"abd\b \bc\r\n", ["abc"]),
        (b"abd\b\x1b[Kc\r\n", ["abc"]),
        (b"\b\b\bx\r\n", ["x"]),
        ("日本\b\bx\r\n".encode(), ["日x"]),
        ("e\u0301a\bx\r\n".encode(), ["e\u0301x"]),
        # what readline sends when a line is edited
        (b"$ lsx\x1b[D\x1b[P\r\n", ["$ ls"]),
        (b"$ ct f\b\b\b\x1b[@a\r\n", ["$ cat f"]),
        (b"$ rm x\x1b[3Gls\x1b[K\r\n", ["$ ls"]),
        (b"$ echo a\x1b[8G\x1b[1Kb\r\n", ["       b"]),
        (b"abc\x1b[2K\rx\r\n", ["x"]),
        (b"abcdef\x1b[3G\x1b[2X.\r\n", ["ab. ef"]),
        (b"a\tb\r\n", ["a       b"]),
        (b"-\x1b[9b\r\n", ["----------"]),
        (b"prompt\x1b[J\r\n", ["prompt"]),
        # full-screen programs: what they painted, in pieces
        (
            b"$ vi\r\n\x1b[?1049h\x1b[H\x1b[2J\x1b[1;1Hfirst\x1b[2;1Hsecond\x1b[?1049l$ \r\n",
            ["$ vi", "first", "second", "$"],
        ),
        (b"one\x1b[5Atwo\x1bMthree\r\n", ["one", "two", "three"]),
        (b"one\ftwo\vthree\r\n", ["one", "two", "three"]),
        # line drawing
        (b"\x1b(0lqqk\x1b(B ok\r\n", ["┌──┐ ok"]),
    ],
)
def test_lines(data: bytes, lines: list[str]) -> None:
    assert texts(data) == lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        # readline wraps by writing the next character, or a blank, and a carriage return
        (b"$ echo abc \rdef\r\n", ["$ echo abcdef"]),
        (b"0123456789abc\b\b\bX\r\n", ["0123456789Xbc"]),
        (b"0123456789abc\r\x1b[A\x1b[CX\r\n", ["0X23456789abc"]),
        (b"0123456789abc\r\x1b[AX\x1b[BY\r\n", ["X123456789aYc"]),
        # a progress bar as wide as the terminal stays on its row
        (b"[=       ]\r[==      ]\r[========]\r\n", ["[========]"]),
        (b"0123456789\bX\r\n", ["01234567X9"]),
        (b"0123456789\x1b[Kx\r\n", ["012345678x"]),
        (b"x\x1b[A\x1b[Ay\r\n", ["x", "y"]),
        # colours and modes at the edge don't keep a line from wrapping
        (b"0123456789\x1b[1mabc\x1b[m\r\n", ["0123456789abc"]),
        (b"0123456789\x1b[?25habc\r\n", ["0123456789abc"]),
        ("日e\u0301\x1b[m\u0302\r\n".encode(), ["日e\u0301\u0302"]),
        ("日\x1b[m\u0301\r\n".encode(), ["日\u0301"]),
    ],
)
def test_lines_that_wrap(data: bytes, lines: list[str]) -> None:
    assert texts(data, NARROW) == lines


def test_a_new_size_counts() -> None:
    made = make([(1.0, "o", b"0123456789\r"), (2.0, "r", b"5x5"), (3.0, "o", b"\nabcdefgh\rX\r\n")], header=NARROW)
    assert [line.text for line in transcript(made)] == ["0123456789", "abcdeXgh"]


def test_times_are_of_the_first_character_and_streams_are_apart() -> None:
    made = make(
        [
            (1.0, "o", b"$ "),
            (2.0, "i", b"ls"),
            (3.0, "o", b"ls"),
            (4.0, "e", b"err\nunfinished"),
            (5.0, "o", b"\r\nfile\r\n"),
            (6.0, "m", b"mark"),
        ],
        closed=False,
    )
    assert list(transcript(made)) == [
        Line(4.0, Code.ERROR, "err"),
        Line(1.0, Code.OUTPUT, "$ ls"),
        Line(5.0, Code.OUTPUT, "file"),
        Line(4.0, Code.ERROR, "unfinished"),
    ]


def test_the_time_of_a_line_that_was_erased_or_begun_with_blanks() -> None:
    made = make([(1.0, "o", b"wrong\r\x1b[K"), (2.0, "o", b"right\r\n\x1b[@"), (3.0, "o", b"next\r\n\r\n")])
    assert [(line.time, line.text) for line in transcript(made)] == [(1.0, "right"), (3.0, "next"), (3.0, "")]


PIECES = st.lists(
    st.sampled_from(
        [
            b"abc",
            b"\r",
            b"\n",
            b"\b",
            b"\t",
            b"\x1b[K",
            b"\x1b[2D",
            b"\x1b[3C",
            b"\x1b[5G",
            b"\x1b[P",
            b"\x1b[@",
            b"\x1b[X",
            b"\x1b[A",
            b"\x1b[B",
            b"\x1b[H",
            b"\x1b[1m",
            b"\x1b[1K",
            b"\x1b[J",
            b"\x1b[2J",
            b"\x1b[9999b",
            b"\x1b[?1049h",
            "日".encode(),
            "e\u0301".encode(),
            b"\xff",
            b"\x1b(0",
            b"\x1b(B",
            b"0123456789",
            b"\x1b7\x1b8\x1b#8\x1b[5;6r\x0e",
        ]
    )
    | st.binary(max_size=6),
    max_size=30,
).map(b"".join)


@given(PIECES, st.integers(1, 7), st.integers(1, 12))
def test_lines_do_not_depend_on_how_output_is_cut(data: bytes, size: int, width: int) -> None:
    whole, cut = _LineModel(Code.OUTPUT, width), _LineModel(Code.OUTPUT, width)
    wanted = [*whole.feed(data, 1.0), *whole.flush(1.0)]
    got = [line for at in range(0, len(data), size) for line in cut.feed(data[at : at + size], 1.0)]
    got += cut.flush(1.0)
    assert got == wanted
    assert all(character >= " " for line in got for character in line.text)


def test_memory_is_bounded() -> None:
    model = _LineModel(Code.OUTPUT, 9999)
    lines = 0
    for _ in range(100):
        lines += len(list(model.feed(b"x" * 9000 + b"\x1b[9999@\x1b[9999C\x1b[9999B", 1.0)))
        assert len(model._cells) < 2 * COLUMNS_MAX
    assert lines > 5
    marks = _LineModel(Code.OUTPUT, 80)
    for _ in range(100):
        assert list(marks.feed(("a" + "\u0301" * 1000 + "\r").encode(), 1.0)) == []
    assert [len(line.text) for line in marks.flush(1.0)] == [16]
