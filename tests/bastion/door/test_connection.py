"""The door's connection against asyncssh's and OpenSSH's clients: it notices when a new asyncssh changes internals."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_OPEN
from asyncssh.packet import SSHPacket, String, UInt32

from bastion.door.connection import MAX_TRIES, BastionChannel, BastionServer, DoorConnection, make_connection
from bastion.door.options import server_options
from bastion.model import Identity, Kind

ALICE = Identity("alice", "corp", "1", ("eng",), Kind.HUMAN, 7, dt.datetime(2030, 1, 1, tzinfo=dt.UTC))


class Echo(asyncssh.SSHServerSession[bytes]):
    """Answers an exec request with its own bytes."""

    def __init__(self) -> None:
        self._command = b""
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        self._command = command.encode("utf-8", "surrogateescape")
        return True

    def session_started(self) -> None:
        assert self._channel is not None
        self._channel.write(self._command)
        self._channel.exit(0)


class Owner(BastionServer):
    """Knows one certificate blob, and keeps what it is told."""

    def __init__(self, known: bytes, log: list[str]) -> None:
        self._known = known
        self._log = log
        self._connection: DoorConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        assert isinstance(conn, DoorConnection)
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        self._log.append(f"begin {username}")
        return True

    async def prove(self, certificate: bytes) -> Identity | None:
        return ALICE if certificate == self._known else None

    def proven(self, identity: Identity) -> None:
        self._log.append(f"proven {identity.name}")

    def session_requested(self) -> tuple[BastionChannel, Echo]:
        assert self._connection is not None
        return self._connection.bastion_channel(), Echo()


class Door:
    """A listening door and the client's credentials."""

    def __init__(self) -> None:
        ca = asyncssh.generate_private_key("ssh-ed25519")
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.certificate = ca.generate_user_certificate(self.key, "alice", principals=["alice"])
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_certificate = ca.generate_host_certificate(self.host_key, "h", principals=["127.0.0.1"])
        self.log: list[str] = []
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Door"]:
        options = await server_options(self.host_key, self.host_certificate)
        listener = await asyncio.get_running_loop().create_server(
            lambda: make_connection(options, lambda: Owner(self.certificate.public_data, self.log)), "127.0.0.1", 0
        )
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()

    async def connect(self, **options: Any) -> asyncssh.SSHClientConnection:
        chosen = {"client_keys": [(self.key, self.certificate)], "username": "anybody", **options}
        return await asyncssh.connect(
            "127.0.0.1",
            self.port,
            config=None,
            known_hosts=([self.host_key.convert_to_public()], [], []),
            agent_path=None,
            **chosen,
        )


async def test_a_certificate_opens_under_any_user_name() -> None:
    async with Door().listening() as door:
        connection = await door.connect(username="deploy%web-1")
        connection.close()
        assert door.log == ["begin deploy%web-1", "proven alice"]


async def test_only_strong_algorithms_are_offered_and_post_quantum_first() -> None:
    async with Door().listening() as door:
        lists = await _offered(door.port)
    kex, host_keys, ciphers, _, macs, _, compressions, _, _, _ = lists
    assert kex[0] == "mlkem768x25519-sha256"
    assert "kex-strict-s-v00@openssh.com" in kex
    weak = ("sha1", "-cbc", "ssh-rsa", "ssh-dss", "nistp", "md5", "umac", "zlib")
    for offered in (*kex, *host_keys, *ciphers, *macs, *compressions):
        assert not any(word in offered for word in weak), offered


@pytest.mark.parametrize("command", [b"plain", b"caf\xe9", b"\xff\xfe", "ü".encode()])
async def test_an_exec_string_may_hold_any_bytes(command: bytes) -> None:
    async with Door().listening() as door, await door.connect() as connection:
        any_text: Any = command
        result = await connection.run(any_text, encoding=None)
        assert result.stdout == command


async def test_cve_2023_43660_an_offer_without_signature_proves_nothing() -> None:
    async with Door().listening() as door:
        with pytest.raises(asyncssh.PermissionDenied):
            await door.connect(client_keys=[(_signs_wrong(door.key), door.certificate)])
        assert "proven alice" not in door.log


async def test_cve_2024_45337_the_key_that_signs_counts_not_the_one_offered() -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    async with Door().listening() as door:
        with pytest.raises(asyncssh.PermissionDenied):
            await door.connect(client_keys=[other])
        assert "proven alice" not in door.log


async def test_cve_2023_48795_a_client_without_strict_key_exchange_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Door().listening() as door:
        monkeypatch.setattr(
            asyncssh.SSHClientConnection, "_get_extra_kex_algs", lambda _self: [b"ext-info-c"], raising=True
        )
        with pytest.raises((asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost)):
            await door.connect()
        assert door.log == []


async def test_tries_are_bounded() -> None:
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(MAX_TRIES + 2)]
    pairs = [(key, keys[-1].generate_user_certificate(key, "x", principals=["x"])) for key in keys]
    async with Door().listening() as door:
        with pytest.raises((asyncssh.DisconnectError, asyncssh.PermissionDenied)) as caught:
            await door.connect(client_keys=pairs)
        assert "Too many tries" in str(caught.value)


async def test_cve_2018_7749_no_channel_before_authentication() -> None:
    async with Door().listening() as door:
        with pytest.raises((asyncssh.Error, OSError)):
            await door.connect(client_factory=Hasty)
        assert door.log == []


def _signs_wrong(key: asyncssh.SSHKey) -> asyncssh.SSHKey:
    """Return the key with a `sign` that signs something else."""
    wrong = asyncssh.import_private_key(key.export_private_key())
    sign: Callable[[bytes, bytes], bytes] = wrong.sign
    setattr(wrong, "sign", lambda data, alg: sign(data + b"!", alg))  # noqa: B010 - mypy knows methods as constant
    return wrong


class Hasty(asyncssh.SSHClient):
    """Opens a channel where it should ask for authentication."""

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        raw: Any = conn

        def hasty(_service: bytes) -> None:
            raw._auth_complete = True
            raw.send_packet(MSG_CHANNEL_OPEN, String("session"), UInt32(0), UInt32(1 << 20), UInt32(1 << 15))

        raw.send_service_request = hasty


async def _offered(port: int) -> list[list[str]]:
    """Return the name lists of the server's KEXINIT (RFC 4253 section 7.1)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"SSH-2.0-test\r\n")
    assert (await reader.readline()).startswith(b"SSH-2.0-")
    length = int.from_bytes(await reader.readexactly(4), "big")
    packet = await reader.readexactly(length)
    writer.close()
    payload = SSHPacket(packet[1 : len(packet) - packet[0]])
    payload.get_byte()
    payload.get_bytes(16)
    return [[name.decode() for name in payload.get_namelist()] for _ in range(10)]
