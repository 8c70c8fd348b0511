"""The one way out to ssh targets: nothing without a `Grant`, nothing to a host whose key is not the configured one.

A target behind a gateway is dialled through a channel of a connection to it (RFC 4254 section 7.2). The gateway sees
the target's host key, its signatures and what is encrypted, nothing else; each hop has its own host key and credential.
"""

import asyncio
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import asyncssh

from bastion.auth.authority import TargetAuthority
from bastion.config.schema import Target, Via
from bastion.errors import TargetUnreachable
from bastion.model import FORWARDS, ChannelKind, Grant, Identity, utcnow
from bastion.target.connection import TargetConnection
from bastion.target.lookup import LookUp, addresses, look_up
from bastion.target.offers import handshake
from bastion.transport import PACKET, WINDOW

CONNECT_SECONDS = 10  # for each hop
MOST_OPTIONS = 1000  # targets whose options are kept
_METHODS = {"certificate": "publickey", "key": "publickey", "password": "password,keyboard-interactive"}

Gateway = asyncssh.SSHClientConnection


@dataclass(frozen=True, slots=True)
class _SignIn:
    """Who signs in on a host, and what the host's sshd may be asked for afterwards."""

    identity: Identity
    login: str
    forwards: bool
    agent: bool = False
    x11: bool = False


class Dialer:
    """Opens connections to targets with credentials the caller never sees. `find` looks up names of hosts."""

    def __init__(self, authority: TargetAuthority, find: LookUp = look_up) -> None:
        self._authority = authority
        self._find = find
        self._options: dict[Target, asyncssh.SSHClientConnectionOptions] = {}

    async def dial(self, grant: Grant, target: Target, gateway: Gateway | None = None) -> TargetConnection:
        """Connect and sign in as `grant.login`, through the connection to the target's gateway where it has one.

        Raises
        ------
        TargetUnreachable: the target does not answer, is not who it should be, or refuses the bastion's credential.
        """
        if grant.target != target.name or (target.via is None) != (gateway is None):
            raise TargetUnreachable("internal mismatch of grant and target", log=f"{grant.target} is not {target.name}")
        forwards = any(grant.opens(kind) for kind in FORWARDS)
        agent, x11 = grant.opens(ChannelKind.AGENT), grant.opens(ChannelKind.X11)
        try:
            return await self._connect(_SignIn(grant.identity, grant.login, forwards, agent, x11), target, gateway)
        except (OSError, asyncssh.Error) as error:
            raise _explained(error, grant.login, target) from error

    async def hop(self, grant: Grant, via: Via, gateway: Gateway | None = None) -> TargetConnection:
        """Connect to a gateway on the way to what was granted, through the gateway before it where there is one.

        Raises
        ------
        TargetUnreachable: as for targets; the user is told of no host but the one they asked for.
        """
        target = via.target
        if f"{via.login}@{target.name}" not in grant.via or (target.via is None) != (gateway is None):
            raise TargetUnreachable("internal mismatch of grant and gateway", log=f"{target.name} is not on the way")
        try:
            return await self._connect(_SignIn(grant.identity, via.login, forwards=True), target, gateway)
        except (OSError, asyncssh.Error, TargetUnreachable) as error:
            why = error if isinstance(error, TargetUnreachable) else _explained(error, via.login, target)
            raise TargetUnreachable(
                "the way to the target is not open; try again later or ask an administrator",
                log=f"gateway {via.login}@{target.name}: {why.log}",
            ) from error

    async def _connect(self, who: _SignIn, target: Target, gateway: Gateway | None) -> TargetConnection:
        loop = asyncio.get_running_loop()
        common = self._options_for(target)
        options = copy.copy(common)
        options.username = who.login
        options.client_keys, options.password = self._credential(who, target)
        options.waiter = loop.create_future()
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await self._open(lambda: TargetConnection(loop, options, wait="auth"), target, gateway)
            try:
                await options.waiter
            except (OSError, asyncssh.Error, asyncio.CancelledError):
                connection.abort()
                raise
            except Exception as error:  # what asyncssh makes of bytes that no server sends
                connection.abort()
                raise asyncssh.ProtocolError(f"{type(error).__name__}: {error}") from error
        connection.forget_sign_in(common)
        return connection

    def _options_for(self, target: Target) -> asyncssh.SSHClientConnectionOptions:
        """Return what all connections to a target have in common: everything but who signs in, and how."""
        options = self._options.pop(target, None)
        if options is None:
            options = asyncssh.SSHClientConnectionOptions(  # reads no file, and so needs no thread
                loop=asyncio.get_running_loop(),
                config=None,
                host=target.address.host,
                port=target.address.port,
                username="",
                client_keys=None,
                agent_path=None,
                agent_forwarding=False,
                client_version="Bastion",
                preferred_auth=_METHODS.get(target.credential.kind, ""),
                **handshake(target),
            )
        self._options[target] = options  # last again: what was not dialled for longest goes first
        if len(self._options) > MOST_OPTIONS:
            del self._options[next(iter(self._options))]
        return options

    async def _open(
        self, make: Callable[[], TargetConnection], target: Target, gateway: Gateway | None
    ) -> TargetConnection:
        """Return a connection whose transport is up."""
        port = target.address.port
        if gateway is not None:
            session: Any = make  # asyncssh lets a connection be the session of a channel
            _, nested = await gateway.create_connection(
                session, target.address.host, port, window=WINDOW, max_pktsize=PACKET
            )
            return cast("TargetConnection", nested)
        failure: OSError | None = None
        for host in await addresses(target, self._find):
            try:
                _, connection = await asyncio.get_running_loop().create_connection(make, host, port)
            except OSError as error:
                failure = error
            else:
                return connection
        assert failure is not None
        raise failure

    def _credential(self, who: _SignIn, target: Target) -> tuple[Sequence[asyncssh.SSHKeyPair] | None, str | None]:
        """Return the keys or the password to sign in with."""
        credential = target.credential
        if credential.kind == "certificate":
            signed = self._authority.sign_in(
                who.login,
                f"{who.identity.issuer}/{who.identity.name} via bastion",
                utcnow(),
                forwards=who.forwards,
                agent=who.agent,
                x11=who.x11,
            )
            return asyncssh.load_keypairs([(signed.key, signed.certificate)]), None
        if credential.kind == "key" and credential.secret is not None:
            try:
                return asyncssh.load_keypairs([asyncssh.import_private_key(credential.secret.reveal())]), None
            except asyncssh.KeyImportError as error:
                raise TargetUnreachable(
                    f"the key configured for {target.name} is not usable; an administrator has to mend "
                    f"{_section(target)}.credential",
                    log=f"credential of {target.name}: {type(error).__name__}",
                ) from error
        if credential.kind == "password" and credential.secret is not None:
            return None, credential.secret.reveal()
        raise TargetUnreachable(f"the credential of {target.name} is of no kind that signs in to ssh")


