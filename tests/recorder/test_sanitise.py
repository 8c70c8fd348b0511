import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.sanitise import RESET, SEQUENCE_MAX, Sanitiser, visible

ST = "\x1b\\"

# What drawing programs send: kept as it is.
KEPT = [
    "plain zażółć 日本 😀",
    "\r\n\t\b\v\f\x0e\x0f",
    "\x1b[0m",
    "\x1b[m",
    "\x1b[1;31;48;5;200m",
    "\x1b[38;2;1;2;3m",
    "\x1b[4:3m\x1b[58:2::1:2:3m",
    "\x1b[10;20H",
    "\x1b[5A\x1b[5B\x1b[5C\x1b[5D\x1b[5E\x1b[5F\x1b[5G\x1b[5d\x1b[5`\x1b[5a\x1b[5e\x1b[3;4f",
    "\x1b[J\x1b[1J\x1b[2J\x1b[K\x1b[1K\x1b[2K\x1b[?J\x1b[?1K",
    "\x1b[3@\x1b[3P\x1b[3L\x1b[3M\x1b[3X\x1b[3S\x1b[3T\x1b[3b",
    "\x1b[5;20r\x1b[r",
    "\x1b7\x1b8\x1b[s\x1b[u\x1bD\x1bE\x1bH\x1bM\x1b#8\x1b[g\x1b[3g\x1b[2I\x1b[2Z",
    "\x1b(0\x1b(B\x1b)0\x1b*A",
    "\x1b[?1049h\x1b[?1049l\x1b[?47h\x1b[?25l\x1b[?25h\x1b[?7l\x1b[?6h\x1b[?5h\x1b[?12l",
    "\x1b[4h\x1b[4l",
    "\x1b[ q\x1b[2 q",
    RESET,
]

# What makes a terminal answer, changes more than the picture, or hides: dropped whole.
DROPPED = {
    "DA": "\x1b[c",
    "DA with zero": "\x1b[0c",
    "secondary DA": "\x1b[>c",
    "tertiary DA": "\x1b[=c",
    "ESC Z": "\x1bZ",
    "DSR": "\x1b[5n",
    "cursor position": "\x1b[6n",
    "private DSR": "\x1b[?6n",
    "colour scheme query": "\x1b[?996n",
    "DECREQTPARM": "\x1b[x",
    "DECRQSS": "\x1bP$qm" + ST,
    "XTGETTCAP": "\x1bP+q544e" + ST,
    "XTVERSION": "\x1b[>q",
    "DECRQM": "\x1b[?2026$p",
    "ANSI DECRQM": "\x1b[4$p",
    "DECRQCRA": "\x1b[1;1;1;1;1;1*y",
    "DECRQPSR": "\x1b[1$w",
    "window report": "\x1b[14t",
    "window title report": "\x1b[21t",
    "window resize": "\x1b[8;1;1t",
    "ENQ": "\x05",
    "BEL": "\x07",
    "NUL and DEL": "\x00\x7f",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "clipboard with ST": "\x1b]52;c;ZXZpbA==" + ST,
    "link": "\x1b]8;;http://evil\x07",
    "title": "\x1b]0;title\x07",
    "colour query": "\x1b]11;?\x07",
    "palette query": "\x1b]4;1;?" + ST,
    "iTerm2": "\x1b]1337;ReportCellSize\x07",
    "notification": "\x1b]777;notify;a;b" + ST,
    "screen title": "\x1bktitle" + ST,
    "kitty graphics": "\x1b_Ga=q;AAAA" + ST,
    "privacy message": "\x1b^secret" + ST,
    "SOS": "\x1bXsecret" + ST,
    "C1 OSC": "\x9d52;c;ZXZpbA==\x9c",
    "C1 DCS": "\x90$qm\x9c",
    "C1 APC": "\x9fGa=q\x9c",
    "C1 PM and SOS": "\x9es\x9c\x98s\x9c",
    "C1 CSI": "\x9b6n\x9bc",
    "other C1": "\x84\x85\x88\x8d\x8e\x9a",
    "mouse": "\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[?9h",
    "mouse tracking": "\x1b[1;2;3;4;5T",
    "focus": "\x1b[?1004h",
    "bracketed paste": "\x1b[?2004h",
    "resize reports": "\x1b[?2048h",
    "synchronised output": "\x1b[?2026h",
    "application cursor keys": "\x1b[?1h",
    "keypad": "\x1b=\x1b>",
    "80 or 132 columns": "\x1b[?3h",
    "keyboard lock": "\x1b[2h",
    "kitty keyboard": "\x1b[>1u\x1b[?u\x1b[<u\x1b[=1;1u",
    "modifyOtherKeys": "\x1b[>4;2m\x1b[?4m",
    "printing": "\x1b[5i\x1b[?4i",
    "lamps": "\x1b[1q",
    "soft reset": "\x1b[!p",
    "left and right margins": "\x1b[?69h\x1b[5;20s",
    "scrolled lines": "\x1b[3J",
    "saved modes": "\x1b[?1049s\x1b[?1049r",
    "not UTF-8": "\x1b%@",
    "8-bit controls": "\x1b G",
    "memory lock": "\x1bl\x1bm",
    "single shifts": "\x1bN\x1bO",
    "private parameters": "\x1b[<5m\x1b[1?5m",
    "colon outside colours": "\x1b[1:2H",
    "intermediates": "\x1b[1 @\x1b[1'}\x1b[1$z",
    "too many numbers": "\x1b[" + "1;" * SEQUENCE_MAX + "m",
    "too many spaces": "\x1b" + " " * SEQUENCE_MAX + "F",
}


def clean(text: str) -> str:
    return Sanitiser().feed(text.encode())


