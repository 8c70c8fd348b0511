"""Programs whose protocol is not read: everything passes and is counted."""

import pytest

from bastion.model import Stream
from bastion.protocols.transfer import FileDone, Pass
from bastion.protocols.unread import UnreadCodec


@pytest.mark.parametrize(("uploads", "verb", "size"), [(True, "upload", 3), (False, "download", 5)])
def test_bytes_pass_and_are_counted_one_way(uploads: bool, verb: str, size: int) -> None:
    codec = UnreadCodec("rsync", uploads=uploads, paths="/a /b")
    for stream, data in [(Stream.STDIN, b"abc"), (Stream.STDOUT, b"abcde"), (Stream.STDERR, b"x")]:
        assert codec.feed(stream, data) == [Pass(stream, data)]
    (done,) = codec.finish()
    assert isinstance(done, FileDone)
    assert (str(done.verb), done.path, done.size, done.sha256, done.detail) == (verb, "/a /b", size, None, "rsync")


def test_a_program_that_moves_no_files_tells_nothing() -> None:
    codec = UnreadCodec("git", uploads=None, paths="")
    assert codec.feed(Stream.STDIN, b"abc") == [Pass(Stream.STDIN, b"abc")]
    assert codec.finish() == []
