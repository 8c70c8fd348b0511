"""The one way out to ssh targets: nothing without a `Grant`, nothing to a host whose key is not the configured one."""

import asyncio
from datetime import datetime

import asyncssh

from bastion.auth.authority import TargetAuthority
from bastion.config import Target
from bastion.errors import TargetUnreachable
from bastion.model import FORWARDS, ChannelKind, Grant, utcnow
from bastion.target.connection import TargetConnection
from bastion.transport import common_options

CONNECT_SECONDS = 10


class Dialer:
    """Opens connections to targets with credentials the caller never sees."""

    def __init__(self, authority: TargetAuthority) -> None:
        self._authority = authority

    async def dial(self, grant: Grant, target: Target) -> TargetConnection:
        """Connect and sign in as `grant.login`.

        Raises
        ------
        TargetUnreachable: the target does not answer, is not who it should be, or refuses the bastion's credential.
        """
        if grant.target != target.name:
            raise TargetUnreachable("internal mismatch of grant and target", log=f"{grant.target} is not {target.name}")
        name = target.name
        try:
            return await self._connect(grant, target)
        except asyncssh.HostKeyNotVerifiable as error:
            raise TargetUnreachable(
                f"the host key of {name} is not the one configured, so nothing was sent to it; "
                f"if the host was rebuilt, an administrator updates targets.{name}.host_key",
                log=f"host key of {name}: {error}",
            ) from error
        except asyncssh.KeyExchangeFailed as error:
            raise TargetUnreachable(
                f"{name} offers no host key of the configured type, or no algorithm the bastion accepts, "
                "so nothing was sent to it",
                log=f"key exchange with {name}: {error}",
            ) from error
        except asyncssh.PermissionDenied as error:
            raise TargetUnreachable(
                f"{name} does not accept the bastion's credential for {grant.login}; an administrator can see why "
                "in the target's own log",
                log=f"credential for {grant.login} at {name}: {error}",
            ) from error
        except (OSError, asyncssh.Error) as error:
            raise TargetUnreachable(
                f"{name} does not answer; try again later or ask an administrator",
                log=f"dial {name} {target.address.host} port {target.address.port}: {type(error).__name__}: {error}",
            ) from error

    async def _connect(self, grant: Grant, target: Target) -> TargetConnection:
        options = await asyncssh.SSHClientConnectionOptions.construct(
            config=None,
            host=target.address.host,
            port=target.address.port,
            known_hosts=trusted_hosts(target),
            username=grant.login,
            agent_path=None,
            agent_forwarding=False,
            client_version="Bastion",
            **self._credential(grant, target, utcnow()),
            **common_options(),
        )
        loop = asyncio.get_running_loop()
        options.waiter = loop.create_future()
        async with asyncio.timeout(CONNECT_SECONDS):
            _, connection = await loop.create_connection(
                lambda: TargetConnection(loop, options, wait="auth"), target.address.host, target.address.port
            )
            try:
                await options.waiter
            except BaseException:
                connection.abort()
                raise
        return connection

    def _credential(self, grant: Grant, target: Target, now: datetime) -> dict[str, object]:
        credential = target.credential
        options: dict[str, object] = {"client_keys": None, "password": None, "preferred_auth": "publickey"}
        if credential.kind == "certificate":
            identity = grant.identity
            signed = self._authority.sign_in(
                grant.login,
                f"{identity.issuer}/{identity.name} via bastion",
                now,
                forwards=any(grant.opens(kind) for kind in FORWARDS),
                agent=grant.opens(ChannelKind.AGENT),
                x11=grant.opens(ChannelKind.X11),
            )
            options["client_keys"] = [(signed.key, signed.certificate)]
        elif credential.kind == "key" and credential.secret is not None:
            try:
                options["client_keys"] = [asyncssh.import_private_key(credential.secret.reveal())]
            except asyncssh.KeyImportError as error:
                raise TargetUnreachable(
                    f"the key configured for {target.name} is not usable; an administrator has to mend "
                    f"targets.{target.name}.credential",
                    log=f"credential of {target.name}: {type(error).__name__}",
                ) from error
        elif credential.kind == "password" and credential.secret is not None:
            options["password"] = credential.secret.reveal()
            options["preferred_auth"] = "password,keyboard-interactive"
        else:
            raise TargetUnreachable(f"the credential of {target.name} is of no kind that signs in to ssh")
        return options


def trusted_hosts(target: Target) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
    """Return asyncssh's form of the target's trusted host keys and host CAs: never empty, never "any"."""
    keys = [asyncssh.import_public_key(line) for line in target.host_keys]
    authorities = [asyncssh.import_public_key(line) for line in target.host_cas]
    if not keys and not authorities:
        raise TargetUnreachable(f"no host key is configured for {target.name}; an administrator has to set one")
    return keys, authorities, []
