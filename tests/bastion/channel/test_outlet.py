"""What comes in pieces is recorded and sent as one, in order; nothing is sent that could not be recorded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.channel.outlet import Outlet
from bastion.inspectors.actions import Save, Send
from bastion.model import Stream

STREAMS, DATA = st.sampled_from(Stream), st.binary(max_size=4)
ACTIONS = st.lists(st.one_of(st.builds(Save, STREAMS, DATA), st.builds(Send, STREAMS, DATA)))


@given(ACTIONS, st.sets(st.integers(0, 20)))
def test_each_stream_gets_its_bytes_in_order(actions: list[Save | Send], flushes: set[int]) -> None:
    saved: list[tuple[Stream, bytes]] = []
    sent: list[tuple[Stream, bytes]] = []
    outlet = Outlet(
        lambda stream, data: saved.append((stream, data)),
        lambda data: sent.append((Stream.STDIN, data)),
        lambda stream, data: sent.append((stream, data)),
    )
    for index, action in enumerate(actions):
        outlet.add(action)
        if index in flushes:
            outlet.flush()
    outlet.flush()
    for kind, done in ((Save, saved), (Send, sent)):
        wanted = [(action.stream, byte) for action in actions if isinstance(action, kind) for byte in action.data]
        assert [(stream, byte) for stream, data in done for byte in data] == wanted


def test_what_comes_in_a_row_is_one_write() -> None:
    sent: list[bytes] = []
    outlet = Outlet(lambda *_: None, sent.append, lambda _, data: sent.append(data))
    for piece in (b"a", b"b", b"c"):
        outlet.add(Send(Stream.STDOUT, piece))
    outlet.flush()
    assert sent == [b"abc"]


def test_what_cannot_be_recorded_is_not_sent_ever() -> None:
    sent: list[bytes] = []

    def save(_: Stream, data: bytes) -> None:
        if data == b"bad":
            raise OSError("disk full")

    outlet = Outlet(save, sent.append, lambda _, data: sent.append(data))
    outlet.add(Save(Stream.STDOUT, b"bad"))
    outlet.add(Send(Stream.STDOUT, b"bad"))
    with pytest.raises(OSError, match="disk full"):
        outlet.flush()
    outlet.flush()
    assert sent == []
