"""The ssh server at the door: proves who calls, then opens channels to targets or to the control plane.

On this hop the user name says nothing about identity. `login%target` as user name makes session channels go to that
target, and forwards lead there; any other name gets the control plane. A channel to the name of an ssh target (`-J`,
`-W`) ends in a server of ours; nothing is ever piped, and the bastion itself connects nowhere for a client.
"""

import logging
from collections.abc import Sequence
from typing import NoReturn

import asyncssh

from bastion.audit import EventType
from bastion.auth.certificate import identify
from bastion.channel.client import ClientSession
from bastion.door.connection import BastionChannel, DoorConnection
from bastion.door.console import Console
from bastion.door.forwarding import ForwardingServer
from bastion.door.host import DoorHost
from bastion.door.login import Challenge, LoginExchange
from bastion.door.notes import note, note_login, note_refused_login
from bastion.door.throttle import source
from bastion.errors import BastionError, LoginError, UnavailableError
from bastion.model import Identity
from bastion.session.connection import ClientConnection, Way
from bastion.session.leg import Leg
from bastion.transport import peer_address

log = logging.getLogger(__name__)

SSH_PORT = 22
MAX_EXCHANGES = 6  # login exchanges a connection may begin: each asks an identity provider for something


class OuterServer(ForwardingServer):
    """Serves one client at the door."""

    def __init__(self, host: DoorHost) -> None:
        self._host = host
        self._connection: DoorConnection | None = None
        self._address = self._source = ""
        self._counted = True
        self._at_browser = False
        self._username = ""
        self._identity: Identity | None = None
        self._offered: tuple[bytes, Identity] | None = None  # a certificate that opens something here
        self._exchange: LoginExchange | None = None
        self._exchanges = 0
        self._client: ClientConnection | None = None

    # Coming and going

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep the connection; the doorstep counted it in."""
        assert isinstance(conn, DoorConnection)
        self._connection = conn
        self._address = peer_address(conn.get_extra_info("peername"))
        self._source = source(self._address)
        self._host.callers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """Free everything."""
        self._host.callers.discard(self)
        self._count_out()
        if self.leg is not None:
            self.leg.close()
        if self._client is not None:
            self._host.spawn(self._host.goodbye(self._client))

    def _count_out(self) -> None:
        if self._counted:
            self._counted = False
            (self._host.line.left if self._client is None else self._host.line.proven)(self._source)
        if self._at_browser:
            self._at_browser = False
            self._host.limits.from_browser(self._source)

    # Who is calling

    def begin_auth(self, username: str) -> bool:
        """Start anew: nothing proven under another name counts. Authentication is always needed here."""
        self._username = username
        self._identity = None
        self._exchange = None
        return True

    async def prove(self, certificate: bytes) -> Identity | None:
        """Return who a certificate speaks for; None, with the reason in the log alone, where it opens nothing.

        Clients offer it before they sign with it. What was found of these bytes then still holds: the time to log in is
        short, and whether it was revoked is looked up once more when the client is in.
        """
        if self._offered is not None and self._offered[0] == certificate:
            return self._offered[1]
        services = self._host.services
        try:
            identity = identify(certificate, services.keys.user_ca, self._address, services.clock())
            revoked = await services.thread.run(services.thread.store.certificates.is_revoked, identity.serial)
        except UnavailableError as error:
            self._turn_away(error)
        except LoginError as error:
            await self._note_refusal("certificate", error.log)
            return None
        if revoked:
            await self._note_refusal("certificate", f"serial {identity.serial} is revoked or was never issued")
            return None
        self._offered = certificate, identity
        return identity

    async def _note_refusal(self, how: str, why: str) -> None:
        self._host.line.failed(self._source)
        await note_refused_login(self._host.services, self._address, how, why)

    def proven(self, identity: Identity) -> None:
        """Take the identity of the certificate that signed."""
        self._identity = identity

    def kbdint_auth_supported(self) -> bool:
        """Offer the login exchange."""
        return True

    async def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Challenge:  # noqa: ARG002
        """Start a login exchange."""
        services = self._host.services
        self._exchanges += 1
        if self._exchanges > MAX_EXCHANGES:
            await self._refuse_login(LoginError("too many logins were begun and not finished; connect again"))
        self._exchange = LoginExchange(services.ruling, services.clock, self._to_browser)
        try:
            return await self._exchange.challenge(submethods)
        except BastionError as error:
            await self._refuse_login(error)

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Challenge | bool:  # noqa: ARG002
        """Go on with the exchange."""
        exchange = self._exchange
        assert exchange is not None
        try:
            outcome = await exchange.answer(responses)
        except BastionError as error:
            await self._refuse_login(error)
        if outcome is True and self._exchange is exchange and exchange.identity is not None:
            await note_login(self._host.services, exchange.identity, self._address)
            self._identity = exchange.identity
        return outcome

    async def auth_completed(self) -> None:
        """Welcome the client."""
        assert self._identity is not None
        assert self._connection is not None
        self._offered = None
        self._client = ClientConnection(self._host.services, self._identity, self._address, self._connection)
        self._host.callers.discard(self)
        self._count_out()
        login, separator, target = self._username.rpartition("%")
        if separator:
            self.leg = Leg(self._client, Way(target, login), self._connection)
        await self._host.welcome(self._client)

    def _to_browser(self) -> None:
        if not self._at_browser and not self._host.limits.to_browser(self._source):
            raise UnavailableError("too many people are logging in at this moment; try again in a minute")
        self._count_out()
        self._at_browser = True
        assert self._connection is not None
        self._connection.wait_for_person()

    def turn_away(self, error: BastionError) -> None:
        """Say why and close the connection, whatever it waits for."""
        if self._connection is not None:
            self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, str(error))

    async def _refuse_login(self, error: BastionError) -> NoReturn:
        await self._note_refusal("login", error.log)
        self._turn_away(error)

    def _turn_away(self, error: BastionError) -> NoReturn:
        """Say why, and end the connection: another try would only start the same thing again."""
        assert self._connection is not None
        self._connection.send_auth_banner(f"bastion: {error}\n")
        raise asyncssh.DisconnectError(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, str(error))

    # Which channels open

    def session_requested(self) -> tuple[BastionChannel, ClientSession | Console]:
        """Open a channel to the target named in the user name, or to the control plane."""
        assert self._connection is not None
        assert self._client is not None
        session = self._host.console(self._client) if self.leg is None else self.leg.session()
        return self._connection.bastion_channel(), session

    async def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> asyncssh.SSHTCPSession[bytes]:
        """Be the ssh server a jump is meant for, or forward; refuse everything else with one and the same answer.

        The two can't be confused: nothing is forwarded to ports of ssh servers.
        """
        assert self._client is not None
        host = self._host
        target = host.open_to(self._client, dest_host)
        if target is not None and target.protocol == "ssh" and dest_port in (SSH_PORT, target.address.port):
            return await host.jump(self._client, target.name)
        if self.leg is None:
            self._note_denied(target=dest_host[:200], port=dest_port)
        return await super().connection_requested(dest_host, dest_port, orig_host, orig_port)

    async def server_requested(self, listen_host: str, listen_port: int) -> asyncssh.SSHListener | bool:
        """Forward from the target; refuse remote forwards on the bastion itself."""
        if self.leg is None:
            self._note_denied(forward=f"{listen_host[:200]}:{listen_port}")
        return await super().server_requested(listen_host, listen_port)

    def _note_denied(self, **data: object) -> None:
        assert self._client is not None
        self._client.later(note(self._host.services, EventType.ACCESS_DENIED, self._client, **data))
