"""A door in this process with sessions that pour and swallow, and clients that break the protocol against it.

The clients are asyncssh's, whose internals let a test send any packet at any time; each test also asks whether another
client is still served meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncssh
from asyncssh.packet import String

from bastion.door.connection import BastionChannel, BastionServer, DoorConnection, make_connection
from bastion.door.options import server_options
from bastion.model import Identity
from tests.bastion.door.test_connection import ALICE

PIECE = 64 * 1024


def pattern(begin: int, end: int) -> bytes:
    """Return a part of an endless text in which every place can be told."""
    first = begin // 8
    return b"".join(b"%08d" % number for number in range(first, end // 8 + 1))[begin - first * 8 : end - first * 8]


class Session(asyncssh.SSHServerSession[bytes]):
    """`pour` sends as fast as it is taken; `swallow` keeps nothing; `stop` reads nothing; anything else is echoed."""

    def __init__(self, everything: list["Session"]) -> None:
        self.channel: Any = None
        self.command = ""
        self.received = 0
        self.sent = 0
        self.paused = False
        everything.append(self)

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self.channel = chan

    def exec_requested(self, command: str) -> bool:
        self.command = command
        return True

    def session_started(self) -> None:
        if self.command == "pour":
            asyncio.get_running_loop().call_soon(self._pour)
        elif self.command not in ("swallow", "stop"):
            self.channel.write(self.command.encode())
            self.channel.exit(0)

    def _pour(self) -> None:
        if not self.paused and self.channel is not None and not self.channel.is_closing():
            self.channel.write(pattern(self.sent, self.sent + PIECE))
            self.sent += PIECE
            asyncio.get_running_loop().call_soon(self._pour)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.received += len(data)
        if self.command == "stop":
            self.channel.pause_reading()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        asyncio.get_running_loop().call_soon(self._pour)

    def connection_lost(self, exc: Exception | None) -> None:
        self.channel = None


class Server(BastionServer):
    """Takes one certificate. A channel to `nested` is a server of its own, which asks for nothing."""

    def __init__(self, door: "RawDoor", *, nested: bool = False) -> None:
        self._door = door
        self._nested = nested
        self._connection: Any = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        assert isinstance(conn, DoorConnection)
        self._connection = conn
        self._door.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self._door.log.append(f"begin {username}")
        return not self._nested

    async def prove(self, certificate: bytes) -> Identity | None:
        await self._door.may_prove.wait()
        return ALICE if certificate == self._door.certificate.public_data else None

    def proven(self, identity: Identity) -> None:
        self._door.log.append(f"proven {identity.name}")

    def session_requested(self) -> tuple[BastionChannel, Session]:
        return self._connection.bastion_channel(), Session(self._door.sessions)

    async def connection_requested(self, host: str, *_: object) -> Any:
        if host != "nested":
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no")
        return make_connection(self._door.options, lambda: Server(self._door, nested=True))

    async def server_requested(self, *_: object) -> bool:
        await self._door.may_listen.wait()
        return False


class RawDoor:
    """The door and what its clients need."""

    def __init__(self) -> None:
        ca = asyncssh.generate_private_key("ssh-ed25519")
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.certificate = ca.generate_user_certificate(self.key, "alice", principals=["alice"])
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_certificate = ca.generate_host_certificate(self.host_key, "h", principals=["127.0.0.1"])
        self.log: list[str] = []
        self.sessions: list[Session] = []
        self.connections: list[DoorConnection] = []
        self.may_prove, self.may_listen = asyncio.Event(), asyncio.Event()
        self.may_prove.set()
        self.options: Any = None
        self.port = 0

    def client(self, **options: Any) -> Any:
        """Return a connection to be entered; its internals are the test's to use."""
        return asyncssh.connect(
            "127.0.0.1",
            self.port,
            **{
                "username": "anybody",
                "client_keys": [(self.key, self.certificate)],
                "known_hosts": ([self.host_key.convert_to_public()], [], []),
                "agent_path": None,
                "config": None,
                **options,
            },
        )

    def nested(self, outer: Any) -> Any:
        """Return a connection to a server inside a channel, to be entered."""
        return asyncssh.connect(
            "nested",
            tunnel=outer,
            known_hosts=([self.host_key.convert_to_public()], [], []),
            client_keys=None,
            agent_path=None,
            config=None,
        )

    async def lives(self) -> bool:
        """Return whether somebody else is served."""
        async with asyncio.timeout(20):
            async with self.client() as other:
                return bool((await other.run("hello", encoding=None)).stdout == b"hello")


