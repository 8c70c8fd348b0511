"""Clients that break the protocol before they are let in: nothing opens, the connection ends, others are served."""

import asyncio
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import (
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_REQUEST,
    MSG_DEBUG,
    MSG_EXT_INFO,
    MSG_GLOBAL_REQUEST,
    MSG_IGNORE,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    MSG_SERVICE_ACCEPT,
    MSG_SERVICE_REQUEST,
    MSG_UNIMPLEMENTED,
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
)
from asyncssh.packet import Boolean, Byte, String, UInt32

from bastion.door.outer import OuterServer
from tests.bastion.door.test_connection import ALICE
from tests.hostile.raw import KEX, RawDoor, clear_packet, in_place_of_login, kexinit, raw_door, rude, speak, until

SESSION = String("session") + UInt32(0) + UInt32(1 << 20) + UInt32(1 << 15)
ASKED = String("deploy") + String("ssh-connection") + String("none")
EXEC = UInt32(0) + String("exec") + Boolean(True) + String("id")
MESSAGES = {
    "ignore": (MSG_IGNORE, String("x")),
    "debug": (MSG_DEBUG, Boolean(True) + String("x") + String("")),
    "unimplemented": (MSG_UNIMPLEMENTED, UInt32(0)),
    "service": (MSG_SERVICE_REQUEST, String("ssh-userauth")),
    "ext-info": (MSG_EXT_INFO, UInt32(1) + String("server-sig-algs") + String("ssh-rsa")),
    "userauth": (MSG_USERAUTH_REQUEST, ASKED),
    "userauth-success": (MSG_USERAUTH_SUCCESS, b""),
    "newkeys": (MSG_NEWKEYS, b""),
    "channel": (MSG_CHANNEL_OPEN, SESSION),
    "global": (MSG_GLOBAL_REQUEST, String("tcpip-forward") + Boolean(True)),
    "unknown": (199, b"x" * 1000),
}


@pytest.mark.parametrize("name", MESSAGES)
async def test_cve_2023_46445_46446_messages_in_a_key_exchange_end_the_connection(name: str) -> None:
    """In clear, between KEXINIT and NEWKEYS; before KEXINIT too."""
    kind, payload = MESSAGES[name]
    async with raw_door() as door:
        await speak(door.port, clear_packet(kexinit()), clear_packet(Byte(kind) + payload))
        await speak(door.port, clear_packet(Byte(kind) + payload), clear_packet(kexinit()))
        assert door.log == []
        assert all(connection.is_closed() for connection in door.connections)


async def test_cve_2023_46445_46446_extension_messages_later_change_nothing() -> None:
    async with raw_door() as door:
        await rude(door, in_place_of_login(lambda raw: raw.send_packet(*MESSAGES["ext-info"])))
        assert door.log == []


async def test_cve_2023_48795_no_key_exchange_that_is_not_strict() -> None:
    async with raw_door() as door:
        said = await speak(door.port, clear_packet(kexinit(strict=False)), clear_packet(b"\x1e" + String(b"\x09" * 32)))
        assert b"strict key exchange is required" in said


async def test_russh_compression_is_off_so_that_nothing_can_blow_up() -> None:
    """CVE-2026-46702 and its kin; PRs of others name it zlib bomb."""
    async with raw_door() as door:
        for name in ("zlib", "zlib@openssh.com"):
            said = await speak(door.port, clear_packet(kexinit(compression=name)))
            assert b"No matching compression algorithm" in said


@pytest.mark.parametrize("value", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f", b"", b"\x09" * 31])
async def test_russh_degenerate_values_of_a_key_exchange_end_it(value: bytes) -> None:
    async with raw_door() as door:
        said = await speak(door.port, clear_packet(kexinit(KEX)), clear_packet(b"\x1e" + String(value)))
        assert b"ssh-ed25519" in said, "the server's KEXINIT"
        assert len(said) < 2500, "and no reply that is signed"
        assert door.log == []


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 1 << 20, 0, 1, 3, 5])
async def test_cve_2024_43410_lengths_that_cannot_be_end_the_connection(length: int) -> None:
    async with raw_door() as door:
        await speak(door.port, length.to_bytes(4, "big") + b"\x04\x14" + bytes(200))
        server: Any = door.connections[-1]
        assert server.is_closed()
        assert len(server._inpbuf) == 0


