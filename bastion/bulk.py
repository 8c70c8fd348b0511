"""The shortest way for channel data through asyncssh: mixins for connections and channels of both legs.

Leans on internals of asyncssh; `tests/bastion/test_bulk.py` notices when a new one changes them. Nothing changes in the
protocol, and what is not plain channel data under AES-GCM (RFC 5647) takes asyncssh's own way, packet by packet.

- One key schedule a key, not one a packet.
- Packets that came together are opened where they stand; neighbours for one channel are delivered as one piece.
- A data packet is put together once, and not copied again for its header, padding and tag; the random bytes of many
  packets' paddings (RFC 4253 section 6) are fetched together.
- What came for a channel goes to its session without a detour.
"""

import os
import time
from struct import Struct
from typing import TYPE_CHECKING, Any

from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_CHANNEL_DATA
from asyncssh.encryption import Encryption, GCMEncryption
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    _Base = SSHConnection
    _Channel = SSHChannel[bytes]
else:
    _Base = _Channel = object

MOST_DATA = 256 * 1024  # bytes of a packet with channel data; who sends more breaks what was agreed on

WAITING_HIGH, WAITING_LOW = 512 * 1024, 128 * 1024  # bytes that may wait in a channel

_LENGTH = 4  # bytes of a packet's length, which is authenticated and not encrypted
_TAG = 16
_BLOCK = 16
_LEAST_PADDING = 4
_DATA = 10  # where the data of a packet begin: behind padding length, type, channel and their own length
_OPENING = Struct(">BBII").unpack_from  # these four
_TO = Struct(">II").pack  # the last two of them
_SMALL = 4096  # bytes that are sooner copied than looked at in their place
_FETCHED = 4096  # random bytes asked of the system at once
_INVOCATIONS = 1 << 64  # then the counter begins anew (RFC 5647 section 7.1)


class KeptGCM(GCMEncryption):
    """AES-GCM that keeps its key schedule. Takes over from asyncssh's object, which must not be used any more."""

    def __init__(self, taken: GCMEncryption) -> None:
        cipher: Any = taken._cipher  # noqa: SLF001 - this module is where asyncssh's internals are touched
        super().__init__(cipher)
        self._aead = AESGCM(cipher._key)  # noqa: SLF001
        self._fixed = cipher._iv[:4]  # noqa: SLF001
        self._invocation = int.from_bytes(cipher._iv[4:], "big")  # noqa: SLF001
        self._ahead: bytes | None = None

    def seal(self, header: bytes, packet: bytes) -> bytes:
        """Return the packet encrypted, with its tag; the header is authenticated."""
        invocation = self._invocation
        self._invocation = (invocation + 1) % _INVOCATIONS
        return self._aead.encrypt(self._fixed + invocation.to_bytes(8, "big"), packet, header)

    def open(self, header: bytes | memoryview, sealed: bytes | memoryview) -> bytes:
        """Return the next packet decrypted, nothing where its tag does not fit; the same one after `put_back`."""
        packet = self._ahead
        if packet is not None:
            self._ahead = None
            return packet
        invocation = self._invocation
        self._invocation = (invocation + 1) % _INVOCATIONS
        try:
            return self._aead.decrypt(self._fixed + invocation.to_bytes(8, "big"), sealed, header)
        except InvalidTag:
            return b""

    def put_back(self, packet: bytes) -> None:
        """Have a packet that was opened come again."""
        self._ahead = packet

    def encrypt_packet(self, seq: int, header: bytes, packet: bytes) -> tuple[bytes, bytes]:  # noqa: ARG002 - GCM counts
        """Encrypt and sign a packet, asyncssh's way; the tag stays where it is."""
        return header + self.seal(header, packet), b""

    def decrypt_packet(self, seq: int, first: bytes, rest: bytes, header_len: int, mac: bytes) -> bytes | None:  # noqa: ARG002
        """Verify and decrypt a packet, asyncssh's way."""
        return self.open(first[:header_len], b"".join((first[header_len:], rest, mac))) or None


