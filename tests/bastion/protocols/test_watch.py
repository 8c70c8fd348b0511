"""Reading the line off the screen."""

from hypothesis import given
from hypothesis import strategies as st

from bastion.protocols.keys import Keys
from bastion.protocols.watch import TAIL, Watcher


def test_the_line_stands_behind_the_prompt() -> None:
    watcher, keys = Watcher(80, 24), Keys()
    watcher.output(b"\x1b[?2004h$ ")
    watcher.begin(keys)
    watcher.output(b"touch m")
    assert watcher.editor
    assert (watcher.read(keys).text, watcher.read(keys).prompt) == ("touch m", "$ ")


@given(
    st.lists(
        st.sampled_from([b"ls", b" -l", b"\b \b", b"\x1b[", b"3D", b"x" * 100, b"\r\n", b"y" * (TAIL - 1)]), max_size=9
    )
)
def test_a_line_is_read_alike_however_seldom_it_is_looked_at(pieces: list[bytes]) -> None:
    watched, glanced, keys = Watcher(80, 24), Watcher(80, 24), Keys()
    for watcher in (watched, glanced):
        watcher.output(b"\x1b[?2004h$ ")
        watcher.begin(keys)
    for piece in pieces:
        watched.output(piece)
        watched.read(keys)
        glanced.output(piece)
    assert watched.read(keys) == glanced.read(keys)