@pytest.mark.parametrize("version", [b"GET / HTTP/1.1\r\n", b"SSH-1.5-x\r\n", b"x" * 20_000, b"SSH-2.0-" + b"x" * 9000])
async def test_cve_2024_6387_what_is_no_version_is_hung_up_on(version: bytes) -> None:
    async with raw_door() as door:
        await speak(door.port, version=version)
        assert door.log == []


async def test_cve_2023_46123_cve_2024_35175_an_address_in_a_header_is_not_believed() -> None:
    """There is no PROXY protocol here: the address is the socket's."""
    async with raw_door() as door:
        said = await speak(
            door.port, clear_packet(kexinit()), version=b"PROXY TCP4 9.9.9.9 1.1.1.1 1 2\r\nSSH-2.0-x\r\n"
        )
        assert b"curve25519" not in said
        async with door.client():
            assert door.connections[-1].get_extra_info("peername")[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (MSG_USERAUTH_SUCCESS, b""),
        (MSG_USERAUTH_FAILURE, String("publickey") + Boolean(True)),
        (MSG_USERAUTH_BANNER, String("x") + String("")),
        (MSG_SERVICE_ACCEPT, String("ssh-connection")),
        (MSG_SERVICE_REQUEST, String("ssh-connection")),
        (60, String("x")),
        (61, UInt32(0)),
        (MSG_GLOBAL_REQUEST, String("tcpip-forward") + Boolean(True) + String("") + UInt32(0)),
        (MSG_CHANNEL_OPEN, SESSION),
        (MSG_CHANNEL_OPEN_CONFIRMATION, UInt32(0) * 4),
        (MSG_CHANNEL_REQUEST, EXEC),
        (MSG_KEXINIT, b""),
        (MSG_NEWKEYS, b""),
    ],
)
async def test_cve_2018_10933_cve_2025_32433_what_only_a_server_or_a_user_says_ends_the_connection(
    kind: int, payload: bytes
) -> None:
    async with raw_door() as door:

        def attack(raw: Any) -> None:
            raw.send_packet(kind, payload)
            raw.send_packet(MSG_CHANNEL_OPEN, SESSION)
            raw.send_packet(MSG_CHANNEL_REQUEST, EXEC)

        await rude(door, in_place_of_login(attack))
        assert not door.sessions
        assert "proven alice" not in door.log


async def test_cve_2018_7750_no_channel_between_a_question_and_its_answer() -> None:
    """While a certificate is being looked at, the client goes on as if it were let in (also CVE-2018-1000805)."""
    async with raw_door() as door:
        door.may_prove.clear()

        def attack(raw: Any) -> None:
            _ask(raw, "alice", door, door.key)
            raw.send_packet(MSG_CHANNEL_OPEN, SESSION)

        await rude(door, in_place_of_login(attack))
        assert not door.sessions
        assert door.log == ["begin alice"]
        door.may_prove.set()


def _ask(raw: Any, name: str, door: RawDoor, signer: asyncssh.SSHKey, signed_for: str = "", **blob: Any) -> None:
    """Ask to be let in with the door's certificate and a signature (RFC 4252 section 7)."""
    key = blob.get("blob", door.certificate.public_data)
    arguments = (Boolean(True), String("ssh-ed25519-cert-v01@openssh.com"), String(key))
    raw._username = signed_for or name
    data = raw.get_userauth_request_data(b"publickey", *arguments)
    raw._username = name
    packet = raw._get_userauth_request_packet(b"publickey", arguments) + String(signer.sign(data, b"ssh-ed25519"))
    raw.send_packet(MSG_USERAUTH_REQUEST, packet[1:])


async def test_cve_2024_45337_the_right_request_is_accepted() -> None:
    """Otherwise the ones below would prove nothing."""
    async with raw_door() as door:
        await rude(door, in_place_of_login(lambda raw: _ask(raw, "alice", door, door.key)))
        assert door.log == ["begin alice", "proven alice"]


async def test_cve_2024_45337_offered_one_key_and_signed_with_another() -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    mine = asyncssh.generate_private_key("ssh-ed25519").generate_user_certificate(other, "x", principals=["alice"])
    async with raw_door() as door:

        def attack(raw: Any) -> None:
            probe = (Boolean(False), String("ssh-ed25519-cert-v01@openssh.com"), String(door.certificate.public_data))
            raw.send_packet(MSG_USERAUTH_REQUEST, raw._get_userauth_request_packet(b"publickey", probe)[1:])
            _ask(raw, "alice", door, other)
            _ask(raw, "alice", door, other, blob=mine.public_data)

        await rude(door, in_place_of_login(attack))
        assert "proven alice" not in door.log