class _Noise:
    """Random bytes for paddings: asking the system for each packet's few would take longer than to encrypt it."""

    def __init__(self) -> None:
        self._bytes = b""
        self._place = 0

    def take(self, size: int) -> bytes:
        """Return so many that were not returned before."""
        if self._place + size > len(self._bytes):
            self._bytes, self._place = os.urandom(_FETCHED), 0
        place, self._place = self._place, self._place + size
        return self._bytes[place : self._place]


_noise = _Noise()


class BulkPackets(_Base):
    """Mixed in before `SSHServerConnection` or `SSHClientConnection`."""

    def send_newkeys(self, k: bytes, h: bytes) -> None:
        """Finish a key exchange, with ciphers of this module where AES-GCM was agreed on."""
        super().send_newkeys(k, h)
        self._send_encryption = _kept(self._send_encryption)
        self._next_recv_encryption = _kept(self._next_recv_encryption)

    # Receiving

    def _recv_pkthdr(self) -> bool:
        encryption = self._recv_encryption
        if not isinstance(encryption, KeptGCM) or not self._auth_complete or self._decompressor:
            return super()._recv_pkthdr()
        if len(self._inpbuf) <= _SMALL and self._recv_single(encryption):
            return False
        channel, pieces, position, more = self._neighbours(encryption)
        if channel is None:
            return more and super()._recv_pkthdr()
        self._inpbuf = self._inpbuf[position:]
        self._recv_seq = (self._recv_seq + len(pieces)) & 0xFFFFFFFF
        self._auth_final = True
        channel._accept_data(pieces[0] if len(pieces) == 1 else b"".join(pieces))  # noqa: SLF001
        return more

    def _recv_single(self, encryption: KeptGCM) -> bool:
        """Deliver the data of the one small packet that came, a key for instance; False where it is anything else."""
        buffer = self._inpbuf
        if int.from_bytes(buffer[:_LENGTH], "big") != len(buffer) - _LENGTH - _TAG:
            return False
        packet = encryption.open(buffer[:_LENGTH], buffer[_LENGTH:])
        channel = self._goal(packet)
        size = len(packet) - packet[0] - _DATA if channel is not None else 0
        if channel is None or size > channel._recv_window:  # noqa: SLF001
            encryption.put_back(packet)
            return False
        self._inpbuf = b""
        self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF
        self._auth_final = True
        channel._accept_data(packet[_DATA : _DATA + size])  # noqa: SLF001
        return True

    def _neighbours(self, encryption: KeptGCM) -> tuple[SSHChannel[bytes] | None, list[bytes], int, bool]:
        """Open the data packets for one channel that stand in front.

        Returns the channel, None where something else stands there; their data; where they end; and whether a whole
        packet follows.
        """
        buffer, position, gathered = self._inpbuf, 0, 0
        channel: SSHChannel[bytes] | None = None
        pieces: list[bytes] = []
        view = memoryview(buffer)
        while len(buffer) - position >= _LENGTH:
            body = position + _LENGTH
            length = int.from_bytes(view[position:body], "big")
            if length > self._max_recv_pktlen:
                return channel, pieces, position, True  # asyncssh refuses it
            end = body + length + _TAG
            if end > len(buffer):
                break
            packet = encryption.open(view[position:body], view[body:end])
            goal = self._goal(packet)
            size = len(packet) - packet[0] - _DATA if goal is not None else 0
            if goal is None or goal is not (channel or goal) or gathered + size > goal._recv_window:  # noqa: SLF001
                encryption.put_back(packet)
                return channel, pieces, position, True
            channel, position, gathered = goal, end, gathered + size
            pieces.append(packet[_DATA : _DATA + size])
        return channel, pieces, position, False

    def _goal(self, packet: bytes) -> SSHChannel[bytes] | None:
        """Return the channel a data packet is for; None for any other packet, and for what asyncssh would refuse."""
        if len(packet) <= _DATA or packet[1] != MSG_CHANNEL_DATA:
            return None
        padding, _, number, size = _OPENING(packet)
        channel = self._channels.get(number)
        if channel is None or channel._recv_state != "open" or size != len(packet) - padding - _DATA:  # noqa: SLF001
            return None
        if size > MOST_DATA:
            return None
        return channel

    # Sending

    def send_packet(self, pkttype: int, *args: bytes, **options: Any) -> None:
        """Send a packet; a data packet directly, where nothing keeps it from going out now."""
        if pkttype != MSG_CHANNEL_DATA or not self.send_data(*args):
            super().send_packet(pkttype, *args, **options)

    def send_data(self, *args: bytes | memoryview) -> bool:
        """Send a packet of channel data directly; return False, with nothing sent, where something keeps it now."""
        encryption = self._send_encryption
        if (
            not isinstance(encryption, KeptGCM)
            or not (self._kex_complete and self._auth_complete)
            or self._compressor
            or self._rekey_bytes_sent >= self._rekey_bytes
            or (self._rekey_seconds and time.monotonic() >= self._rekey_time)
        ):
            return False
        padding = _BLOCK - (2 + sum(map(len, args))) % _BLOCK
        if padding < _LEAST_PADDING:
            padding += _BLOCK
        packet = b"".join((bytes((padding, MSG_CHANNEL_DATA)), *args, _noise.take(padding)))
        size = len(packet)
        header = size.to_bytes(_LENGTH, "big")
        sealed = encryption.seal(header, packet)
        if size > _SMALL:
            self._send(header)
            self._send(sealed)
        else:
            self._send(header + sealed)
        self._send_seq = (self._send_seq + 1) & 0xFFFFFFFF
        self._rekey_bytes_sent += size
        return True


