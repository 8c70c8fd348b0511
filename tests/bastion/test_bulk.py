"""The short way for channel data against asyncssh's own: the same bytes through, however cut, and as strict."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_CHANNEL_EOF, MSG_IGNORE
from asyncssh.crypto.cipher import GCMCipher
from asyncssh.encryption import GCMEncryption
from asyncssh.packet import String, UInt32
from hypothesis import given, settings
from hypothesis import strategies as st

from bastion.bounds import BoundedChannel, BoundedConnection
from bastion.bulk import KeptGCM, _Noise
from bastion.packets import FrugalPackets
from tests.bastion.test_packets import Echo, Server

GCM = "aes128-gcm@openssh.com"
KEY, IV = bytes(range(16)), b"\xff" * 11 + b"\xfe"  # the invocation counter wraps after two packets


def _theirs() -> GCMEncryption:
    return GCMEncryption(GCMCipher("aes128-gcm", KEY, IV))


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=6))
def test_the_kept_cipher_is_asyncsshs_own(packets: list[bytes]) -> None:
    theirs, ours, reader, short = _theirs(), KeptGCM(_theirs()), KeptGCM(_theirs()), KeptGCM(_theirs())
    for packet in packets:
        header = len(packet).to_bytes(4, "big")
        body, tag = theirs.encrypt_packet(0, header, packet)
        assert b"".join(ours.encrypt_packet(0, header, packet)) == body + tag
        assert reader.decrypt_packet(0, body[:16], body[16:], 4, tag) == packet
        opened = short.open(header, body[4:] + tag)
        short.put_back(opened)
        assert short.decrypt_packet(0, body[:16], body[16:], 4, tag) == opened == packet


def test_the_kept_cipher_takes_over_where_asyncssh_was() -> None:
    theirs, reader = _theirs(), _theirs()
    sealed = theirs.encrypt_packet(0, b"head", b"first")
    assert reader.decrypt_packet(0, sealed[0], b"", 4, sealed[1]) == b"first"
    ours = KeptGCM(theirs)
    sealed = ours.encrypt_packet(0, b"head", b"second")
    assert reader.decrypt_packet(0, sealed[0][:-16], b"", 4, sealed[0][-16:]) == b"second"
    assert ours.decrypt_packet(0, b"headx", b"", 4, b"y" * 16) is None


def test_no_padding_comes_twice() -> None:
    noise = _Noise()
    taken = [noise.take(size) for size in [4, 19, 16] * 500]
    assert [len(one) for one in taken] == [4, 19, 16] * 500
    assert len(set(taken)) > 1490  # four bytes may be equal by chance


class Chunks(Echo):
    """Keeps how the bytes came, too."""

    sizes: list[int]

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.sizes.append(len(data))
        super().data_received(data, datatype)


class Cut(FrugalPackets, asyncssh.SSHServerConnection):
    """Gets what the network brings cut as `cut` says, once the client is let in."""

    cut: Callable[[bytes], Iterator[bytes]]

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        for piece in self.cut(data) if self._auth_complete else [data]:
            super().data_received(piece)


class Peer:
    """A client at an echoing server; `made` are the server's connections."""

    def __init__(self, client: asyncssh.SSHClientConnection, made: list[Cut], sizes: list[int]) -> None:
        self.client, self.made, self.sizes = client, made, sizes

    async def echo(self, data: bytes) -> bytes:
        done = await self.client.run("echo", input=data, encoding=None)
        assert isinstance(done.stdout, bytes)
        return done.stdout


@asynccontextmanager
async def _peer(
    cut: Callable[[bytes], Iterator[bytes]] = lambda data: iter([data]), cipher: str = "aes128-gcm@openssh.com"
) -> Any:
    made: list[Cut] = []
    sizes: list[int] = []

    class Host(Server):
        def session_requested(self) -> Echo:
            session = Chunks()
            session.sizes = sizes
            return session

    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.SSHServerConnectionOptions.construct(
        config=None, server_factory=Host, server_host_keys=[key], encoding=None, encryption_algs=[cipher]
    )
    loop = asyncio.get_running_loop()

    def connection() -> Cut:
        made.append(Cut(loop, server))
        made[-1].cut = cut
        return made[-1]

    listener = await loop.create_server(connection, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    known: Any = ([key.convert_to_public()], [], [])
    try:
        async with asyncssh.connect("127.0.0.1", port, config=None, known_hosts=known, client_keys=None) as client:
            send = client.send_packet

            def without_ignore(kind: int, *args: bytes, **options: Any) -> None:  # as OpenSSH sends
                if kind != MSG_IGNORE:
                    send(kind, *args, **options)

            client.send_packet = without_ignore  # type: ignore[method-assign, assignment]
            yield Peer(client, made, sizes)
    finally:
        listener.close()


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(1, 50) | st.integers(1, 40_000), min_size=1, max_size=20),
    st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=4),
)
def test_however_the_network_cuts_it_everything_comes_through(sizes: list[int], texts: list[bytes]) -> None:
    """On several channels at once, with packets of every size."""

    def cut(data: bytes) -> Iterator[bytes]:
        position = 0
        for size in sizes:
            if position < len(data):
                yield data[position : position + size]
            position += size
        if position < len(data):
            yield data[position:]

    async def check() -> None:
        sent = [text * 40 for text in texts]
        async with _peer(cut) as peer:
            assert await asyncio.wait_for(asyncio.gather(*map(peer.echo, sent)), 20) == sent

    asyncio.run(check())


