"""The echo of typed keys is never held back, and nothing else goes out sooner because of it."""

import os
import pty
import select
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bastion.masking.disguise import DisguiseWatch
from bastion.masking.echo import Echo
from bastion.masking.masker import DETECTORS, finder_for
from bastion.masking.stream import StreamMasker
from bastion.masking.styles import FixedStyle
from tests.bastion.masking.generators import DEEP, VALUES, mask, new_masker

PATH = b"cd /usr/local/lib/python3/site-packages/cryptography/hazmat/bindings/openssl"


@pytest.mark.parametrize(
    ("typed", "came", "echoed", "left"),
    [
        (b"a", b"a", 1, b""),
        (b"abc", b"ab", 2, b"c"),
        (b"ab", b"abc", 2, b""),
        (b"abc", b"aXc", 1, b""),
        (b"\r", b"\r\n$ ", 1, b""),
        (b"\x7f", b"\x08 \x08", 0, b""),
        (b"ab", b"a\x08ab", 4, b""),
        (b"ab", b"a\x08xb", 1, b""),
        (b"a", b"\x08a", 0, b""),
        (b"", b"a", 0, b""),
    ],
)
def test_what_is_an_echo(typed: bytes, came: bytes, echoed: int, left: bytes) -> None:
    echo = Echo(terminal=True)
    echo.typed(typed)
    assert echo.take(came)[0] == echoed
    assert echo.take(left)[0] == len(left)


def test_the_last_character_may_be_written_again_with_the_next_one() -> None:
    echo = Echo(terminal=True)
    for key, came in ((b"m", b"m"), (b"a", b"\x08ma"), (b"i", b"i")):
        echo.typed(key)
        assert echo.take(came) == (len(came), key)
    assert echo.take(b"x") == (0, b"")
    echo.typed(b"j")
    assert echo.take(b"\x08ij")[0] == 0, "something else came since"


def test_without_a_terminal_data_is_no_key() -> None:
    echo = Echo(terminal=False)
    echo.typed(b"j")
    assert echo.take(b"j")[0] == 1
    echo.typed(b"john@example.com\n")
    assert echo.take(b"john")[0] == 0


def test_typed_bytes_do_not_pile_up() -> None:
    echo = Echo(terminal=True)
    for _ in range(100):
        echo.typed(b"x" * 1000)
    assert echo.take(b"x" * 100_000)[0] == 4096


class Screen:
    """What a client sees: the watch and the masker in a row, without any pause."""

    def __init__(self, *, terminal: bool) -> None:
        self.masker = new_masker(interactive=terminal)
        self.watch = DisguiseWatch(finder_for(DETECTORS, "hyperscan"), terminal=terminal)

    def press(self, key: bytes) -> None:
        self.watch.typed(key)
        self.masker.typed(key)

    def show(self, data: bytes) -> bytes:
        return self.masker.feed(self.watch.feed(data))


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("text", [PATH, b"0123456789" * 20, b"PK\x02", b"john.doe@example.com", b"4111 1111 1111 111"])
def test_single_keys_come_back_at_once(terminal: bool, text: bytes) -> None:
    screen = Screen(terminal=terminal)
    for place in range(len(text)):
        key = text[place : place + 1]
        screen.press(key)
        assert screen.show(key) == key


@contextmanager
def program(*command: str) -> Iterator[int]:
    """Run a program on a terminal of its own, and yield the other end of it."""
    child, terminal = pty.fork()
    if not child:
        os.execvpe(command[0], command, {"PATH": os.environ["PATH"], "TERM": "xterm", "PS1": "$ "})
    try:
        yield terminal
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def seen(terminal: int, until: bytes) -> bytes:
    """Read up to where a text came."""
    data = b""
    while not data.endswith(until):
        assert select.select([terminal], [], [], 20)[0], data
        data += os.read(terminal, 4096)
    return data


@pytest.mark.parametrize("command", [("bash", "--norc"), ("zsh", "-f"), ("sh",)])
def test_a_shell_shows_each_key_though_nothing_follows(command: tuple[str, ...]) -> None:
    """A word that may become an address, a long path: after each key all that the shell sent is out."""
    with program(*command) as terminal:
        screen = Screen(terminal=True)
        prompt = seen(terminal, b"\x1b[?2004h" if command[0] == "zsh" else b"$ ")
        screen.show(prompt)
        for place in range(60):
            key = PATH[place : place + 1]
            screen.press(key)
            os.write(terminal, key)
            came = seen(terminal, key)
            assert screen.show(came) == came


@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from(VALUES), st.sampled_from([b"j", b"4", b"first_name: ", b"", b" "])),
            st.integers(0, 9),
            st.integers(0, 3),
        ),
        max_size=5,
    ),
    st.sampled_from([b" ", b"\n", b"", b", "]),
)
@settings(max_examples=20_000 if DEEP else 300)
def test_what_was_not_typed_is_masked_as_ever(steps: list[tuple[bytes, int, int]], between: bytes) -> None:
    """Of a text whose beginnings were typed, no byte is shown that a stream without a keyboard hides."""
    text, echoed = b"", set[int]()
    masker = StreamMasker(new_masker()._finder, FixedStyle(), interactive=True)
    out = b""
    for value, known, wrong in steps:
        came = value + between
        typed = came[:known] + b"\x01" * wrong
        masker._echo.forget()
        masker.typed(typed)
        echoed |= set(range(len(text), len(text) + min(known, len(came))))
        text += came
        out += masker.feed(came)
    out += masker.end()
    hidden = mask(text, [], FixedStyle())
    assert len(out) == len(text)
    shown = {place for place in range(len(text)) if hidden[place] != text[place] and out[place] == text[place]}
    assert shown <= echoed | {place for place in range(len(text)) if text[place] == 0x2A}, (text, hidden, out)