class BulkChannel(_Channel):
    """Mixed in before any of asyncssh's channels. `congested` of its connection says whether channels are to wait."""

    def _log_packet(self, *_: object) -> None:
        """Say nothing of each packet."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say how much may wait before the session is told to pause, and how little before it may go on."""
        if high is None and low is None:  # asyncssh's own are less than comes in one read, and so stop after each
            high, low = WAITING_HIGH, WAITING_LOW
        super().set_write_buffer_limits(high, low)

    def write(self, data: bytes, datatype: int | None = None) -> None:
        """Send data: directly as long as nothing waits and the peer's window allows, the rest asyncssh's way."""
        connection: Any = self._conn
        position = 0
        if datatype is None and connection is not None and self._send_state == "open" and not self._encoding:
            number, whole, view = self._send_chan or 0, len(data), memoryview(data)
            while position < whole and not (self._send_buf or connection.congested):
                size = min(whole - position, self._send_pktsize, self._send_window)
                if size <= 0:
                    break
                self._send_window -= size
                to, piece = _TO(number, size), view[position : position + size]
                if not connection.send_data(to, piece):
                    connection.send_packet(MSG_CHANNEL_DATA, to, piece, handler=self)
                position += size
        if not position or position < len(data):
            super().write(data[position:], datatype)

    def _accept_data(self, data: bytes, datatype: int | None = None) -> None:
        """Take data: straight to the session, where it reads and the peer's window need not be opened again."""
        session, left = self._session, self._recv_window - len(data)
        if (
            self._recv_paused
            or session is None
            or self._send_state != "open"
            or self._encoding
            or left < self._init_recv_window / 2
            or not data
        ):
            self._keep_data(data, datatype)
            return
        self._recv_window = left
        session.data_received(data, datatype)

    def _keep_data(self, data: bytes, datatype: int | None) -> None:
        """Take data asyncssh's way, which keeps it where the session does not read."""
        super()._accept_data(data, datatype)


def _kept(encryption: Encryption | None) -> Encryption | None:
    return KeptGCM(encryption) if type(encryption) is GCMEncryption else encryption
