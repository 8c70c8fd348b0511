"""The line gate."""

from bastion.model import Stream
from bastion.protocols.base import Data, Line
from bastion.protocols.terminal import TerminalCodec
from bastion.protocols.watch import Window


def test_no_end_of_line_goes_on_before_it_is_decided() -> None:
    codec = TerminalCodec(Window(80, 24), wary=False)
    codec.feed(Stream.STDOUT, b"\x1b[?2004h$ ")
    assert codec.feed(Stream.STDIN, b"touch m") == [Data(Stream.STDIN, b"touch m")]
    codec.feed(Stream.STDOUT, b"touch m")
    (line,) = codec.feed(Stream.STDIN, b"\r")
    assert isinstance(line, Line)
    assert (line.screen, line.typed) == ("touch m", "touch m")
    assert codec.decided(allowed=True, more=False) == [Data(Stream.STDIN, b"\r")]
