"""asyncssh's client connection with what forwarding agents and displays through a bastion needs.

asyncssh would connect agent and X11 channels to sockets of this machine, and ask for X11 with a cookie of its own. Here
they go back to the client that asked, whose cookie is passed on untouched. Leans on internals of asyncssh;
`tests/bastion/target/test_connection.py` notices when a new one changes them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import asyncssh
from asyncssh.channel import SSHX11Channel
from asyncssh.packet import Boolean, SSHPacket, String, UInt32

from bastion.bounds import BoundedChannel, BoundedConnection
from bastion.packets import FrugalPackets
from bastion.transport import PACKET, WINDOW

AGENT = "agent forwarding"
X11 = "X11 forwarding"
_STARTS = (b"shell", b"exec", b"subsystem")

Session = asyncssh.SSHTCPSession[bytes]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that goes before the shell or command of a session channel; `name` is for people."""

    name: str
    request: bytes
    arguments: tuple[bytes, ...] = field(default=(), repr=False)  # an X11 cookie is a secret


def ask_agent() -> Ask:
    """Return the request for an agent socket on the target (OpenSSH's PROTOCOL.agent)."""
    return Ask(AGENT, b"auth-agent-req@openssh.com")


def ask_x11(*, single: bool, protocol: bytes, cookie: bytes, screen: int) -> Ask:
    """Return the request for a display on the target (RFC 4254 section 6.3.1)."""
    return Ask(X11, b"x11-req", (Boolean(single), String(protocol), String(cookie), UInt32(screen)))


class Homeward(Protocol):
    """Takes what the target opens towards the client. Raises asyncssh.ChannelOpenError, and nothing else, to refuse."""

    def agent_called(self, connection: "TargetConnection") -> Awaitable[Session]:
        """A program on the target wants the client's agent."""

    def x11_called(self, connection: "TargetConnection", host: str, port: int) -> Awaitable[Session]:
        """A program on the target, at `host` and `port` as the target says, wants the client's display."""


class TargetConnection(BoundedConnection, FrugalPackets, asyncssh.SSHClientConnection):
    """A connection to a target. Without `homeward`, agent and X11 channels are refused."""

    homeward: Homeward | None = None
    agent_granted = False  # sshd agrees once a connection, and for all its sessions

    def forget_sign_in(self, common: asyncssh.SSHClientConnectionOptions) -> None:
        """Keep no credential once it has done its service, and of the options what all connections share."""
        self._options = common
        self._client_keys, self._password = [], None
        self._server_sig_algs = set()

    def _process_auth_agent_at_openssh_dot_com_open(  # type: ignore[override]  # a bridge's end fits any forward
        self, packet: SSHPacket
    ) -> tuple[asyncssh.SSHUNIXChannel[bytes], Awaitable[Session]]:
        packet.check_end()
        if self.homeward is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no agent was asked for")
        return self.create_unix_channel(window=WINDOW, max_pktsize=PACKET), self.homeward.agent_called(self)

    def _process_x11_open(  # type: ignore[override]  # a bridge's end fits any forward
        self, packet: SSHPacket
    ) -> tuple[SSHX11Channel, Awaitable[Session]]:
        host = packet.get_string().decode("utf-8", "replace")
        port = packet.get_uint32()
        packet.check_end()
        if self.homeward is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no display was asked for")
        return self.create_x11_channel(WINDOW, PACKET), self.homeward.x11_called(self, host, port)


class TargetChannel(BoundedChannel, asyncssh.SSHClientChannel[bytes]):
    """A session channel that asks for more before its shell or command. `refused` names what the target denied."""

    _conn: TargetConnection

    def __init__(self, connection: TargetConnection, asks: Sequence[Ask]) -> None:
        super().__init__(connection, asyncio.get_running_loop(), "replace", None, "strict", WINDOW, PACKET)
        self._asks = asks
        self.refused: list[str] = []

    async def _make_request(self, request: bytes, *args: bytes) -> bool | None:
        if request in _STARTS and self._send_chan is not None:
            for ask in self._asks:
                self._ask(ask)
        return await super()._make_request(request, *args)

    def _ask(self, ask: Ask) -> None:
        """Send a request without waiting: its answer comes before that to the next one (RFC 4254 section 5.4)."""
        answer: asyncio.Future[bool] = self._loop.create_future()
        answer.add_done_callback(partial(self._answered, ask))
        self._request_waiters.append(answer)
        self._send_request(ask.request, *ask.arguments, want_reply=True)

    def _answered(self, ask: Ask, answer: asyncio.Future[bool]) -> None:
        granted = not answer.cancelled() and answer.exception() is None and answer.result()
        if ask.name == AGENT:
            self._conn.agent_granted = granted = granted or self._conn.agent_granted
        if not granted:
            self.refused.append(ask.name)


async def open_session(
    connection: TargetConnection,
    factory: Callable[[], asyncssh.SSHClientSession[bytes]],
    *,
    command: bytes | None,
    subsystem: str | None,
    env: Mapping[bytes, bytes],
    terminal: tuple[str, tuple[int, int, int, int], Mapping[int, int]] | None,
    asks: Sequence[Ask],
) -> TargetChannel:
    """Open a session channel, in bytes, and start what it is for; without command and subsystem a shell.

    `terminal` is a PTY's type, size and modes. Raises asyncssh.ChannelOpenError where the target refuses.
    """
    channel = TargetChannel(connection, asks)
    term, size, modes = terminal or (None, (0, 0, 0, 0), {})
    await channel.create(
        factory,
        command,  # type: ignore[arg-type]  # bytes go out as they are
        subsystem,
        dict(env),
        terminal is not None,
        term,
        size,
        dict(modes),
        x11_forwarding=False,
        x11_display=None,
        x11_auth_path=None,
        x11_single_connection=False,
        agent_forwarding=False,
    )
    return channel
