"""What a peer can make the bastion hold: bounded, whatever it sends and however little it takes.

Also notices when a new asyncssh changes the internals that `bastion.bounds` leans on.
"""

import asyncio
import socket
from contextlib import AsyncExitStack
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_GLOBAL_REQUEST, MSG_REQUEST_SUCCESS
from asyncssh.packet import Boolean, String, UInt32

from bastion import bounds
from tests.hostile.raw import RawDoor, ask, bare, exec_of, raw_door, standstill, start, until

KERNEL = 12 << 20  # what the sockets of both sides may hold
PING, PINGS = 192, 20_000  # OpenSSH's SSH2_MSG_PING, and how many


def held(door: RawDoor) -> int:
    """Return what the door's connections hold for their peers, in bytes."""
    size = 0
    for one in door.connections:
        connection: Any = one
        if connection._transport is not None:
            deferred = sum(len(part) for _, parts in connection._deferred_packets for part in parts)
            waiting = sum(channel._send_buf_len for channel in connection._channels.values())
            size += connection._transport.get_write_buffer_size() + connection._gathered_size + waiting + deferred
    return size


@pytest.mark.parametrize("nested", [False, True])
async def test_a_stopped_client_with_a_huge_window_slows_the_target(nested: bool) -> None:
    async with raw_door() as door, AsyncExitStack() as stack:
        outer = await stack.enter_async_context(door.client())
        client = await stack.enter_async_context(door.nested(outer)) if nested else outer
        _, reader = await start(client, "pour")
        await until(lambda: reader.size > 1 << 20)
        outer._transport.pause_reading()
        session = door.sessions[-1]
        sent = await standstill(lambda: session.sent)
        assert sent - reader.size < KERNEL
        assert held(door) < 3 << 20
        assert await door.lives()
        outer._transport.resume_reading()
        await until(lambda: reader.size > sent + (4 << 20))
        assert reader.right


@pytest.mark.parametrize("nested", [False, True])
async def test_a_channel_that_ends_while_it_is_held_harms_no_other(nested: bool) -> None:
    """Of a client that stopped: once it reads again, what its other channels hold comes, and the connection lives."""
    async with raw_door() as door, AsyncExitStack() as stack:
        outer = await stack.enter_async_context(door.client())
        client = await stack.enter_async_context(door.nested(outer)) if nested else outer
        opened = [await start(client, "pour") for _ in range(3)]
        await until(lambda: all(reader.size > 1 << 18 for _, reader in opened))
        outer._transport.pause_reading()
        await standstill(lambda: sum(session.sent for session in door.sessions))
        ending, (_, reader) = opened[:2], opened[2]
        for channel, _ in ending:
            channel.abort()
        await until(lambda: sum(session.channel is None for session in door.sessions) == 2)
        before = reader.size
        outer._transport.resume_reading()
        await until(lambda: reader.size > before + (8 << 20))
        assert reader.right


async def test_what_waits_for_a_stopped_client_comes_in_order_and_to_its_end() -> None:
    """Of many channels, whose ends wait with their data."""
    async with raw_door() as door, door.client() as client:
        opened = [await start(client, f"echo {number} " * 20_000) for number in range(10)]
        client._transport.pause_reading()
        more = [asyncio.ensure_future(start(client, "x" * 100_000)) for _ in range(10)]
        await standstill(lambda: len(door.sessions))
        client._transport.resume_reading()
        opened += await asyncio.gather(*more)
        for channel, _ in opened:
            await channel.wait_closed()
        assert [reader.size for _, reader in opened[:10]] == [len(f"echo {n} " * 20_000) for n in range(10)]
        assert [reader.size for _, reader in opened[10:]] == [100_000] * 10