@pytest.mark.parametrize("text", KEPT)
def test_what_draws_is_kept(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize("text", DROPPED.values(), ids=DROPPED.keys())
def test_what_does_more_is_dropped(text: str) -> None:
    assert clean(f"before{text}after") == "beforeafter"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[?1049;1000;25h", "\x1b[?1049;25h"),
        ("\x1b[?0025l", "\x1b[?25l"),
        ("\x9b31mred", "\x1b[31mred"),
        ("\x1b[99999999999b", "\x1b[9999b"),
        ("\x1bc", RESET),
        ("\x1b[1\n2m", "\n2m"),
        ("\x1b\x1b[1m", "\x1b[1m"),
        ("\x1b[\x1b[1m", "\x1b[1m"),
        ("\x1b]0;never ended\nnext line", "\nnext line"),
        ("\x1bPnever ended\rnext", "\rnext"),
        ("\x1b]0;aborted\x1b[31mred", "\x1b[31mred"),
        ("\x1b]0;cancelled\x18text", "text"),
        ("\x1bPtmux;\x1b\x1b]52;c;ZXZpbA==\x07\x1b\\", ""),
        ("\x1b[ü", "ü"),
        ("\x1bü", "ü"),
    ],
)
def test_partly_kept(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    assert Sanitiser().feed(b"a\x9b6n\xff") == "a\ufffd6n\ufffd"


TERMINAL = st.lists(
    st.one_of(
        st.sampled_from(
            [*KEPT, *DROPPED.values(), "\x1b", "\x1b[", "\x1b]", "\x9b", "\x1bP", "\\", ";", "1", " ", "?"]
        ),
        st.text(max_size=5),
        st.text(alphabet=st.characters(max_codepoint=0x9F), max_size=10),
    ),
    max_size=12,
).map("".join)


@given(TERMINAL, st.data())
def test_the_result_does_not_depend_on_how_the_input_is_cut(text: str, data: st.DataObject) -> None:
    raw = text.encode("utf-8", "replace")
    sanitiser, parts, position = Sanitiser(), [], 0
    while position < len(raw):
        size = data.draw(st.integers(1, 40))
        parts.append(sanitiser.feed(raw[position : position + size]))
        position += size
    assert "".join(parts) == Sanitiser().feed(raw)


# The language that may come out, written down a second time and in another way.
HARMLESS = re.compile(
    r"(?:[^\x00-\x1f\x7f-\x9f]|[\b\t\n\v\f\r\x0e\x0f]"
    r"|\x1b[78DEHM]|\x1b#8|\x1b[()*+][0AB]|\x1b\[[0-6]? q"
    r"|\x1b\[[0-9;:]*m|\x1b\[[0-9;]*[@A-IL-MPSTXZ`abdefgr]|\x1b\[[su]|\x1b\[\??[0-9;]*[JK]"
    r"|\x1b\[(?:4|20)(?:;(?:4|20))*[hl]|\x1b\[\?(?:5|6|7|12|25|45|47|104[789])(?:;(?:5|6|7|12|25|45|47|104[789]))*[hl])*"
)


@given(TERMINAL | st.text(alphabet=st.sampled_from("\x1b\x9b\x9d\x90\x07[]P?$>;0156cnqhltpJTu \\a")))
def test_nothing_but_the_harmless_language_comes_out(text: str) -> None:
    shown = clean(text.encode("utf-8", "replace").decode())
    assert HARMLESS.fullmatch(shown)
    for query in ("\x1b[c", "\x1b[6n", "\x1b]", "\x1bP", "\x1b[3J"):
        assert query not in shown
    assert clean(shown) == shown


def test_what_is_kept_back_is_bounded() -> None:
    for beginning in ("\x1b[", "\x9b", "\x1b", "\x1b]", "\x1bP", "\x1b_"):
        sanitiser = Sanitiser()
        for text in (beginning, *["1" * 10_000] * 50, *[" " * 10_000] * 50):
            sanitiser.feed_text(text)
            assert len(sanitiser._pending) <= SEQUENCE_MAX
    assert Sanitiser().feed_text("\x1b[" + "1" * 1_000_000 + "m.") == "."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ls -l", "ls -l"),
        ("zażółć 日本 😀", "zażółć 日本 😀"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[2J\x9b", r"\x1b[2J\x9b"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("r\u200bm\ufeff\u00ad", r"r\u200bm\ufeff\xad"),
        ("rm\u00a0-rf\u3000x\u2028", r"rm\xa0-rf\u3000x\u2028"),
        ("\u3164\u2800\u115f\ufe0f", r"\u3164\u2800\u115f\ufe0f"),
        ("\U000e0041\U000e0100", r"\U000e0041\U000e0100"),
        ("\ud800", r"\ud800"),
        (r"grep '\.py$' C:\dir", r"grep '\.py$' C:\dir"),
        (r"printf 'a\n'", r"printf 'a\\n'"),
        ("\\\n", r"\\\n"),
        ("\\", "\\"),
        ("", ""),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def seen(shown: str) -> str:
    """Read `visible`'s result back, to prove that no two texts look the same."""
    pattern = r"\\(?:([\\nrt])|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))"
    short = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}

    def one(match: re.Match[str]) -> str:
        return short[match[1]] if match[1] else chr(int(match[2] or match[3] or match[4], 16))

    return re.sub(pattern, one, shown)


@given(st.text() | st.text(alphabet="\\nrtxuU0123\n\x1b\u202e a"))
def test_visible_hides_nothing_and_can_be_read_back(text: str) -> None:
    shown = visible(text)
    assert seen(shown) == text
    assert shown.isprintable()
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]", shown)
