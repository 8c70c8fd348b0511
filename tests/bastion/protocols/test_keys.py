"""Keys that may run a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.protocols.keys import Keys, Setting, Stop


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\x0f"])
def test_every_end_of_a_line_stops(end: bytes) -> None:
    keys = Keys()
    taken = keys.take(b"m4\x01touch " + end + b"x", Setting(editor=True, wary=True, whole_pastes=True))
    assert taken == (9, Stop.ACCEPT)
    assert keys.line.text == "touch m4"


@given(
    st.lists(
        st.sampled_from([b"ls", b" -l\xc3", b"\xa9", b"\x1b", b"[200~", b"O", b"a", b"\x18", b"\x7f", b"\t"]),
        max_size=8,
    ),
    st.booleans(),
    st.booleans(),
)
def test_what_is_read_as_plain_text_would_be_read_alike_key_by_key(
    pieces: list[bytes], editor: bool, wary: bool
) -> None:
    short, long, setting = Keys(), Keys(), Setting(editor, wary, whole_pastes=True, substitutes=wary)
    for piece in pieces:
        if short.plain(piece):
            assert long.take(piece, setting) == (len(piece), None)
        else:
            assert short.take(piece, setting) == long.take(piece, setting)
        assert (short.line.text, short.whole.text, short.pasting) == (long.line.text, long.whole.text, long.pasting)
