"""The sftp codec as a whole: real captures, any cut, refusals, junk."""

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.errors import BastionError
from bastion.model import Stream
from bastion.protocols.sftp import SFTPCodec
from bastion.protocols.sftp_packets import Code, Fields, Type, status
from bastion.protocols.transfer import Asked, FileDone, OperationDone
from tests.bastion.protocols.sftp_kit import CAPTURES, CREATE, READ, WRITE, Talk, capture, handle, open_, request, write


def told(talk: Talk) -> list[tuple[str, str, str]]:
    """Return what was told of files and changes: what, path, and digest or result."""
    lines = []
    for one in talk.told:
        assert isinstance(one, FileDone | OperationDone)
        if isinstance(one, FileDone):
            lines.append((str(one.verb), one.path.rsplit("/r/", 1)[-1], one.sha256 or ""))
        else:
            lines.append((str(one.operation.verb), one.operation.path.rsplit("/r/", 1)[-1], one.result))
    return lines


def play(name: str) -> Talk:
    talk = Talk(greet=False)
    for stream, data in capture(name):
        talk.feed(stream, data)
    talk.finish()
    return talk


def test_there_are_captures() -> None:
    assert CAPTURES == ["changes", "download", "upload"]


@pytest.mark.parametrize("name", CAPTURES)
def test_captures_pass_byte_for_byte(name: str) -> None:
    """But for extensions that are not offered: OpenSSH's server has none besides those that pass."""
    talk = play(name)
    for stream in (Stream.STDIN, Stream.STDOUT):
        assert talk.passed[stream] == b"".join(data for side, data in capture(name) if side is stream)


def test_what_a_capture_of_uploads_tells() -> None:
    facts = told(play("upload"))
    small = {b"hi\n": "tree/a", b"yo\n": "tree/sub/b"}
    for content, path in small.items():
        assert ("upload", path, hashlib.sha256(content).hexdigest()) in facts
    assert [fact[:2] for fact in facts if fact[0] != "upload"] == [
        ("setstat", "rnd"),
        *[("mkdir", "tree"), ("mkdir", "tree/sub")],
        *[fact[:2] for fact in facts if fact[0] == "setstat" and fact[1] != "rnd"],
    ]


def test_what_a_capture_of_downloads_tells() -> None:
    talk = play("download")
    files = [one for one in talk.told if isinstance(one, FileDone)]
    assert [(file.path.rsplit("/", 1)[-1], file.size, file.complete) for file in files] == [
        ("mail.txt", 3700, True),
        ("rnd", 50000, True),
    ]
    content = b"write to jane.doe@example.com please\n" * 100
    assert files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert len(talk.asked) == 2, "looking for a file that is not there asks for nothing"


def test_what_a_capture_of_changes_tells() -> None:
    facts = told(play("changes"))
    assert [fact for fact in facts if fact[0] != "setstat"] == [
        ("mkdir", "d", "ok"),
        ("rename", "rnd", "ok"),
        ("link", "d/y", "ok"),
        ("symlink", "d/z", "ok"),
        ("symlink", "w", "ok"),
        ("copy", "d/x", "ok"),
        *[fact for fact in facts if fact[0] in ("download", "upload")],
        ("remove", "d/y", "ok"),
        ("remove", "none", "no such file"),
        ("rmdir", "d", "failure"),
    ]


@pytest.mark.parametrize("name", CAPTURES)
def test_byte_by_byte_is_as_whole(name: str) -> None:
    whole, cut = play(name), Talk(greet=False)
    for stream, data in capture(name):
        for place in range(len(data)):
            cut.feed(stream, data[place : place + 1])
    cut.finish()
    assert (cut.passed, cut.asked, cut.told) == (whole.passed, whole.asked, whole.told)


