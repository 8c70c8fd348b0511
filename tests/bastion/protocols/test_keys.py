"""Keys that may run a line."""

import pytest

from bastion.protocols.keys import Keys, Setting, Stop


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\x0f"])
def test_every_end_of_a_line_stops(end: bytes) -> None:
    keys = Keys()
    taken = keys.take(b"m4\x01touch " + end + b"x", Setting(editor=True, wary=True, whole_pastes=True))
    assert taken == (9, Stop.ACCEPT)
    assert keys.line.text == "touch m4"