async def test_what_came_together_is_delivered_together() -> None:
    async with _peer() as peer:
        channel, _ = await peer.client.create_session(asyncssh.SSHClientSession, "echo", encoding=None)
        server, held, enough = peer.made[0], bytearray(), asyncio.Event()

        def hold(data: bytes) -> Iterator[bytes]:
            held.extend(data)
            if len(held) >= 200_000:
                enough.set()
            return iter(())

        server.cut = hold
        channel.write(b"x" * 200_000)
        await asyncio.wait_for(enough.wait(), 10)
        server.cut = lambda data: iter([data])
        server.data_received(bytes(held))
        assert peer.sizes == [200_000]


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr"])
async def test_any_cipher_works(cipher: str) -> None:
    async with _peer(cipher=cipher) as peer:
        data = b"any cipher " * 50_000
        assert await peer.echo(data) == data


def _flip(data: bytes) -> Iterator[bytes]:
    yield data[:-1] + bytes([data[-1] ^ 1])


async def test_a_changed_byte_ends_the_connection() -> None:
    async with _peer(_flip) as peer:
        with pytest.raises(asyncssh.Error):
            await peer.echo(b"x" * 1000)
        assert peer.sizes == []


@pytest.mark.parametrize(
    ("size", "told", "why"),
    [
        (3 << 20, 3 << 20, "larger than any packet"),
        (100, 99, "longer than it says"),
        (100, 101, "shorter than it says"),
    ],
)
async def test_data_that_is_not_as_announced_ends_the_connection(size: int, told: int, why: str) -> None:
    async with _peer() as peer:
        channel, _ = await peer.client.create_session(asyncssh.SSHClientSession, "echo", encoding=None)
        peer.client.send_packet(MSG_CHANNEL_DATA, UInt32(channel._send_chan), UInt32(told) + b"x" * size)
        await asyncio.wait_for(peer.client.wait_closed(), 10)
        assert peer.sizes == [], why


async def test_data_beyond_the_window_or_behind_the_end_ends_the_connection() -> None:
    for packets in ([(MSG_CHANNEL_DATA, 32768)] * 100, [(MSG_CHANNEL_EOF, 0), (MSG_CHANNEL_DATA, 10)]):
        async with _peer() as peer:
            channel, _ = await peer.client.create_session(asyncssh.SSHClientSession, "echo", encoding=None)
            server = peer.made[0]
            next(iter(server._channels.values())).pause_reading()
            for kind, size in packets:
                data = [String(b"x" * size)] if size else []
                peer.client.send_packet(kind, UInt32(channel._send_chan), *data)
            await asyncio.wait_for(peer.client.wait_closed(), 10)
            assert sum(peer.sizes) == 0


class Window(BoundedConnection):
    """Stands in for a connection: notes what its channel sends, and is congested from the `full`th packet on."""

    def __init__(self, full: int) -> None:
        self.sent: list[bytes] = []
        self.full = full

    @property
    def congested(self) -> bool:
        return len(self.sent) >= self.full

    def hold(self, channel: BoundedChannel) -> None:
        """Nothing: the test says when to go on."""

    def send_packet(self, pkttype: int, *args: bytes, **options: Any) -> None:
        assert pkttype == MSG_CHANNEL_DATA
        payload = b"".join(args)
        number, size = int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")
        assert (number, size) == (7, len(payload) - 8)
        self.sent.append(payload[8:])

    def send_data(self, *args: bytes | memoryview) -> bool:
        self.send_packet(MSG_CHANNEL_DATA, *map(bytes, args))
        return True


class Written(BoundedChannel, asyncssh.SSHServerChannel[bytes]):
    """A channel that is open for sending, without a session."""

    def __init__(self, connection: Window, window: int, packet: int) -> None:
        self._conn: Any = connection
        self._send_state, self._send_chan, self._encoding = "open", 7, None
        self._send_window, self._send_pktsize, self._send_buf, self._send_buf_len = window, packet, [], 0
        self._send_paused, self._session = False, None  # type: ignore[assignment]
        self._send_high_water, self._send_low_water = 1 << 30, 0

    @property
    def logger(self) -> Any:
        return asyncssh.logger

    def granted(self, window: int) -> None:
        self._send_window += window
        self._flush_send_buf()

    @property
    def waiting(self) -> bytes:
        return b"".join(data for data, _ in self._send_buf)


@given(
    st.lists(st.binary(max_size=300), max_size=8),
    st.integers(0, 600),
    st.integers(1, 100),
    st.integers(0, 20),
    st.integers(0, 600),
)
def test_what_is_written_goes_out_in_order_within_window_and_packet_size(
    texts: list[bytes], window: int, packet: int, full: int, more: int
) -> None:
    connection = Window(full)
    channel = Written(connection, window, packet)
    for text in texts:
        channel.write(text)
    whole = b"".join(texts)
    assert b"".join(connection.sent) + channel.waiting == whole
    assert len(b"".join(connection.sent)) <= window
    assert all(len(piece) <= packet for piece in connection.sent)
    assert len(connection.sent) <= full
    connection.full = 1 << 30
    channel.granted(more)
    assert b"".join(connection.sent) == whole[: window + more]
    assert all(len(piece) <= packet for piece in connection.sent)


class Pauses:
    """A session that notes when it is to pause."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


def test_one_read_may_wait_without_a_pause_and_several_may_not() -> None:
    channel, session = Written(Window(1 << 30), 0, 32768), Pauses()
    raw: Any = channel
    raw._session = session
    channel.set_write_buffer_limits()
    channel.write(b"x" * 256 * 1024)
    assert session.told == []
    channel.write(b"x" * 512 * 1024)
    assert session.told == ["pause"]
    channel.granted(700 * 1024)
    assert session.told == ["pause", "resume"]
