"""Targets that break the protocol: the user is told the target does not answer, and nobody else is harmed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_GLOBAL_REQUEST,
    MSG_REQUEST_SUCCESS,
    MSG_USERAUTH_REQUEST,
)
from asyncssh.packet import Boolean, SSHPacket, String, UInt32

from bastion.errors import TargetUnreachable
from bastion.target import dial
from bastion.target.connection import TargetConnection
from bastion.target.dial import Dialer
from bastion.target.offers import handshake
from tests.bastion.target.test_connection import Server, start
from tests.bastion.target.test_connection import target as connected
from tests.bastion.target.test_dial import AUTHORITY, HOST, grant, target
from tests.hostile.raw import clear_packet, kexinit, until

VERSION = b"SSH-2.0-evil\r\n"


@asynccontextmanager
async def saying(*parts: bytes, again: bool = False) -> AsyncIterator[int]:
    """Listen on a port whose server says this, once or on and on, and reads nothing."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
            while again:
                writer.write(parts[-1])
                await writer.drain()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


BANNERS: dict[str, tuple[tuple[bytes, ...], bool]] = {
    "nothing": ((b"",), False),
    "endless-lines": ((b"welcome\r\n",), True),
    "endless-line": ((b"x" * 4096,), True),
    "long-version": ((b"SSH-2.0-" + b"x" * 9000 + b"\r\n",), False),
    "no-ascii": ((b"SSH-2.0-\xff\xfe\r\n",), False),
    "old-version": ((b"SSH-1.5-x\r\n",), False),
    "huge-length": ((VERSION, b"\xff\xff\xff\xff" + bytes(100)), False),
    "no-length": ((VERSION, bytes(100)), False),
    "little-length": ((VERSION, b"\0\0\0\2\4\x14" + bytes(100)), False),
    "big-packets": ((VERSION, clear_packet(kexinit()), b"\x00\x10\x00\x00" + bytes(1 << 16)), True),
    "junk": ((VERSION, bytes(range(256)) * 64), True),
    "disconnect": ((VERSION, clear_packet(b"\x01" + UInt32(2) + String("\x1b[2J\r\n" * 900) + String(""))), False),
    "early-success": ((VERSION, clear_packet(kexinit()), clear_packet(b"\x34")), False),
    "early-channel": ((VERSION, clear_packet(kexinit()), clear_packet(bytes([MSG_CHANNEL_OPEN]) + bytes(30))), False),
}


