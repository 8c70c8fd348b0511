"""Keys from bytes, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.keys import KeyReader

TABLE = [
    (b"a", ["a"]),
    (b"\xc3\xb6", ["ö"]),
    (b"\x1b[A", ["up"]),
    (b"\x1bOB", ["down"]),
    (b"\x1b[C\x1b[D", ["right", "left"]),
    (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
    (b"\x1b[H\x1b[F\x1b[1~", ["home", "end", "home"]),
    (b"\r\n", ["enter", "enter"]),
    (b"\x7f\x08", ["backspace", "backspace"]),
    (b"\x03\x04\x15", ["ctrl-c", "ctrl-d", "ctrl-u"]),
    (b"\x1b\x1b[A", ["escape", "up"]),
    (b"\x1bx", ["x"]),
    (b"\x1b[1;5Ca", ["a"]),
    (b"\x1b[200~paste\x1b[201~", list("paste")),
    (b"\x1b[" + b"1" * 40 + b"q", [*("1" * 25), "q"]),
]


@pytest.mark.parametrize(("data", "keys"), TABLE)
def test_keys_whole_and_byte_by_byte(data: bytes, keys: list[str]) -> None:
    whole, single = KeyReader(), KeyReader()
    assert whole.feed(data) == keys
    assert [key for byte in data for key in single.feed(bytes([byte]))] == keys


def test_an_escape_alone_is_known_by_silence() -> None:
    keys = KeyReader()
    assert keys.feed(b"\x1b") == []
    assert keys.waiting
    assert keys.timeout() == ["escape"]
    assert not keys.waiting
    assert keys.feed(b"a") == ["a"]


def test_half_a_sequence_is_no_key() -> None:
    keys = KeyReader()
    assert keys.feed(b"\x1b[1") == []
    assert keys.timeout() == []
    assert keys.feed(b"q") == ["q"]


@given(st.binary(max_size=200), st.integers(1, 7))
def test_any_bytes_in_any_pieces_give_the_same_keys(data: bytes, step: int) -> None:
    whole, pieces = KeyReader(), KeyReader()
    cut = [data[at : at + step] for at in range(0, len(data), step)]
    assert whole.feed(data) == [key for piece in cut for key in pieces.feed(piece)]
