"""The codec of scripts on a shell's input: nothing goes on undecided, nothing is lost, one question at a time."""

from hypothesis import given
from hypothesis import strategies as st

from bastion.model import Stream
from bastion.protocols.base import Data, Event, Line
from bastion.protocols.script import QUEUE_MAX, ScriptCodec

Steps = st.lists(st.one_of(st.binary(min_size=1, max_size=20), st.just(None)), max_size=30)


class Reader:
    """Plays who decides: keeps what is not a whole line, lets the rest go on."""

    def __init__(self) -> None:
        self.codec = ScriptCodec()
        self.asked: list[Line] = []
        self.sent = b""
        self.pending = b""

    def take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Data):
                self.sent += event.raw
            else:
                assert isinstance(event, Line)
                self.asked.append(event)
        assert len(self.asked) <= 1

    def answer(self) -> None:
        line = self.asked.pop()
        self.pending += line.raw
        size = self.pending.rfind(b"\n") + 1 if line.raw else len(self.pending)
        piece, self.pending = self.pending[:size], self.pending[size:]
        self.take(self.codec.decided(allowed=True, more=False, release=piece))


@given(Steps)
def test_whatever_the_cuts_all_of_it_goes_on_once_and_in_order(steps: list[bytes | None]) -> None:
    reader, given_bytes = Reader(), b"".join(step for step in steps if step)
    for step in steps:
        if step is not None:
            reader.take(reader.codec.feed(Stream.STDIN, step))
        elif reader.asked:
            reader.answer()
        assert given_bytes.startswith(reader.sent)
    reader.take(reader.codec.end(Stream.STDIN))
    while reader.asked:
        assert not reader.codec.drained
        reader.answer()
    assert reader.sent == given_bytes
    assert reader.codec.drained
    assert reader.codec.end(Stream.STDIN) == []


def test_output_passes_and_the_client_is_not_read_without_end() -> None:
    codec = ScriptCodec()
    assert codec.feed(Stream.STDOUT, b"out") == [Data(Stream.STDOUT, b"out")]
    assert len(codec.feed(Stream.STDIN, b"a\n")) == 1
    assert codec.feed(Stream.STDIN, bytes(QUEUE_MAX)) == []
    assert codec.full
    assert not codec.drained
