"""What each request of a client is taken for."""

import struct

import pytest

from bastion.errors import RemoteProtocolError
from bastion.model import Stream
from bastion.protocols.sftp_packets import Code, Fields, Type, packet, string
from bastion.protocols.sftp_state import MAX_HANDLES, MAX_REQUESTS
from tests.bastion.protocols.sftp_kit import (
    INIT,
    READ,
    TRUNCATE,
    WRITE,
    Talk,
    handle,
    name,
    open_,
    read,
    request,
    write,
)

NONE = b"\0\0\0\0"
U64 = bytes(8)


def extended(number: int, what: bytes, *fields: bytes) -> bytes:
    return packet(Type.EXTENDED, struct.pack(">I", number) + string(what) + b"".join(fields))


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (open_(5, b"/a", READ), "download /a"),
        (open_(5, b"/a", 0), "download /a"),
        (open_(5, b"/a", WRITE), "upload /a"),
        (open_(5, b"/a", TRUNCATE), "upload /a"),
        (open_(5, b"/a", READ | WRITE), "update /a"),
        (request(Type.REMOVE, 5, b"/a"), "remove /a"),
        (request(Type.MKDIR, 5, b"/a", 0), "mkdir /a"),
        (request(Type.RMDIR, 5, b"/a"), "rmdir /a"),
        (request(Type.RENAME, 5, b"/a", b"/b"), "rename /a /b"),
        (request(Type.SYMLINK, 5, b"../to", b"/d/link"), "symlink /d/link /to"),
        (request(Type.SETSTAT, 5, b"/a", 4, 0o600), "setstat /a mode 0600"),
        (extended(5, b"posix-rename@openssh.com", string(b"/a"), string(b"/b")), "rename /a /b"),
        (extended(5, b"hardlink@openssh.com", string(b"/a"), string(b"/b")), "link /b /a"),
        (extended(5, b"lsetstat@openssh.com", string(b"/a"), NONE), "setstat /a"),
    ],
)
def test_operations(sent: bytes, line: str) -> None:
    talk = Talk()
    talk.client(sent)
    assert talk.asked == [line]
    assert talk.passed[Stream.STDIN] == sent
    refused = Talk(decide=lambda _: "no")
    assert Fields(refused.client(sent)).uint32() == Code.PERMISSION_DENIED
    assert refused.passed[Stream.STDIN] == b""


@pytest.mark.parametrize(
    "sent",
    [
        *(request(kind, 5, b"/a") for kind in (Type.STAT, Type.LSTAT, Type.READLINK, Type.REALPATH, Type.OPENDIR)),
        extended(5, b"statvfs@openssh.com", string(b"/a")),
        extended(5, b"limits@openssh.com"),
        extended(5, b"expand-path@openssh.com", string(b"~")),
    ],
)
def test_looking_is_not_asked_about(sent: bytes) -> None:
    talk = Talk()
    assert talk.client(sent) == b""
    assert (talk.asked, talk.passed[Stream.STDIN]) == ([], sent)


@pytest.mark.parametrize(
    "sent", [request(Type.VERSION, 5), packet(Type.DATA, b"\0\0\0\5"), extended(5, b"md5-hash@x", string(b"/a"))]
)
def test_what_is_not_known_is_unsupported(sent: bytes) -> None:
    talk = Talk()
    assert Fields(talk.client(sent)).uint32() == Code.OP_UNSUPPORTED
    assert talk.passed[Stream.STDIN] == b""


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (b"/a//b/./c/", "/a/b/c"),
        (b"/a/../../b", "/b"),
        (b"//a", "/a"),
        (b"a/b", "/home/me/a/b"),
        (b"", "/home/me"),
        (b"../x", "/home/x"),
    ],
)
def test_paths_are_made_normal(path: bytes, normal: str) -> None:
    talk = Talk()
    talk.client(request(Type.REALPATH, 1, b"."))
    talk.target(name(1, b"/home/me"))
    talk.client(request(Type.REMOVE, 2, path))
    assert talk.asked == [f"remove {normal}"]


