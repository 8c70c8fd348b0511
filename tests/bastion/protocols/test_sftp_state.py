"""The state of an sftp channel: what is put together on the way out, own request ids, remembered sizes."""

from bastion.model import Stream
from bastion.protocols.sftp_packets import Type
from bastion.protocols.sftp_state import Conversation, Pending, words
from bastion.protocols.transfer import Pass, Say


def test_bytes_that_follow_each_other_go_out_together() -> None:
    state = Conversation(None)
    for stream, raw in [(Stream.STDIN, b"a"), (Stream.STDIN, b"b"), (Stream.STDOUT, b"c"), (Stream.STDIN, b"d")]:
        state.pass_on(stream, raw)
    state.out.insert(1, Say("x"))
    assert state.flush() == [
        Pass(Stream.STDIN, b"a"),
        Say("x"),
        Pass(Stream.STDIN, b"b"),
        Pass(Stream.STDOUT, b"c"),
        Pass(Stream.STDIN, b"d"),
    ]
    assert state.flush() == []


def test_own_ids_are_no_ids_of_the_client() -> None:
    state = Conversation(None)
    state.pending[0xFFFFFFFE] = Pending(Type.READ)
    assert [state.own_id() for _ in range(3)] == [0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFC]


def test_sizes_of_the_last_files_are_kept() -> None:
    state = Conversation(None)
    for number in range(1000):
        state.note_size(f"/{number}", number)
    assert len(state.sizes) == 256
    assert state.sizes["/999"] == 999


def test_codes_in_words() -> None:
    assert [words(code) for code in (0, 2, 4, 31)] == ["ok", "no such file", "failure", "status 31"]
