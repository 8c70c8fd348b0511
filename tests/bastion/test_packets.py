"""The frugal packets against asyncssh's own, on a real connection: same bytes through, fewer packets and writes."""

import asyncio
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_IGNORE, MSG_KEXINIT
from asyncssh.packet import String

from bastion.packets import FrugalPackets


class Echo(asyncssh.SSHServerSession[bytes]):
    """Sends back what comes."""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        return True

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._channel.write(data)

    def eof_received(self) -> bool:
        self._channel.exit(0)
        return True


class Server(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> Echo:
        return Echo()


class Frugal(FrugalPackets, asyncssh.SSHServerConnection):
    """The server side under test; counts what it sends."""

    writes = 0
    packets: list[int]

    def send_packet(self, pkttype: int, *args: bytes, **options: Any) -> None:
        self.__dict__.setdefault("packets", []).append(pkttype)
        super().send_packet(pkttype, *args, **options)

    def _flush(self, transport: asyncio.Transport) -> None:
        self.writes += bool(self._gathered)
        super()._flush(transport)


class Watched(Frugal):
    """Also counts what was really encrypted."""

    encrypted: list[int]
    unsent = 0

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        super().data_received(data, datatype)
        self.unsent = max(self.unsent, len(self._gathered))

    def log_sent_packet(self, pkttype: int, pktid: int | None, packet: Any, note: str = "") -> None:
        self.__dict__.setdefault("encrypted", []).append(pkttype)


async def _echoed(data: bytes, **options: Any) -> tuple[bytes, list[Watched]]:
    made: list[Watched] = []
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.SSHServerConnectionOptions.construct(
        config=None, server_factory=Server, server_host_keys=[key], encoding=None, **options
    )
    loop = asyncio.get_running_loop()

    def connection() -> Watched:
        made.append(Watched(loop, server))
        return made[-1]

    listener = await loop.create_server(connection, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        async with asyncssh.connect(
            "127.0.0.1", port, config=None, known_hosts=([key.convert_to_public()], [], []), client_keys=None
        ) as client:
            done = await client.run("echo", input=data, encoding=None)
            out = done.stdout
            assert isinstance(out, bytes)
            return out, made
    finally:
        listener.close()


async def test_everything_comes_through_in_order_and_in_fewer_writes() -> None:
    data = bytes(range(256)) * 8192
    out, (connection,) = await _echoed(data)
    assert out == data
    sent = [kind for kind in connection.packets if kind == MSG_CHANNEL_DATA]
    assert connection.writes < len(sent) * 2  # asyncssh alone writes an IGNORE and the packet, each by itself


async def test_an_answer_does_not_wait_for_the_next_turn_of_the_event_loop() -> None:
    _, (connection,) = await _echoed(b"key by key")
    assert connection.writes > 0
    assert connection.unsent == 0


async def test_no_ignore_packet_is_encrypted() -> None:
    _, (connection,) = await _echoed(b"x" * 100_000)
    assert connection.encrypted
    assert MSG_IGNORE not in connection.encrypted


async def test_rekeying_goes_on() -> None:
    data = b"r" * 3_000_000
    out, (connection,) = await _echoed(data, rekey_bytes=500_000)
    assert out == data
    assert connection.packets.count(MSG_KEXINIT) > 2


async def test_a_silent_peer_is_noticed_and_a_talking_one_is_kept() -> None:
    _, (connection,) = await _echoed(b"x", keepalive_interval=1, keepalive_count_max=1)
    raw: Any = connection
    raw._transport = asyncio.Transport()
    raw._auth_complete = True
    lost: list[Exception | None] = []
    raw.connection_lost = lost.append
    raw._heard = True
    raw._keepalive_timer_callback()
    assert raw._keepalive_count == 0
    raw._keepalive_count = 1
    raw._keepalive_timer_callback()
    raw._cancel_keepalive_timer()
    assert len(lost) == 1


class Parting(asyncio.Protocol):
    """A server that names algorithms nobody else knows, and says no more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        names = String(b"rot13") * 8 + String(b"") * 2
        offer = bytes([MSG_KEXINIT]) + bytes(16) + names + bytes(5)
        padding = 16 - (5 + len(offer)) % 8
        packet = bytes([padding]) + offer + bytes(padding)
        transport.write(b"SSH-2.0-parting\r\n" + len(packet).to_bytes(4, "big") + packet)
        transport.write_eof()


class Client(FrugalPackets, asyncssh.SSHClientConnection):
    """The client side under test."""


async def test_the_last_word_of_who_hangs_up_is_heard() -> None:
    loop = asyncio.get_running_loop()
    options = await asyncssh.SSHClientConnectionOptions.construct(config=None, username="u")
    options.waiter = loop.create_future()
    listener = await loop.create_server(Parting, "127.0.0.1", 0)
    try:
        await loop.create_connection(lambda: Client(loop, options, wait="auth"), *listener.sockets[0].getsockname())
        with pytest.raises(asyncssh.KeyExchangeFailed):
            await options.waiter
    finally:
        listener.close()