def test_lines_of_different_paths_differ() -> None:
    talk = Talk()
    talk.client(
        *(request(Type.REMOVE, 2 + n, path) for n, path in enumerate([b"/a b", b"/a\nb", b"/a\\nb", b"/a\xff"]))
    )
    assert talk.asked == ["remove /a\\ b", "remove /a\\nb", "remove /a\\\\nb", "remove /a\\xff"]


def test_attributes_of_a_file_being_written_are_part_of_the_upload() -> None:
    talk = Talk()
    talk.open(b"/a", WRITE)
    talk.open(b"/b", READ, b"r")
    talk.client(request(Type.FSETSTAT, 5, b"h", 4, 0o600), request(Type.FSETSTAT, 6, b"r", 4, 0o600))
    assert talk.asked == ["upload /a", "download /b", "setstat /b mode 0600"]


def test_a_copy_on_the_target_needs_both_files_open() -> None:
    talk = Talk()
    talk.open(b"/a", READ, b"r")
    talk.open(b"/b", WRITE, b"w")
    sent = extended(5, b"copy-data", string(b"r"), U64, U64, string(b"w"), U64)
    assert talk.client(sent) == b""
    assert talk.asked[-1] == "copy /a /b"
    backwards = extended(6, b"copy-data", string(b"w"), U64, U64, string(b"r"), U64)
    assert Fields(talk.client(backwards)).uint32() == Code.FAILURE


@pytest.mark.parametrize("sent", [request(Type.STAT, 1, b"/"), INIT.replace(b"\0\0\0\3", b"\0\0\0\2")])
def test_who_does_not_begin_with_init(sent: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Talk(greet=False).client(sent)


def test_a_newer_client_is_told_three() -> None:
    talk = Talk(greet=False)
    talk.client(packet(Type.INIT, struct.pack(">I", 6)))
    assert talk.passed[Stream.STDIN] == INIT


def test_requests_before_the_version() -> None:
    talk = Talk(greet=False)
    with pytest.raises(RemoteProtocolError, match="before the version"):
        talk.client(INIT, request(Type.STAT, 1, b"/"))


def test_an_id_used_twice() -> None:
    with pytest.raises(RemoteProtocolError, match="id 5 twice"):
        Talk().client(request(Type.STAT, 5, b"/a"), request(Type.STAT, 5, b"/b"))


def test_too_many_requests() -> None:
    talk = Talk()
    talk.client(*(request(Type.STAT, number, b"/") for number in range(MAX_REQUESTS)))
    with pytest.raises(RemoteProtocolError, match="more than"):
        talk.client(request(Type.STAT, MAX_REQUESTS, b"/"))


def test_too_many_handles_are_an_error_of_one_request() -> None:
    talk = Talk()
    for number in range(MAX_HANDLES):
        talk.client(request(Type.OPENDIR, number, b"/"))
        talk.target(handle(number, b"%d" % number))
    for sent in (request(Type.OPENDIR, 1, b"/"), open_(1, b"/a", READ)):
        assert Fields(talk.client(sent)).uint32() == Code.FAILURE
    talk.client(request(Type.CLOSE, 1, b"5"))
    assert talk.client(open_(2, b"/a", READ)) == b""


@pytest.mark.parametrize("sent", [read(5, b"w", 0, 10), write(5, b"r", 0, b"x"), request(Type.FSTAT, 5, b"none")])
def test_handles_that_do_not_fit(sent: bytes) -> None:
    talk = Talk()
    talk.open(b"/a", WRITE, b"w")
    talk.open(b"/b", READ, b"r")
    assert Fields(talk.client(sent)).uint32() == Code.FAILURE


def test_a_write_that_announces_another_size() -> None:
    talk = Talk()
    talk.open(b"/a", WRITE)
    sent = bytearray(write(5, b"h", 0, b"abc"))
    sent[-4] = 9
    with pytest.raises(RemoteProtocolError, match="announces"):
        talk.client(bytes(sent))
