"""Agents and displays on connections to targets, against asyncssh's own server: notices changed internals."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest
from asyncssh.packet import SSHPacket

from bastion.target.connection import (
    AGENT,
    X11,
    Ask,
    Session,
    TargetChannel,
    TargetConnection,
    ask_agent,
    ask_x11,
    open_session,
)

COOKIE = b"00112233445566778899aabbccddeeff"


class Request(asyncssh.SSHServerChannel[bytes]):
    """A session channel that keeps its agent and X11 requests and answers as the test says."""

    agrees = True

    def _process_auth_agent_req_at_openssh_dot_com_request(  # type: ignore[override]
        self, packet: SSHPacket
    ) -> bool:
        packet.check_end()
        self._keep("agent")
        return self.agrees

    def _process_x11_req_request(self, packet: SSHPacket) -> bool:
        self._keep(packet.get_boolean(), packet.get_string(), packet.get_string(), packet.get_uint32())
        packet.check_end()
        return self.agrees

    def _process_exec_request(self, packet: SSHPacket) -> bool:
        self._keep("exec", packet.get_string())
        return bool(self._start_session(command="x"))

    def _keep(self, *request: object) -> None:
        owner = self._conn.get_owner()
        assert isinstance(owner, Server)
        owner.requests.append(request)


class Echo(asyncssh.SSHServerSession[bytes]):
    """Ends at once."""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        return True

    def session_started(self) -> None:
        self._channel.exit(0)


class Server(asyncssh.SSHServer):
    """A target that lets everybody in."""

    def __init__(self, *, agrees: bool) -> None:
        self.agrees = agrees
        self.requests: list[Any] = []
        self.connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn

    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> tuple[Request, Echo]:
        conn: Any = self.connection
        channel = Request(
            conn,
            asyncio.get_running_loop(),
            allow_pty=True,
            line_editor=False,
            line_echo=False,
            line_history=0,
            max_line_length=0,
            encoding=None,
            errors="strict",
            window=1 << 20,
            max_pktsize=1 << 15,
        )
        channel.agrees = self.agrees
        return channel, Echo()


class Keeper(asyncssh.SSHTCPSession[bytes]):
    """Keeps what comes, and answers."""

    def __init__(self, answer: bytes = b"") -> None:
        self.got = b""
        self.answer = answer
        self.heard = asyncio.Event()

    def connection_made(self, chan: Any) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.got += data
        self.heard.set()
        if self.answer:
            self._channel.write(self.answer)
            self._channel.write_eof()


class Home:
    """Takes what the target opens."""

    def __init__(self) -> None:
        self.called: list[tuple[object, ...]] = []

    async def _answer(self) -> Session:
        return Keeper(b"from home")

    def agent_called(self, connection: TargetConnection) -> Awaitable[Session]:
        self.called.append(("agent", connection))
        return self._answer()

    def x11_called(self, connection: TargetConnection, host: str, port: int) -> Awaitable[Session]:
        self.called.append(("x11", connection, host, port))
        return self._answer()


@asynccontextmanager
async def target(*, agrees: bool = True) -> AsyncIterator[tuple[TargetConnection, Server]]:
    server = Server(agrees=agrees)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    acceptor = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[host_key], server_factory=lambda: server)
    loop = asyncio.get_running_loop()
    options = await asyncssh.SSHClientConnectionOptions.construct(
        config=None,
        known_hosts=([host_key.convert_to_public()], [], []),
        username="u",
        client_keys=None,
        agent_path=None,
        agent_forwarding=False,
    )
    options.waiter = loop.create_future()
    _, connection = await loop.create_connection(
        lambda: TargetConnection(loop, options, wait="auth"), "127.0.0.1", acceptor.get_port()
    )
    await options.waiter
    try:
        yield connection, server
    finally:
        connection.close()
        acceptor.close()
        await connection.wait_closed()


class Nothing(asyncssh.SSHClientSession[bytes]):
    """A session nobody listens to."""


async def start(connection: TargetConnection, *asks: Ask, command: bytes | None = b"\xff") -> TargetChannel:
    async with asyncio.timeout(10):
        return await open_session(
            connection, Nothing, command=command, subsystem=None, env={b"A": b"\xfe"}, terminal=None, asks=asks
        )


async def test_what_is_asked_for_comes_before_the_command_and_untouched() -> None:
    async with target() as (connection, server):
        display = ask_x11(single=True, protocol=b"MIT-MAGIC-COOKIE-1", cookie=COOKIE, screen=3)
        channel = await start(connection, ask_agent(), display)
        assert channel.refused == []
        assert connection.agent_granted
        assert server.requests == [("agent",), (True, b"MIT-MAGIC-COOKIE-1", COOKIE, 3), ("exec", b"\xff")]
        assert COOKIE.decode() not in repr(display)


async def test_a_target_that_refuses_is_named_and_the_session_starts() -> None:
    async with target(agrees=False) as (connection, server):
        channel = await start(
            connection, ask_agent(), ask_x11(single=False, protocol=b"p", cookie=b"00", screen=0), command=None
        )
        assert channel.refused == [AGENT, X11]
        assert len(server.requests) == 2


async def test_an_agent_once_granted_is_good_for_later_sessions() -> None:
    async with target() as (connection, server):
        await start(connection, ask_agent())
        server.agrees = False
        assert (await start(connection, ask_agent())).refused == []


async def test_nothing_is_asked_for_that_nobody_wished() -> None:
    async with target() as (connection, server):
        assert (await start(connection)).refused == []
        assert server.requests == [("exec", b"\xff")]


async def call(server: Server, what: str) -> bytes:
    """Open an agent or X11 channel from the target's side, speak, and return what is answered."""
    assert server.connection is not None
    keeper = Keeper()
    any_keeper: Any = keeper
    channel: Any
    if what == "agent":
        channel = server.connection.create_agent_channel()
        await channel.open(lambda: any_keeper)
    else:
        channel, _ = await server.connection.create_x11_connection(lambda: any_keeper, "there", 6010)
    channel.write(b"hello")
    channel.write_eof()
    async with asyncio.timeout(10):
        await keeper.heard.wait()
    channel.close()
    return keeper.got


@pytest.mark.parametrize("what", ["agent", "x11"])
async def test_what_a_target_opens_without_being_asked_is_refused(what: str) -> None:
    async with target() as (connection, server):
        await start(connection)
        with pytest.raises(asyncssh.ChannelOpenError, match="was asked for") as caught:
            await call(server, what)
        assert caught.value.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
        await start(connection)


async def test_what_a_target_opens_goes_home() -> None:
    async with target() as (connection, server):
        home = Home()
        connection.homeward = home
        await start(connection)
        assert [await call(server, "agent"), await call(server, "x11")] == [b"from home", b"from home"]
        assert home.called == [("agent", connection), ("x11", connection, "there", 6010)]
