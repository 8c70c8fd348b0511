"""Clients that are let in and then break the protocol: their connection ends or goes on, others are served."""

import asyncio
import logging
import random
from typing import Any

import pytest
from asyncssh.constants import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_DISCONNECT,
    MSG_NEWKEYS,
)
from asyncssh.packet import Boolean, String, UInt32

from bastion.bounds import LEAST_PACKET
from tests.hostile.raw import Reader, ask, bare, exec_of, raw_door, start, until

NEVER = 4242  # the number of a channel that was never opened
EXEC = String("exec") + Boolean(True) + String("id")
SIZE = UInt32(80) + UInt32(24) + UInt32(0) + UInt32(0)


@pytest.mark.parametrize("size", [0, 1, LEAST_PACKET - 1])
@pytest.mark.parametrize("kind", ["session", "direct-tcpip"])
async def test_cve_2026_62949_max_packet_size_zero(kind: str, size: int) -> None:
    """A channel whose packets may hold nothing, or so little that sending would keep the loop from everybody else."""
    async with raw_door() as door, door.client() as client:
        server: Any = door.connections[-1]
        where = String("nested") + UInt32(22) + String("x") + UInt32(1) if kind != "session" else b""
        client.send_packet(MSG_CHANNEL_OPEN, String(kind), UInt32(0), UInt32(1 << 20), UInt32(size), where)
        client.send_packet(MSG_CHANNEL_REQUEST, UInt32(0), EXEC)
        await until(server.is_closed)
        assert all(session.command == "" for session in door.sessions)


async def test_cve_2026_62949_small_packets_are_slow_for_nobody_else() -> None:
    async with raw_door() as door, door.client() as client:
        channel, reader = await client.create_session(
            Reader, "pour", encoding=None, window=1 << 24, max_pktsize=LEAST_PACKET
        )
        assert await door.lives()
        await until(lambda: reader.size > 1 << 18)
        channel.abort()


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (MSG_CHANNEL_REQUEST, EXEC),
        (MSG_CHANNEL_DATA, String("x")),
        (MSG_CHANNEL_EXTENDED_DATA, UInt32(1) + String("x")),
        (MSG_CHANNEL_EOF, b""),
        (MSG_CHANNEL_CLOSE, b""),
        (MSG_CHANNEL_WINDOW_ADJUST, UInt32(1)),
        (MSG_CHANNEL_SUCCESS, b""),
        (MSG_CHANNEL_OPEN_CONFIRMATION, UInt32(1) + UInt32(1) + UInt32(1)),
        (MSG_CHANNEL_OPEN_FAILURE, UInt32(1) + String("x") + String("")),
    ],
)
@pytest.mark.parametrize("closed", [False, True])
async def test_russh_exec_on_a_channel_that_was_never_opened(kind: int, payload: bytes, closed: bool) -> None:
    """Or is closed by now."""
    async with raw_door() as door, door.client() as client:
        server: Any = door.connections[-1]
        number = NEVER
        if closed:
            channel = await bare(client)
            number = channel._send_chan
            channel.abort()
            await until(lambda: not server._channels)
        client.send_packet(kind, UInt32(number), payload)
        await until(server.is_closed)
        assert all(session.command == "" for session in door.sessions)


async def test_cve_2025_54804_window_adjust_overflow() -> None:
    async with raw_door() as door, door.client() as client:
        channel, reader = await start(client, "pour", window=1 << 20)
        for _ in range(50):
            channel.send_packet(MSG_CHANNEL_WINDOW_ADJUST, UInt32(0xFFFFFFFF))
        await until(lambda: reader.size > 4 << 20)
        assert reader.right
        client._transport.pause_reading()
        assert await door.lives()
        channel.abort()
        client.abort()


async def test_russh_more_bytes_than_the_window_allows_end_the_connection() -> None:
    async with raw_door() as door, door.client() as client:
        server: Any = door.connections[-1]
        channel, _ = await start(client, "stop")
        for _ in range(100):
            channel.send_packet(MSG_CHANNEL_DATA, String(bytes(32 * 1024)))
        await until(server.is_closed)
        assert door.sessions[-1].received <= 64 * 1024


async def test_russh_packets_longer_than_agreed_end_the_connection() -> None:
    async with raw_door() as door, door.client() as client:
        server: Any = door.connections[-1]
        channel, _ = await start(client, "swallow")
        channel.send_packet(MSG_CHANNEL_DATA, String(bytes(1 << 20)))
        await until(server.is_closed)


async def test_two_commands_on_one_channel_are_one_too_many() -> None:
    async with raw_door() as door, door.client() as client:
        channel = await bare(client)
        assert await ask(channel, *exec_of("swallow"))
        for request in (exec_of("other"), (b"shell",), (b"subsystem", String("sftp"))):
            assert not await ask(channel, *request)
        assert door.sessions[-1].command == "swallow"


async def test_warpgate_2457_terminals_of_no_size_and_of_any_other() -> None:
    async with raw_door() as door, door.client() as client:
        for size in (0, 1, 0xFFFFFFFF):
            channel = await bare(client)
            numbers = UInt32(size) * 4
            assert await ask(channel, b"pty-req", String("xterm"), numbers, String(b"\x00"))
            assert await ask(channel, *exec_of("swallow"))
            for later in (0, 500, 1, 0xFFFFFFFF, 0):
                channel.send_packet(
                    MSG_CHANNEL_REQUEST, String("window-change") + Boolean(False) + UInt32(later) * 2 + UInt32(0) * 2
                )
        assert await ask(await bare(client), *exec_of("still here"))


async def test_cve_2025_47914_malformed_messages_of_every_kind_end_their_own_connection_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also CVE-2026-39831 to -39835, -46597, -46598: no crash, and nothing that the event loop would have to report."""
    chance = random.Random(5)
    kinds = [kind for kind in range(256) if kind not in (MSG_DISCONNECT, MSG_NEWKEYS)]
    async with raw_door() as door:
        for begin in range(0, len(kinds), 4):
            async with door.client() as client:
                channel = await bare(client)
                for kind in kinds[begin : begin + 4]:
                    for payload in (
                        *(b"", UInt32(0xFFFFFFFF), UInt32(channel._send_chan)),
                        *(String(chance.randbytes(8)), chance.randbytes(chance.randrange(200))),
                        UInt32(channel._send_chan) + String(b"\xff\xfe") + Boolean(True) + UInt32(0xFFFFFFFF),
                    ):
                        client.send_packet(kind, payload)
                client.abort()
        assert await door.lives()
    await asyncio.sleep(0)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("request_name", "arguments"),
    [
        (b"exec", (UInt32(0xFFFFFFFF),)),
        (b"env", (String("A"),)),
        (b"pty-req", (String("x"), UInt32(1))),
        (b"pty-req", (String(b"\xff"), SIZE, String(""))),
        (b"pty-req", (String("x"), SIZE, String(b"\x01\x00"))),
        (b"signal", (String(b"\xff\xff"),)),
        (b"window-change", (UInt32(1),)),
        (b"x11-req", (Boolean(True), String("p"))),
        (b"subsystem", (String(b"\xff"),)),
        (b"break", (b"\0",)),
        (b"\xff\xfe", ()),
    ],
)
async def test_cve_2025_58181_malformed_requests_end_their_own_connection_alone(
    request_name: bytes, arguments: tuple[bytes, ...]
) -> None:
    async with raw_door() as door, door.client() as client:
        channel = await bare(client)
        channel.send_packet(MSG_CHANNEL_REQUEST, String(request_name), Boolean(True), *arguments)
        server: Any = door.connections[-1]
        await until(server.is_closed)
