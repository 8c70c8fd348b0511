"""Cutting a stream into packets, and the fields in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.errors import RemoteProtocolError
from bastion.protocols.sftp_packets import (
    MAX_PACKET,
    Assembler,
    Code,
    Fields,
    Type,
    attributes,
    data_reply,
    packet,
    read_request,
    status,
    string,
)


@given(st.lists(st.binary(max_size=50), max_size=8), st.data())
def test_packets_come_whole_at_any_cut(bodies: list[bytes], data: st.DataObject) -> None:
    packets = [packet(Type.DATA, body) for body in bodies]
    whole = b"".join(packets)
    places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    frames = Assembler("the client")
    found: list[bytes] = []
    for begin, end in zip([0, *places], [*places, len(whole)], strict=True):
        found += frames.feed(whole[begin:end])
    assert found == packets


@pytest.mark.parametrize("length", [0, MAX_PACKET + 1, 2**32 - 1])
def test_lengths_that_cannot_be(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"the target sent an sftp packet of {length} bytes"):
        Assembler("the target").feed(length.to_bytes(4, "big"))


def test_the_largest_packet_byte_by_byte() -> None:
    whole = packet(Type.DATA, bytes(MAX_PACKET - 1))
    frames = Assembler("the client")
    assert not any(frames.feed(whole[place : place + 1]) for place in range(len(whole) - 1))
    assert frames.feed(whole[-1:]) == [whole]


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\0\0", b"\0\0\0\5abcd", b"\xff\xff\xff\xff", b"\0\0\0\4a\0bc"],
    ids=["nothing", "half a length", "too short", "huge", "nul"],
)
def test_a_path_that_is_not_one(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Fields(packet(Type.STAT, b"\0\0\0\1" + body)).path()


def test_any_bytes_survive_in_a_path() -> None:
    path = Fields(packet(Type.STAT, b"\0\0\0\1" + string(b"/caf\xc3\xa9/\xff"))).path()
    assert path.encode("utf-8", "surrogateescape") == b"/caf\xc3\xa9/\xff"


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"\0\0\0\0", ""),
        (b"\0\0\0\1" + bytes(7) + b"\5", "size 5"),
        (b"\0\0\0\2" + b"\0\0\0\1" + b"\0\0\0\2", "owner 1:2"),
        (b"\0\0\0\4" + (0o100644).to_bytes(4, "big"), "mode 0644"),
        (b"\0\0\0\x0c" + (0o4755).to_bytes(4, "big") + bytes(8), "mode 4755, times"),
    ],
)
def test_attributes_in_a_line(raw: bytes, line: str) -> None:
    assert attributes(Fields(b"\0\0\0\0\0" + raw, 5)).line == line


def test_replies_of_our_own_are_packets() -> None:
    made = [status(9, Code.EOF, "end"), data_reply(9, b"abc"), read_request(9, b"h", 2**40, 7)]
    assert Assembler("us").feed(b"".join(made)) == made
    fields = Fields(made[2])
    assert (fields.string(), fields.uint64(), fields.uint32(), fields.more) == (b"h", 2**40, 7, False)