@pytest.mark.parametrize("nested", [False, True])
async def test_cve_2025_22869_a_key_exchange_that_is_never_finished_holds_no_data(nested: bool) -> None:
    async with raw_door() as door, AsyncExitStack() as stack:
        outer = await stack.enter_async_context(door.client())
        client = await stack.enter_async_context(door.nested(outer)) if nested else outer
        _, reader = await start(client, "pour")
        await until(lambda: reader.size > 1 << 20)
        client._send_kexinit()
        client._kexinit_sent = True
        client._recv_handler = lambda: False  # reads no answer, and so never goes on
        session = door.sessions[-1]
        await standstill(lambda: session.sent)
        assert session.paused
        assert held(door) < 3 << 20
        assert await door.lives()
        client.abort()


async def test_cve_2025_26466_pings_without_end_are_answered_no_faster_than_answers_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the answers (UNIMPLEMENTED) are not read, the server reads no more, in place of keeping them."""
    for name, size in (("WRITE_HIGH", 32 << 10), ("WRITE_LOW", 8 << 10), ("MOST_UNSENT", 64 << 10)):
        monkeypatch.setattr(bounds, name, size)
    async with raw_door() as door, door.client() as client:
        server: Any = door.connections[-1]
        client._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        server._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        client._transport.pause_reading()
        begin = server._recv_seq
        for _ in range(PINGS // 100):
            for _ in range(100):
                client.send_packet(PING, String(""))
            await asyncio.sleep(0)
        served = await standstill(lambda: server._recv_seq) - begin
        assert served < PINGS
        assert held(door) < 256 << 10
        assert await door.lives()
        client._transport.resume_reading()
        await until(lambda: server._recv_seq - begin >= PINGS)


async def test_cve_2025_26466_pings_during_a_key_exchange_end_the_connection() -> None:
    async with raw_door() as door, door.client() as client:
        server: Any = door.connections[-1]
        server._send_kexinit()
        server._kexinit_sent = True
        client._recv_handler = lambda: False
        for _ in range(bounds.MAX_DEFERRED + 10):
            client.send_packet(MSG_GLOBAL_REQUEST, String("keepalive@openssh.com"), Boolean(True))
        await until(server.is_closed)


async def test_cve_2025_22869_bytes_that_come_while_a_packet_takes_its_time_are_bounded() -> None:
    """A login whose certificate is being looked up, from a client that goes on sending."""
    async with raw_door() as door:
        door.may_prove.clear()
        login = asyncio.ensure_future(_connect(door))
        await until(lambda: "begin anybody" in door.log)
        server: Any = door.connections[-1]
        client = await asyncio.wait_for(_made(door), 10)
        server._recv_handler = lambda: False
        junk = bytes(1 << 16)
        for _ in range(400):
            client._transport.write(junk)
            await asyncio.sleep(0)
        await standstill(lambda: len(server._inpbuf))
        assert len(server._inpbuf) < bounds.MOST_UNSERVED + (1 << 20)
        client.abort()
        door.may_prove.set()
        await asyncio.wait([login])


async def _connect(door: RawDoor) -> Any:
    return await door.client(client_factory=lambda: Known(door))


async def _made(door: RawDoor) -> Any:
    await until(lambda: hasattr(door, "made"))
    made: Any = door
    return made.made


class Known(asyncssh.SSHClient):
    """Tells the test of its connection before it is logged in."""

    def __init__(self, door: RawDoor) -> None:
        self._door = door

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        door: Any = self._door
        door.made = conn


async def test_bytes_one_by_one_cost_no_more_than_their_number() -> None:
    """To a session that is not read: what waits is put together."""
    async with raw_door() as door, door.client() as client:
        channel, _ = await start(client, "stop")
        for _ in range(20_000):
            channel.send_packet(MSG_CHANNEL_DATA, String(b"x"))
        server: Any = door.connections[-1]
        (waiting,) = server._channels.values()
        await until(lambda: sum(len(data) for data, _ in waiting._recv_buf) >= 19_000)
        assert len(waiting._recv_buf) < 20
        session = door.sessions[-1]
        session.command = "swallow"
        session.channel.resume_reading()
        await until(lambda: session.received == 20_000)


async def test_bytes_one_by_one_for_a_full_window_are_put_together() -> None:
    async with raw_door() as door, door.client() as client:
        _, reader = await start(client, "swallow", window=10)
        session = door.sessions[-1]
        for number in range(20_000):
            session.channel.write(b"%d" % (number % 10))
        assert len(session.channel._send_buf) < 20
        await until(lambda: reader.size == 20_000)


async def test_a_session_that_reads_slowly_holds_no_more_than_its_window() -> None:
    """And all comes in the end: each piece that is read makes room for as much, not for a window."""
    async with raw_door() as door, door.client() as client:
        channel, _ = await start(client, "stop")  # stops reading at each piece
        channel.write(bytes(8 << 20))
        session = door.sessions[-1]
        window = session.channel._init_recv_window
        most = 0
        while session.received < 8 << 20:
            before = session.received
            await until(lambda: session.channel._recv_buf or session.received == 8 << 20)
            most = max(most, await standstill(lambda: sum(len(data) for data, _ in session.channel._recv_buf), 0.01))
            session.channel.resume_reading()
            await until(lambda before=before: session.received > before)  # type: ignore[misc]
        assert window / 2 < most <= window


async def test_boundary_cve_2024_1052_channels_are_bounded_and_the_connection_goes_on() -> None:
    async with raw_door() as door, door.client() as client:
        opened = [await bare(client) for _ in range(20)]
        limit, bounds.MAX_CHANNELS = bounds.MAX_CHANNELS, 20
        try:
            with pytest.raises(asyncssh.ChannelOpenError, match="too many channels"):
                await bare(client)
        finally:
            bounds.MAX_CHANNELS = limit
        assert await ask(opened[0], *exec_of("still here"))
        assert await door.lives()


async def test_cve_2026_39827_refused_channels_leave_nothing() -> None:
    async with raw_door() as door, door.client() as client:
        for _ in range(500):
            with pytest.raises(asyncssh.ChannelOpenError):
                await client.create_connection(asyncssh.SSHTCPSession, "elsewhere", 80)
        server: Any = door.connections[-1]
        await until(lambda: not server._channels)
        assert not server._tasks
        assert await ask(await bare(client), *exec_of("still here"))


async def test_cve_2026_39830_answers_nobody_asked_for_end_the_connection() -> None:
    async with raw_door() as door, door.client() as client:
        server: Any = door.connections[-1]
        client.send_packet(MSG_REQUEST_SUCCESS, b"x" * 1000)
        await until(server.is_closed)


async def test_cve_2026_39830_requests_that_pile_up_end_the_connection() -> None:
    """While the first of them takes its time."""
    async with raw_door() as door, door.client() as client:
        server: Any = door.connections[-1]
        for _ in range(bounds.MAX_REQUESTS + 2):
            client.send_packet(MSG_GLOBAL_REQUEST, String("tcpip-forward"), Boolean(True), String(""), UInt32(0))
        await until(server.is_closed)
        door.may_listen.set()


@pytest.mark.parametrize("nested", [False, True])
async def test_a_pulled_cable_frees_everything(monkeypatch: pytest.MonkeyPatch, nested: bool) -> None:
    """A client that is not there any more, in the middle of a flood: noticed by its silence, and all of it is gone."""
    async with raw_door() as door, AsyncExitStack() as stack:
        monkeypatch.setattr(door.options, "keepalive_interval", 0.2)
        monkeypatch.setattr(door.options, "keepalive_count_max", 2)
        outer = await stack.enter_async_context(door.client())
        client = await stack.enter_async_context(door.nested(outer)) if nested else outer
        _, reader = await start(client, "pour")
        await until(lambda: reader.size > 1 << 20)
        session = door.sessions[-1]
        outer._transport.pause_reading()
        connections: list[Any] = list(door.connections)
        await until(lambda: all(connection.is_closed() for connection in connections))
        assert session.channel is None
        for connection in connections:
            assert not connection._channels
            assert not connection._held
            assert connection._transport is None
            await until(lambda connection=connection: not connection._tasks)  # type: ignore[misc]
        outer.abort()
        monkeypatch.undo()
