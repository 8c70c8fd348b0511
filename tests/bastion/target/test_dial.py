"""Signing in at real ssh servers of asyncssh: passwords, algorithms, host keys, looked-up names and refusals."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import asyncssh
import pytest
from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_IGNORE

from bastion.auth.authority import TargetAuthority
from bastion.config.schema import Address, Algorithms, Credential, Secret, Target, Via
from bastion.errors import TargetUnreachable
from bastion.model import Action, ChannelKind, Grant, Identity, Kind
from bastion.target.dial import Dialer

HOST = asyncssh.generate_private_key("ssh-ed25519")
RSA = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
ALICE = Identity("alice", "corp", "1", (), Kind.HUMAN, 1, dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
AUTHORITY = TargetAuthority(asyncssh.generate_private_key("ssh-ed25519"))
PASSWORD = Credential("password", secret=Secret("hunter2"))


class Asking(asyncssh.SSHServer):
    """Takes a password, in one or both of the two methods."""

    def __init__(self, methods: Sequence[str]) -> None:
        self.methods = methods

    def password_auth_supported(self) -> bool:
        return "password" in self.methods

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("admin", "hunter2")

    def kbdint_auth_supported(self) -> bool:
        return "keyboard-interactive" in self.methods

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        return self.validate_password(username, responses[0])


@asynccontextmanager
async def server(
    methods: Sequence[str] = ("password",), key: asyncssh.SSHKey = HOST, **options: Any
) -> AsyncIterator[int]:
    """Run an ssh server on a free port of 127.0.0.1, which is yielded."""
    listener = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=lambda: Asking(methods), server_host_keys=[key], **options
    )
    async with listener:
        yield listener.get_port()


def target(port: int, **more: Any) -> Target:
    """Return a target on a port, which trusts `HOST` unless told otherwise."""
    known: dict[str, Any] = {"host_keys": (public(HOST),), "credential": PASSWORD, **more}
    return Target("box", "ssh", Address("127.0.0.1", port), **known)


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


def grant(place: Target, via: tuple[str, ...] = ()) -> Grant:
    return Grant(ALICE, place.name, "admin", frozenset({ChannelKind.EXEC}), Action.ALLOW, via=via)


async def signs_in(place: Target, dialer: Dialer | None = None) -> None:
    """Connect, and leave again."""
    connection = await (dialer or Dialer(AUTHORITY)).dial(grant(place), place)
    connection.close()
    await connection.wait_closed()


@pytest.mark.parametrize("methods", [["password"], ["keyboard-interactive"], ["password", "keyboard-interactive"]])
async def test_a_password_by_whichever_method(methods: list[str]) -> None:
    async with server(methods) as port:
        await signs_in(target(port))


async def test_a_connection_keeps_no_credential_and_the_next_one_has_it_again() -> None:
    dialer = Dialer(AUTHORITY)
    async with server(["password"]) as port:
        place = target(port)
        for _ in range(2):
            connection: Any = await dialer.dial(grant(place), place)
            assert not connection._client_keys
            assert connection._password is connection._options.password is None
            connection.abort()


@pytest.mark.parametrize("methods", [["password"], ["keyboard-interactive"]])
async def test_a_wrong_password_is_refused_and_not_repeated(methods: list[str]) -> None:
    wrong = Credential("password", secret=Secret("letmein"))
    async with server(methods) as port:
        with pytest.raises(
            TargetUnreachable, match="box does not accept the bastion's credential for admin"
        ) as refused:
            await signs_in(target(port, credential=wrong))
    assert "letmein" not in str(refused.value) + refused.value.log


WEAK: dict[str, tuple[dict[str, Any], Algorithms]] = {
    "kex": ({"kex_algs": ["diffie-hellman-group14-sha1"]}, Algorithms(kex=("diffie-hellman-group14-sha1",))),
    "ciphers": ({"encryption_algs": ["aes128-cbc"]}, Algorithms(ciphers=("aes128-cbc",))),
    "macs": ({"encryption_algs": ["aes128-ctr"], "mac_algs": ["hmac-sha1"]}, Algorithms(macs=("hmac-sha1",))),
}


@pytest.mark.parametrize("kind", WEAK)
async def test_a_relaxation_is_needed_and_enough(kind: str) -> None:
    options, algorithms = WEAK[kind]
    async with server(**options) as port:
        await signs_in(target(port, algorithms=algorithms))
        with pytest.raises(TargetUnreachable, match=r"lists them in targets\.box\.algorithms"):
            await signs_in(target(port))


@pytest.mark.parametrize(("cipher", "guarded"), [("aes128-cbc", True), ("aes128-ctr", False)])
async def test_cbc_is_guarded(monkeypatch: pytest.MonkeyPatch, cipher: str, guarded: bool) -> None:
    """With CBC each packet of data has an IGNORE before it (RFC 4251 section 9.3.1), with other ciphers none."""
    seen: list[int] = []

    def ignored(connection: object, kind: int, *_: object) -> None:
        if isinstance(connection, asyncssh.SSHServerConnection):
            seen.append(kind)

    monkeypatch.setitem(SSHConnection._packet_handlers, MSG_IGNORE, ignored)
    async with server(encryption_algs=[cipher]) as port:
        await signs_in(target(port, algorithms=Algorithms(ciphers=(cipher,))))
    assert bool(seen) is guarded


async def test_cve_2026_9547_a_key_of_another_type_is_a_mismatch() -> None:
    async with server(key=RSA) as port:
        with pytest.raises(TargetUnreachable, match="offers no host key of the configured type"):
            await signs_in(target(port))


async def test_another_key_is_a_mismatch() -> None:
    async with server(key=asyncssh.generate_private_key("ssh-ed25519")) as port:
        with pytest.raises(TargetUnreachable, match=r"an administrator updates targets\.box\.host_key"):
            await signs_in(target(port))


# Names that a user chose


def of_pattern(port: int, certified: asyncssh.SSHKey, **more: Any) -> Target:
    made = target(port, host_keys=(), host_cas=(public(certified),), pattern="web-*.x", **more)
    return replace(made, name="box", address=Address("web-1.x", port))


@pytest.mark.parametrize(
    ("found", "networks", "reached"),
    [
        (["127.0.0.1"], [], False),
        (["127.0.0.1"], ["127.0.0.0/8"], True),
        (["127.0.0.1"], ["10.0.0.0/8"], False),
        (["::ffff:127.0.0.1"], [], False),
        (["169.254.169.254", "127.0.0.1"], ["127.0.0.0/8"], True),
        ([], ["127.0.0.0/8"], False),
    ],
)
async def test_where_a_chosen_name_may_lead(found: list[str], networks: list[str], reached: bool) -> None:
    ca = asyncssh.generate_private_key("ssh-ed25519")
    certificate = ca.generate_host_certificate(HOST.convert_to_public(), "h", principals=["web-1.x"])
    asked: list[str] = []

    async def find(host: str, port: int) -> list[str]:
        asked.append(host)
        return found

    async with server(key=(HOST, certificate)) as port:  # type: ignore[arg-type]  # asyncssh takes pairs too
        place = of_pattern(port, ca, networks=tuple(map(ip_network, networks)))
        if reached:
            await signs_in(place, Dialer(AUTHORITY, find))
        else:
            with pytest.raises(TargetUnreachable, match="box does not answer") as refused:
                await signs_in(place, Dialer(AUTHORITY, find))
            assert "web-1.x leads to" in refused.value.log
    assert asked == ["web-1.x"]


async def test_a_certificate_for_another_name_is_refused() -> None:
    ca = asyncssh.generate_private_key("ssh-ed25519")
    certificate = ca.generate_host_certificate(HOST.convert_to_public(), "h", principals=["web-2.x"])

    async def find(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with server(key=(HOST, certificate)) as port:  # type: ignore[arg-type]  # asyncssh takes pairs too
        place = of_pattern(port, ca, networks=(ip_network("127.0.0.0/8"),))
        with pytest.raises(TargetUnreachable, match=r'an administrator updates targets\."web-\*\.x"\.host_ca'):
            await signs_in(place, Dialer(AUTHORITY, find))


# Gateways


async def test_a_gateway_must_be_on_the_way_that_was_granted() -> None:
    place = target(1)
    for via in ((), ("root@box",), ("admin@other",)):
        with pytest.raises(TargetUnreachable, match="internal mismatch of grant and gateway"):
            await Dialer(AUTHORITY).hop(grant(place, via), Via("admin", place))


async def test_a_target_behind_a_gateway_is_not_dialled_without_it() -> None:
    place = target(1)
    behind = replace(place, via=Via("admin", place))
    with pytest.raises(TargetUnreachable, match="internal mismatch of grant and target"):
        await Dialer(AUTHORITY).dial(grant(behind, ("admin@box",)), behind)


async def test_a_gateway_that_forwards_nothing_is_named_in_the_log_alone() -> None:
    async with server() as port:
        gateway = replace(target(port), name="hidden")
        behind = replace(target(22), via=Via("admin", gateway))
        allowed = grant(behind, ("admin@hidden",))
        dialer = Dialer(AUTHORITY)
        connection = await dialer.hop(allowed, Via("admin", gateway))
        with pytest.raises(TargetUnreachable, match=r"^box does not answer") as refused:
            await dialer.dial(allowed, behind, connection)
        connection.close()
    assert "through admin@hidden" in refused.value.log
    assert "hidden" not in str(refused.value)
