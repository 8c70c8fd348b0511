"""The shell codec: bytes, and lines of the bastion's own on a line of their own."""

import pytest

from bastion.model import Stream
from bastion.protocols.base import Data
from bastion.protocols.shell import ShellCodec


@pytest.mark.parametrize("stream", list(Stream))
def test_bytes_pass_as_they_are(stream: Stream) -> None:
    codec = ShellCodec(terminal=True)
    assert codec.start() == []
    assert codec.feed(stream, b"\x00\xff\r\n") == [Data(stream, b"\x00\xff\r\n")]
    assert codec.end(stream) == []


def test_lines_for_the_client_stand_alone() -> None:
    assert ShellCodec(terminal=True).message("x") == (Stream.STDOUT, b"\r\nx\r\n")
    assert ShellCodec(terminal=False).message("x") == (Stream.STDERR, b"x\n")