@pytest.mark.parametrize("name", BANNERS)
async def test_cve_2023_6004_cve_2026_0968_a_target_that_says_what_no_server_says(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Bad lengths, huge banners, and silence: one line, in bounded time (also libssh2 CVE-2026-55200)."""
    monkeypatch.setattr(dial, "CONNECT_SECONDS", 1)
    parts, again = BANNERS[name]
    made: list[TargetConnection] = []
    build = TargetConnection.__init__

    def keep(self: TargetConnection, *args: Any, **options: Any) -> None:
        build(self, *args, **options)
        made.append(self)

    monkeypatch.setattr(TargetConnection, "__init__", keep)
    async with saying(*parts, again=again) as port:
        place = target(port)
        with pytest.raises(TargetUnreachable) as refused:
            await Dialer(AUTHORITY).dial(grant(place), place)
        assert str(refused.value).startswith("box ")
        assert str(refused.value).isprintable()
        raw: Any = made[0]
        assert len(raw._inpbuf) < 1 << 20
        await until(raw.is_closed)
        assert not raw._tasks


async def test_cve_2023_48795_strict_key_exchange_is_offered_to_targets() -> None:
    """And of what the attack needs, chacha20 and CBC with encrypt-then-mac, nothing is offered unless configured."""
    async with asyncio.timeout(10):
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(VERSION)
            await reader.readline()
            length = int.from_bytes(await reader.readexactly(4), "big")
            heard.set_result(await reader.readexactly(length))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            place = target(server.sockets[0].getsockname()[1])
            with pytest.raises(TargetUnreachable):
                await Dialer(AUTHORITY).dial(grant(place), place)
        packet = SSHPacket((await heard)[18:])
        lists = [list(packet.get_namelist()) for _ in range(4)]
    assert b"kex-strict-c-v00@openssh.com" in lists[0]
    assert not any(b"cbc" in cipher or b"chacha" in cipher for cipher in lists[2] + lists[3])


def test_asyncssh_known_hosts_are_never_none() -> None:
    """None would take any host key."""
    options = handshake(target(22))
    assert options["known_hosts"] is not None
    assert any(options["known_hosts"])
    assert options["known_hosts"][0] == [HOST.convert_to_public()]


Attack = tuple[int, bytes]
ATTACKS: dict[str, tuple[Attack, ...]] = {
    "packets-of-nothing": ((MSG_CHANNEL_OPEN_CONFIRMATION, UInt32(0) + UInt32(1) + UInt32(1 << 20) + UInt32(0)),),
    "open-session": ((MSG_CHANNEL_OPEN, String("session") + UInt32(9) + UInt32(1 << 20) + UInt32(1 << 15)),),
    "open-direct": (
        (
            MSG_CHANNEL_OPEN,
            String("direct-tcpip")
            + UInt32(9)
            + UInt32(1 << 20)
            + UInt32(1 << 15)
            + String("127.0.0.1")
            + UInt32(22)
            + String("x")
            + UInt32(1),
        ),
    ),
    "open-forwarded": (
        (
            MSG_CHANNEL_OPEN,
            String("forwarded-tcpip")
            + UInt32(9)
            + UInt32(1 << 20)
            + UInt32(1 << 15)
            + String("localhost")
            + UInt32(80)
            + String("x")
            + UInt32(1),
        ),
    ),
    "listen": ((MSG_GLOBAL_REQUEST, String("tcpip-forward") + Boolean(True) + String("") + UInt32(0)),),
    "hostkeys": ((MSG_GLOBAL_REQUEST, String("hostkeys-00@openssh.com") + Boolean(False) + String("junk")),),
    "answers": ((MSG_REQUEST_SUCCESS, b"x"),),
    "channel-answers": ((MSG_CHANNEL_SUCCESS, UInt32(0)),) * 3,
    "too-much": ((MSG_CHANNEL_DATA, UInt32(0) + String(bytes(200_000))),) * 30,
    "odd-stream": ((MSG_CHANNEL_EXTENDED_DATA, UInt32(0) + UInt32(77) + String("x")),),
    "window": ((MSG_CHANNEL_WINDOW_ADJUST, UInt32(0) + UInt32(0xFFFFFFFF)),) * 20,
    "exit-signal": (
        (MSG_CHANNEL_REQUEST, UInt32(0) + String("exit-signal") + Boolean(False) + String(b"\xff") + Boolean(True)),
    ),
    "exit-twice": (
        *((MSG_CHANNEL_REQUEST, UInt32(0) + String("exit-status") + Boolean(False) + UInt32(0xFFFFFFFF)),) * 2,
        *((MSG_CHANNEL_CLOSE, UInt32(0)),) * 2,
    ),
    "exec": ((MSG_CHANNEL_REQUEST, UInt32(0) + String("exec") + Boolean(True) + String("id")),),
    "login": ((MSG_USERAUTH_REQUEST, String("root") + String("ssh-connection") + String("none")),),
    "elsewhere": ((MSG_CHANNEL_DATA, UInt32(4242) + String("x")),),
    "unknown": ((199, b"x" * 1000),) * 100,
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_cve_2023_6004_cve_2026_0968_a_target_that_was_signed_in_to_and_turns(name: str) -> None:
    """It ends its own connection or is told no; another target's goes on, and nothing is left."""
    async with connected() as (other, _), _turning() as (connection, server):
        for kind, payload in ATTACKS[name]:
            server.send_packet(kind, payload)
        # Either it is closed, or it has taken all of it in and answers.
        answer = asyncio.ensure_future(server._make_global_request(b"keepalive@openssh.com"))
        await until(lambda: answer.done() or connection.is_closed())
        raw: Any = connection
        assert not raw._local_listeners
        assert len(raw._channels) <= 1
        server.abort()
        connection.abort()
        await until(connection.is_closed)
        assert not raw._channels
        assert (await start(other)).refused == []


@asynccontextmanager
async def _turning() -> AsyncIterator[tuple[TargetConnection, Any]]:
    """Yield a connection with a session that stays open, and the target's end of it."""
    async with connected() as (connection, made):
        server: Any = made.connection
        assert isinstance(made, Server)
        made.session_requested = Silent  # type: ignore[method-assign, assignment]
        await start(connection, command=b"x")
        server._auth_complete = True
        yield connection, server


class Silent(asyncssh.SSHServerSession[str]):
    """Starts whatever is asked for, and does nothing."""

    def exec_requested(self, command: str) -> bool:
        return True
