"""asyncssh's server connection with the few changes a bastion needs. Everything that leans on internals of asyncssh
stands here, and `tests/bastion/door/test_connection.py` notices when a new asyncssh changes them.

Changed: who a certificate speaks for is decided by `bastion.auth` alone, from the key that *signed* (an offer without
a signature proves nothing); strict key exchange is required (CVE-2023-48795); RSA signatures over SHA-1 are refused;
OpenSSH is offered the fast ciphers alone; the number of tries is bounded; commands that are no UTF-8 pass; options are
not evaluated anew for each login.
"""

import asyncio
from collections.abc import Callable

import asyncssh
from asyncssh.packet import SSHPacket, String
from asyncssh.public_key import decode_ssh_certificate

from bastion.auth.wire import KEY_LAYOUTS
from bastion.bounds import BoundedChannel, BoundedConnection
from bastion.channel.client import ClientSession
from bastion.channel.requests import Display
from bastion.model import Identity
from bastion.packets import FrugalPackets
from bastion.transport import DEVICE_LOGIN_SECONDS, PACKET, WINDOW

MAX_TRIES = 20  # authentication requests a connection
MAX_VARIABLES = 128  # a session channel
MAX_VARIABLE = 32 * 1024  # bytes of name and value
MAX_X11_FIELD = 1024  # bytes of a display's protocol or cookie
_OPENSSH = b"SSH-2.0-OpenSSH_"
_FAST_CIPHERS = (b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com")  # every OpenSSH since 6.2 has them
_CERTIFICATES = frozenset(algorithm.encode() for algorithm in KEY_LAYOUTS)
_WEAK_SIGNATURES = (b"ssh-rsa", b"ssh-dss")


class BastionChannel(BoundedChannel, asyncssh.SSHServerChannel[bytes]):
    """A session channel whose exec string may hold any bytes (RFC 4254 section 6.5 does not ask for UTF-8).

    An agent or display is asked of the session, not of sockets of this machine; variables are bounded.
    """

    def _process_env_request(self, packet: SSHPacket) -> bool:
        name, value = packet.get_string(), packet.get_string()
        packet.check_end()
        if len(self._env) >= MAX_VARIABLES or len(name) + len(value) > MAX_VARIABLE:
            return False
        self._env[name] = value
        return True

    def _process_auth_agent_req_at_openssh_dot_com_request(  # type: ignore[override]  # as any other request's
        self, packet: SSHPacket
    ) -> bool:
        packet.check_end()
        return isinstance(self._session, ClientSession) and self._session.agent_requested()

    def _process_x11_req_request(self, packet: SSHPacket) -> bool:
        single, protocol, cookie = packet.get_boolean(), packet.get_string(), packet.get_string()
        screen = packet.get_uint32()
        packet.check_end()
        if len(protocol) > MAX_X11_FIELD or len(cookie) > MAX_X11_FIELD:
            return False
        display = Display(single, protocol, cookie, screen)
        return isinstance(self._session, ClientSession) and self._session.display_requested(display)

    def _process_exec_request(self, packet: SSHPacket) -> bool:
        command = packet.get_string()
        packet.check_end()
        return bool(self._start_session(command=command.decode("utf-8", "surrogateescape")))


class BastionServer(asyncssh.SSHServer):
    """What `DoorConnection` asks of its owner beyond asyncssh's own callbacks."""

    async def prove(self, certificate: bytes) -> Identity | None:
        """Return who the certificate speaks for, or None where it opens nothing here."""
        raise NotImplementedError

    def proven(self, identity: Identity) -> None:
        """The client holds the certificate's private key."""
        raise NotImplementedError


class DoorConnection(BoundedConnection, FrugalPackets, asyncssh.SSHServerConnection):
    """A connection at the door, or nested in a channel of one."""

    _owner: BastionServer
    _tries = 0

    async def reload_config(self) -> None:
        """Keep the options: they depend on nothing that a login could change."""

    def _send_kexinit(self) -> None:
        """Offer OpenSSH the fast ciphers alone: it would choose its own first common one, which is a slow one.

        The client's version has been read before the server's KEXINIT goes out (RFC 4253 section 4.2 lets either come
        first). Other clients may know nothing but CTR.
        """
        if self._client_version.startswith(_OPENSSH):
            self._enc_algs = [cipher for cipher in self._enc_algs if cipher in _FAST_CIPHERS]
        super()._send_kexinit()

    def choose_server_host_key(self, peer_host_key_algs: object) -> bool:
        """Refuse clients without strict key exchange before any key is used."""
        if not self._strict_kex:
            raise asyncssh.KeyExchangeFailed("strict key exchange is required; use OpenSSH 9.6 or later, or its fixes")
        return super().choose_server_host_key(peer_host_key_algs)  # type: ignore[arg-type] # a list of names

    def _process_cancel_tcpip_forward_global_request(self, packet: SSHPacket) -> None:
        """Say no to who cancels what is not theirs, where asyncssh would end the connection."""
        try:
            super()._process_cancel_tcpip_forward_global_request(packet)
        except asyncssh.ProtocolError:
            self._report_global_response(False)

    def _process_cancel_streamlocal_forward_at_openssh_dot_com_global_request(self, packet: SSHPacket) -> None:
        try:
            super()._process_cancel_streamlocal_forward_at_openssh_dot_com_global_request(packet)
        except asyncssh.ProtocolError:
            self._report_global_response(False)

    async def validate_public_key(
        self,
        username: str,  # noqa: ARG002 - it says nothing about identity
        key_data: bytes,
        msg: bytes,
        signature: bytes,
    ) -> bool:
        """Accept a certificate of ours, and once it signed, take its identity."""
        self._tries += 1
        if self._tries > MAX_TRIES:
            raise asyncssh.DisconnectError(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many tries")
        if SSHPacket(key_data).get_string() not in _CERTIFICATES:
            return False
        # First, and byte by byte: asyncssh would check a signature by whatever key the certificate says is its CA's.
        identity = await self._owner.prove(key_data)
        if identity is None:
            return False
        if not msg:
            return True
        if SSHPacket(signature).get_string() in _WEAK_SIGNATURES:
            return False
        key = decode_ssh_certificate(key_data).key
        key.set_touch_required(True)
        if not key.verify(String(self._session_id) + msg, signature):
            return False
        self._owner.proven(identity)
        return True

    def public_key_auth_supported(self) -> bool:
        """Offer certificates always."""
        return True

    def wait_for_person(self) -> None:
        """Give this login the time a person in a browser needs."""
        self._cancel_login_timer()
        loop = asyncio.get_running_loop()
        self._login_timer = loop.call_later(DEVICE_LOGIN_SECONDS, self._login_timer_callback)

    def bastion_channel(self) -> BastionChannel:
        """Return a new session channel: bytes, no line editor."""
        return BastionChannel(
            self,
            asyncio.get_running_loop(),
            allow_pty=True,
            line_editor=False,
            line_echo=False,
            line_history=0,
            max_line_length=0,
            encoding=None,
            errors="strict",
            window=WINDOW,
            max_pktsize=PACKET,
        )


def make_connection(
    options: asyncssh.SSHServerConnectionOptions, server: Callable[[], BastionServer]
) -> DoorConnection:
    """Return a connection that serves whatever transport it is given: a socket, or a channel (RFC 4254 section 7.2).

    `server` makes its owner, so that many connections can share one set of options.
    """
    connection = DoorConnection(asyncio.get_running_loop(), options)
    connection._protocol_factory = server  # noqa: SLF001 - this module is where asyncssh's internals are touched
    return connection