def _explained(error: OSError | asyncssh.Error, login: str, target: Target) -> TargetUnreachable:
    """Return what the user is told of an error, and the log."""
    name = target.name
    match error:
        case asyncssh.HostKeyNotVerifiable():
            key = "host_key" if target.host_keys else "host_ca"
            return TargetUnreachable(
                f"the host key of {name} is not the one configured, so nothing was sent to it; "
                f"if the host was rebuilt, an administrator updates {_section(target)}.{key}",
                log=f"host key of {name}: {error}",
            )
        case asyncssh.KeyExchangeFailed():
            return TargetUnreachable(
                f"{name} offers no host key of the configured type, or no algorithm the bastion accepts, "
                f"so nothing was sent to it; for an old device an administrator lists them in "
                f"{_section(target)}.algorithms",
                log=f"key exchange with {name}: {error}",
            )
        case asyncssh.PermissionDenied():
            return TargetUnreachable(
                f"{name} does not accept the bastion's credential for {login}; an administrator can see why "
                "in the target's own log",
                log=f"credential for {login} at {name}: {error}",
            )
        case _:
            where = f"{target.address.host} port {target.address.port}"
            through = f" through {target.via.login}@{target.via.target.name}" if target.via is not None else ""
            return TargetUnreachable(
                f"{name} does not answer; try again later or ask an administrator",
                log=f"dial {name} {where}{through}: {type(error).__name__}: {error}",
            )


def _section(target: Target) -> str:
    """Return where the target stands in the configuration."""
    return f'targets."{target.pattern}"' if target.pattern else f"targets.{target.name}"