@given(st.sampled_from(CAPTURES), st.data())
def test_any_cut_is_as_whole(name: str, data: st.DataObject) -> None:
    whole, cut = play(name), Talk(greet=False)
    for stream, chunk in capture(name):
        places = sorted(data.draw(st.lists(st.integers(0, len(chunk)), max_size=3)))
        for begin, end in zip([0, *places], [*places, len(chunk)], strict=True):
            cut.feed(stream, chunk[begin:end])
    cut.finish()
    assert (cut.passed, cut.asked, cut.told) == (whole.passed, whole.asked, whole.told)


@given(st.sampled_from(CAPTURES), st.data())
def test_broken_captures_end_the_channel_or_pass(name: str, data: st.DataObject) -> None:
    """A peer that sends anything gets no further than an error of ours."""
    chunks = capture(name)
    place = data.draw(st.integers(0, len(chunks) - 1))
    stream, chunk = chunks[place]
    at = data.draw(st.integers(0, min(len(chunk) - 1, 100)))
    chunks[place] = (stream, chunk[:at] + data.draw(st.binary(min_size=1, max_size=4)) + chunk[at + 1 :])
    talk = Talk(greet=False)
    with suppress(BastionError):
        for side, part in chunks:
            talk.feed(side, part)
        talk.finish()


@given(st.lists(st.tuples(st.sampled_from([Stream.STDIN, Stream.STDOUT]), st.binary(max_size=40)), max_size=20))
def test_junk_ends_the_channel(chunks: list[tuple[Stream, bytes]]) -> None:
    codec = SFTPCodec()
    with suppress(BastionError):
        for stream, data in chunks:
            codec.feed(stream, data)


def test_a_refusal_is_a_status_and_nothing_reaches_the_target() -> None:
    talk = Talk(decide=lambda asked: "" if asked.operation.path == "/ok" else "bastion: no")
    answer = talk.client(open_(7, b"/no", WRITE | CREATE))
    assert talk.passed[Stream.STDIN] == b""
    assert answer[4] == Type.STATUS
    fields = Fields(answer)
    assert (fields.uint32(), fields.string()) == (Code.PERMISSION_DENIED, b"bastion: no")
    assert talk.client(open_(7, b"/ok", WRITE | CREATE)) == b"", "the id is free again"
    assert talk.target(handle(7, b"h")) == handle(7, b"h")


def test_a_refusal_later_than_other_requests() -> None:
    """What is asked stays open while others go on."""
    codec = Talk().codec
    outs = codec.feed(Stream.STDIN, open_(1, b"/a", WRITE) + request(Type.STAT, 2, b"/b"))
    held = [out for out in outs if isinstance(out, Asked)]
    codec.feed(Stream.STDOUT, status(2, Code.NO_SUCH_FILE, ""))
    assert codec.refuse(held[0], "no")
    with pytest.raises(BastionError, match="nobody asked for"):
        codec.feed(Stream.STDOUT, handle(1, b"h"))


def test_a_target_cannot_answer_what_it_was_not_asked() -> None:
    talk = Talk()
    talk.codec.feed(Stream.STDIN, open_(1, b"/a", WRITE))  # asked, and not decided
    with pytest.raises(BastionError, match="nobody asked for"):
        talk.codec.feed(Stream.STDOUT, handle(1, b"h"))


def test_what_is_not_closed_is_told_as_incomplete() -> None:
    talk = Talk()
    talk.open(b"/a", WRITE)
    talk.client(write(3, b"h", 0, b"abc"))
    talk.finish()
    (done,) = talk.told
    assert isinstance(done, FileDone)
    assert (done.result, done.size, done.sha256) == ("incomplete", 3, hashlib.sha256(b"abc").hexdigest())


def test_reading_needs_a_handle_that_reads() -> None:
    talk = Talk()
    talk.open(b"/a", WRITE)
    answer = talk.client(request(Type.READDIR, 5, b"nope"))
    assert Fields(answer).uint32() == Code.FAILURE
    talk.open(b"/b", READ, b"r")
    assert Fields(talk.client(write(5, b"r", 0, b"x"))).uint32() == Code.FAILURE
    assert Fields(talk.client(request(Type.CLOSE, 5, b"gone"))).uint32() == Code.FAILURE
