"""Packets of sftp version 3 (draft-ietf-secsh-filexfer-02): cutting a stream into them, reading and making them.

A packet here is always whole, with its length in front (section 3). Nothing is known of requests and replies that
belong together; that is `bastion.protocols.sftp`. A peer that sends nonsense raises RemoteProtocolError.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from bastion.errors import RemoteProtocolError

MAX_PACKET = 256 * 1024 + 1024
"""Bytes of the largest packet taken, its length field not counted (OpenSSH takes and sends 256 KiB)."""

MAX_PATH = 32 * 1024
"""Bytes of the longest path taken."""

MAX_HANDLE = 256
"""Bytes of the longest handle (section 6.2)."""

_UINT32 = struct.Struct(">I")
_UINT64 = struct.Struct(">Q")
_STATUS = struct.Struct(">IBII")
_DATA = struct.Struct(">IBII")


class Type(IntEnum):
    """Packet types (section 3)."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Code(IntEnum):
    """Status codes (section 7)."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8


class Assembler:
    """Cuts one direction of a channel into packets, however it came in pieces. Keeps at most one packet."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the packets that are complete now."""
        buffer = self._buffer
        if buffer:
            buffer += data
        source: bytes | bytearray = buffer or data
        packets: list[bytes] = []
        position, size = 0, len(source)
        with memoryview(source) as view:
            while size - position >= 4:
                end = position + 4 + self._length(_UINT32.unpack_from(view, position)[0])
                if end > size:
                    break
                packets.append(bytes(view[position:end]))
                position = end
        if buffer:
            del buffer[:position]
        else:
            buffer += data[position:]
        return packets

    def _length(self, length: int) -> int:
        if not 1 <= length <= MAX_PACKET:
            raise RemoteProtocolError(f"{self._peer} sent an sftp packet of {length} bytes")
        return length


class Fields:
    """Reads the fields of a packet in order, from behind its type (and id)."""

    __slots__ = ("_at", "_packet")

    def __init__(self, packet: bytes, at: int = 9) -> None:
        self._packet = packet
        self._at = at

    def uint32(self) -> int:
        """Read a 32-bit number."""
        return int(self._number(_UINT32))

    def uint64(self) -> int:
        """Read a 64-bit number."""
        return int(self._number(_UINT64))

    def string(self, longest: int = MAX_PATH) -> bytes:
        """Read a string of bytes."""
        length = self.uint32()
        end = self._at + length
        if end > len(self._packet) or length > longest:
            raise RemoteProtocolError("an sftp packet ends inside a field, or a field is too long")
        found, self._at = self._packet[self._at : end], end
        return found

    def path(self) -> str:
        """Read a path; bytes that are no UTF-8 become surrogates."""
        path = self.string()
        if b"\0" in path:
            raise RemoteProtocolError("an sftp path holds a NUL byte")
        return path.decode("utf-8", "surrogateescape")

    @property
    def more(self) -> bool:
        """Whether fields follow."""
        return self._at < len(self._packet)

    def _number(self, layout: struct.Struct) -> int:
        try:
            (found,) = layout.unpack_from(self._packet, self._at)
        except struct.error:
            raise RemoteProtocolError("an sftp packet ends inside a field") from None
        self._at += layout.size
        return int(found)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is read of file attributes (section 5): those that a journal or a mask needs."""

    size: int | None = None
    owner: tuple[int, int] | None = None
    mode: int | None = None
    times: bool = False

    @property
    def line(self) -> str:
        """The attributes set, in one line."""
        words = [
            f"size {self.size}" if self.size is not None else "",
            "owner {}:{}".format(*self.owner) if self.owner else "",
            f"mode {self.mode & 0o7777:04o}" if self.mode is not None else "",
            "times" if self.times else "",
        ]
        return ", ".join(word for word in words if word)


def attributes(fields: Fields) -> Attributes:
    """Read file attributes."""
    flags = fields.uint32()
    size = fields.uint64() if flags & 1 else None
    owner = (fields.uint32(), fields.uint32()) if flags & 2 else None
    mode = fields.uint32() if flags & 4 else None
    if flags & 8:
        fields.uint64()
    return Attributes(size, owner, mode, bool(flags & 8))


def packet(kind: Type, body: bytes) -> bytes:
    """Make a packet; `body` is what follows the type."""
    return _UINT32.pack(len(body) + 1) + bytes([kind]) + body


def string(value: bytes) -> bytes:
    """Make a string field."""
    return _UINT32.pack(len(value)) + value


def status(request: int, code: Code, text: str) -> bytes:
    """Make a STATUS reply (section 7)."""
    words = string(text.encode("utf-8", "replace")) + string(b"")
    return _STATUS.pack(len(words) + 9, Type.STATUS, request, code) + words


def data_reply(request: int, data: bytes) -> bytes:
    """Make a DATA reply."""
    return _DATA.pack(len(data) + 9, Type.DATA, request, len(data)) + data


def read_request(request: int, handle: bytes, offset: int, length: int) -> bytes:
    """Make a READ request (section 6.4)."""
    return packet(Type.READ, _UINT32.pack(request) + string(handle) + _UINT64.pack(offset) + _UINT32.pack(length))
