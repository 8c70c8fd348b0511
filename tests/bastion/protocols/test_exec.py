"""The exec codec: one command, then bytes."""

import pytest

from bastion.model import Stream
from bastion.protocols.base import Command, Data
from bastion.protocols.exec import ExecCodec


def test_the_command_comes_first_and_whole() -> None:
    assert ExecCodec(b"caf\xe9 ; id", terminal=False).start() == [Command(b"caf\xe9 ; id")]


@pytest.mark.parametrize("stream", list(Stream))
def test_bytes_pass_as_they_are(stream: Stream) -> None:
    codec = ExecCodec(b"cat", terminal=False)
    assert codec.feed(stream, b"\x00\xff\r\n") == [Data(stream, b"\x00\xff\r\n")]
    assert codec.end(stream) == []


@pytest.mark.parametrize(
    ("terminal", "stream", "line"), [(False, Stream.STDERR, b"x\n"), (True, Stream.STDOUT, b"x\r\n")]
)
def test_lines_for_the_client(terminal: bool, stream: Stream, line: bytes) -> None:
    assert ExecCodec(b"id", terminal=terminal).message("x") == (stream, line)