async def test_cve_2023_48712_a_signature_for_one_name_is_none_for_another() -> None:
    """Nor is a look at a certificate that goes on when the name changes (russh CVE-2026-46705, Pomerium)."""
    async with raw_door() as door:
        await rude(door, in_place_of_login(lambda raw: _ask(raw, "root%vault", door, door.key, signed_for="alice")))
        assert door.log == ["begin root%vault"]
        door.log.clear()
        door.may_prove.clear()

        def attack(raw: Any) -> None:
            _ask(raw, "alice", door, door.key)
            raw._username = "root%vault"
            raw.send_packet(MSG_USERAUTH_REQUEST, raw._get_userauth_request_packet(b"none", ())[1:])
            asyncio.get_running_loop().call_later(0.1, door.may_prove.set)

        await rude(door, in_place_of_login(attack))
        assert door.log == ["begin alice", "begin root%vault"]


def test_cve_2023_48712_another_name_begins_anew() -> None:
    host: Any = None
    server: Any = OuterServer(host)
    assert server.begin_auth("alice")
    server.proven(ALICE)
    server._exchange = object()
    assert server.begin_auth("root%vault")
    assert (server._identity, server._exchange) == (None, None)


async def test_cve_2023_42818_cve_2026_39828_there_is_no_partial_success() -> None:
    """Whoever is refused is told so in whole: no method opens half a door, and nothing opens meanwhile."""
    async with raw_door() as door:
        answers: list[bool] = []

        def prepare(raw: Any) -> None:
            refused = raw._packet_handlers[MSG_USERAUTH_FAILURE]

            def look(_self: Any, kind: int, number: int, packet: Any) -> Any:
                answers.append(bool(packet._packet[-1]))
                return refused(raw, kind, number, packet)

            raw._packet_handlers = {**raw._packet_handlers, MSG_USERAUTH_FAILURE: look}

        await rude(door, prepare, client_keys=[asyncssh.generate_private_key("ssh-ed25519")], password="x")
        assert answers
        assert not any(answers)
        assert not door.sessions


@pytest.mark.parametrize("method", ["gssapi-with-mic", "gssapi-keyex", "hostbased", "password", "none", "x" * 5000])
async def test_cve_2025_58181_other_methods_and_their_blobs_are_refused(method: str) -> None:
    async with raw_door() as door:

        def attack(raw: Any) -> None:
            raw._username = "alice"
            for blob in (b"", UInt32(0xFFFFFFFF), UInt32(1) + String(b"\x06\xff"), b"\xff" * 3000):
                packet = raw._get_userauth_request_packet(method.encode(), (blob,))
                raw.send_packet(MSG_USERAUTH_REQUEST, packet[1:])

        await rude(door, in_place_of_login(attack))
        assert "proven alice" not in door.log


@pytest.mark.parametrize("name", [b"x" * 1024, b"\xff\xfe", b"x" * 200_000, b"a\0b", "\u200e".encode()])
async def test_cve_2025_58181_names_that_are_none_end_the_connection(name: bytes) -> None:
    async with raw_door() as door:

        def attack(raw: Any) -> None:
            raw.send_packet(MSG_USERAUTH_REQUEST, String(name) + String("ssh-connection") + String("none"))

        await rude(door, in_place_of_login(attack))
        assert "proven alice" not in door.log


async def test_cve_2024_6387_who_does_not_log_in_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that stays silent, and one that talks without ever asking to be let in."""
    async with raw_door() as door:
        monkeypatch.setattr(door.options, "login_timeout", 0.3)
        await speak(door.port, version=b"")
        await speak(door.port, clear_packet(kexinit()))
        assert all(connection.is_closed() for connection in door.connections)

        def talk(raw: Any) -> None:
            raw.send_packet(MSG_IGNORE, String("x"))
            raw._loop.call_later(0.05, talk, raw)

        await rude(door, in_place_of_login(talk))
        monkeypatch.setattr(door.options, "login_timeout", 30)


async def test_warpgate_1124_a_burst_of_connections_leaves_the_listener_whole() -> None:
    async with raw_door() as door:
        await asyncio.gather(*(speak(door.port, version=b"x\r\n") for _ in range(300)))
        await until(lambda: all(connection.is_closed() for connection in door.connections))
        assert await door.lives()