@asynccontextmanager
async def raw_door() -> AsyncIterator[RawDoor]:
    """Listen on a free port, and see at the end that the door still serves."""
    door = RawDoor()
    door.options = await server_options(door.host_key, door.host_certificate)
    listener = await asyncio.get_running_loop().create_server(
        lambda: make_connection(door.options, lambda: Server(door)), "127.0.0.1", 0
    )
    door.port = listener.sockets[0].getsockname()[1]
    try:
        yield door
        assert await door.lives()
    finally:
        listener.close()
        for connection in door.connections:
            connection.abort()


class Reader(asyncssh.SSHClientSession[bytes]):
    """Keeps how much came, and whether it was the pattern."""

    def __init__(self) -> None:
        self.size = 0
        self.right = True

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.right = self.right and data == pattern(self.size, self.size + len(data))
        self.size += len(data)


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Let the loop turn until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is awaited lies in other objects, without an event
            await asyncio.sleep(0.002)


async def standstill(value: Callable[[], int], seconds: float = 0.3) -> int:
    """Wait until a number does not change any more."""
    loop = asyncio.get_running_loop()
    last, since = value(), loop.time()
    while loop.time() - since < seconds:
        await asyncio.sleep(0.01)
        if (now := value()) != last:
            last, since = now, loop.time()
    return last


async def start(connection: Any, command: str, window: int = 1 << 31) -> tuple[Any, Reader]:
    """Open a session with a huge window (RFC 4254 section 5.1) and run a command."""
    channel, session = await connection.create_session(
        Reader, command, encoding=None, window=window, max_pktsize=32 * 1024
    )
    return channel, session


async def bare(connection: Any) -> Any:
    """Return a session channel on which nothing was asked for yet."""
    channel: Any = asyncssh.SSHClientChannel(
        connection, asyncio.get_running_loop(), "strict", None, "strict", 1 << 20, 1 << 15
    )
    await channel._open(b"session")
    channel._session = asyncssh.SSHClientSession()
    return channel


async def ask(channel: Any, request: bytes, *arguments: bytes) -> bool:
    """Make a channel request and return the answer."""
    return bool(await channel._make_request(request, *arguments))


def exec_of(command: str) -> tuple[bytes, bytes]:
    """Return the request that runs a command, with its argument."""
    return b"exec", String(command)


class Prepared(asyncssh.SSHClient):
    """Hands its connection to the test before anything is sent."""

    def __init__(self, prepare: Callable[[Any], None]) -> None:
        self._prepare = prepare

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._prepare(conn)


async def rude(door: RawDoor, prepare: Callable[[Any], None], **options: Any) -> Any:
    """Connect with a prepared client; return the door's connection once it, or the client's, is closed."""
    made: list[Any] = []

    def both(connection: Any) -> None:
        made.append(connection)
        prepare(connection)

    with suppress(asyncssh.Error, OSError, TimeoutError):
        async with asyncio.timeout(20):
            connection = await door.client(client_factory=lambda: Prepared(both), **options)
            connection.abort()
    server: Any = door.connections[-1]
    made[-1].abort()
    await until(server.is_closed)
    return server


def in_place_of_login(attack: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return what makes a client do something else where it should ask to be let in (RFC 4252)."""

    def prepare(connection: Any) -> None:
        def begin(**_: object) -> None:
            connection._auth_complete = True  # so that asyncssh sends whatever it is told to
            attack(connection)

        connection.try_next_auth = begin

    return prepare


def clear_packet(payload: bytes) -> bytes:
    """Return a packet as it is before keys are agreed on (RFC 4253 section 6)."""
    padding = 8 - (5 + len(payload)) % 8 + 8
    return (1 + len(payload) + padding).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)


KEX = "curve25519-sha256"


def kexinit(kex: str = KEX, *, strict: bool = True, compression: str = "none") -> bytes:
    """Return a client's KEXINIT (RFC 4253 section 7.1)."""
    names = f"{kex},kex-strict-c-v00@openssh.com" if strict else kex
    cipher, mac = "aes128-gcm@openssh.com", "hmac-sha2-256-etm@openssh.com"
    lists = [names, "ssh-ed25519", cipher, cipher, mac, mac, compression, compression, "", ""]
    return b"\x14" + bytes(16) + b"".join(String(one) for one in lists) + bytes(5)


async def speak(port: int, *parts: bytes, version: bytes = b"SSH-2.0-test\r\n") -> bytes:
    """Connect, say all of it at once, and return what comes until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            writer.write(version + b"".join(parts))
            with suppress(ConnectionError):
                return await reader.read()
    finally:
        writer.close()
    return b""
