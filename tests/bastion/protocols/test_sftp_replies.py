"""Targets are not trusted: replies nobody asked for, of the wrong kind or size, end the channel."""

import struct

import pytest

from bastion.errors import RemoteProtocolError
from bastion.model import Stream
from bastion.protocols.sftp_packets import Code, Type, data_reply, packet, status, string
from bastion.protocols.transfer import FileDone, OperationDone, Pass
from tests.bastion.protocols.sftp_kit import (
    INIT,
    READ,
    VERSION,
    WRITE,
    Talk,
    handle,
    name,
    ok,
    open_,
    read,
    request,
    write,
)


def opened(flags: int = READ) -> Talk:
    talk = Talk()
    talk.open(b"/a", flags)
    return talk


@pytest.mark.parametrize(
    "reply",
    [
        data_reply(9, b"abc"),
        ok(9),
        handle(9, b"x"),
        packet(Type.NAME, b"\0\0"),
        request(Type.STAT, 5, b"/"),
        VERSION,
    ],
)
def test_replies_nobody_asked_for(reply: bytes) -> None:
    talk = opened()
    with pytest.raises(RemoteProtocolError):
        talk.target(reply)


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        (read(5, b"h", 0, 10), handle(5, b"x")),
        (read(5, b"h", 0, 10), data_reply(5, b"x" * 11)),
        (read(5, b"h", 0, 10), data_reply(5, b"")),
        (read(5, b"h", 0, 10), packet(Type.DATA, struct.pack(">II", 5, 2) + b"abc")),
        (request(Type.STAT, 5, b"/"), data_reply(5, b"x")),
        (request(Type.CLOSE, 5, b"h"), handle(5, b"x")),
        (open_(5, b"/b", READ), handle(5, b"h")),
        (open_(5, b"/b", READ), handle(5, b"x" * 257)),
        (open_(5, b"/b", READ), data_reply(5, b"x")),
        (request(Type.REMOVE, 5, b"/"), name(5, b"/")),
    ],
)
def test_cve_2026_0968_replies_that_do_not_fit(asked: bytes, reply: bytes) -> None:
    talk = opened()
    talk.client(asked)
    with pytest.raises(RemoteProtocolError):
        talk.target(reply)


@pytest.mark.parametrize("version", [packet(Type.VERSION, struct.pack(">I", 6)), ok(1), packet(Type.VERSION, b"")])
def test_a_target_that_greets_otherwise(version: bytes) -> None:
    talk = Talk(greet=False)
    talk.client(INIT)
    with pytest.raises(RemoteProtocolError):
        talk.target(version)


def test_extensions_that_are_not_known_are_not_offered() -> None:
    known, unknown = b"posix-rename@openssh.com", b"check-file"
    talk = Talk(greet=False)
    talk.client(INIT)
    pairs = b"".join(string(one) + string(b"1") for one in (known, unknown))
    got = talk.target(packet(Type.VERSION, struct.pack(">I", 3) + pairs))
    assert known in got
    assert unknown not in got


def test_a_write_that_failed_is_the_result() -> None:
    talk = opened(WRITE)
    talk.client(write(5, b"h", 0, b"abc"))
    talk.target(status(5, Code.FAILURE, "no space"))
    talk.close()
    assert [done.result for done in talk.told if isinstance(done, FileDone)] == ["failure"]


@pytest.mark.parametrize(("code", "told"), [(Code.PERMISSION_DENIED, ["permission denied"]), (Code.NO_SUCH_FILE, [])])
def test_opening_that_fails_is_told_unless_nothing_is_there(code: Code, told: list[str]) -> None:
    talk = Talk()
    talk.client(open_(1, b"/a", READ))
    talk.target(status(1, code, ""))
    assert [one.result for one in talk.told if isinstance(one, OperationDone)] == told


def test_status_codes_of_later_versions_pass() -> None:
    talk = Talk()
    talk.client(request(Type.RMDIR, 1, b"/a"))
    reply = status(1, Code.OK, "").replace(b"\0\0\0\0", b"\0\0\0\x12", 1)
    assert talk.target(reply) == reply
    assert [one.result for one in talk.told if isinstance(one, OperationDone)] == ["status 18"]


def test_a_name_of_the_home_directory_is_taken_from_one_answer_alone() -> None:
    talk = Talk()
    talk.client(request(Type.REALPATH, 1, b"/x"))
    talk.target(name(1, b"/evil"))
    talk.client(request(Type.REMOVE, 2, b"a"))
    assert talk.asked == ["remove a"]


def test_stderr_passes() -> None:
    talk = Talk()
    assert talk.codec.feed(Stream.STDERR, b"hello") == [Pass(Stream.STDERR, b"hello")]
