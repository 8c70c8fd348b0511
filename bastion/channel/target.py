"""The target's side of a session channel: opens it as the client asked, and hands everything to the relay."""

import logging
from collections.abc import Mapping
from typing import Protocol

import asyncssh
from asyncssh.misc import encode_env

from bastion.channel.failures import DEFECT, contained
from bastion.channel.requests import ChannelRequest
from bastion.model import ChannelKind, Stream
from bastion.target.connection import Ask, TargetConnection, ask_agent, ask_x11, open_session

log = logging.getLogger(__name__)


class TargetEvents(Protocol):
    """What the relay wants to know of the target."""

    def target_data(self, stream: Stream, data: bytes) -> None:
        """Bytes came from the target."""

    def target_eof(self) -> None:
        """The target sends no more."""

    def target_exit(self, status: str, signal: tuple[bool, str, str] | None) -> None:
        """The command ended: a number, or a signal's name with (core dumped, message, language)."""

    def target_closed(self, error: Exception | None) -> None:
        """The channel is gone."""

    def target_congested(self, congested: bool) -> None:
        """The target does, or does no longer, take bytes as fast as they come."""

    def kill(self, *, by: str, reason: str) -> None:
        """The channel must end."""

    def tell(self, text: str) -> None:
        """The user has to know something of the target."""


class TargetSession(asyncssh.SSHClientSession[bytes]):
    """asyncssh's callbacks, in the relay's words."""

    def __init__(self, events: TargetEvents) -> None:
        self._events = events

    @contained
    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Bytes from the target; extended data (RFC 4254 section 5.2) is stderr."""
        self._events.target_data(Stream.STDERR if datatype else Stream.STDOUT, data)

    def eof_received(self) -> bool:
        """EOF from the target; True keeps our direction open."""
        self._end()
        return True

    @contained
    def _end(self) -> None:
        self._events.target_eof()

    @contained
    def exit_status_received(self, status: int) -> None:
        """An exit status (RFC 4254 section 6.10)."""
        self._events.target_exit(str(status), None)

    @contained
    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """An exit signal (RFC 4254 section 6.10)."""
        self._events.target_exit(f"SIG{signal}", (core_dumped, msg, lang))

    @contained
    def connection_lost(self, exc: Exception | None) -> None:
        """The channel closed."""
        self._events.target_closed(exc)

    @contained
    def pause_writing(self) -> None:
        """The channel's send buffer is full."""
        self._events.target_congested(True)

    @contained
    def resume_writing(self) -> None:
        """The channel's send buffer has room again."""
        self._events.target_congested(False)

    def fail(self) -> None:
        """End the channel; the connection to the target stays, for others."""
        try:
            self._events.kill(by="the bastion", reason=DEFECT)
        except Exception:
            log.exception("a channel that failed could not say so")


async def open_target(
    connection: asyncssh.SSHClientConnection,
    request: ChannelRequest,
    shell: bytes | None,
    env: Mapping[bytes | str, bytes | str],
    events: TargetEvents,
) -> asyncssh.SSHClientChannel[bytes]:
    """Open a session channel on the target, with the client's terminal and command, byte for byte.

    `shell` is a command to run in place of a shell.

    Where the target denies an agent or a display, the user is told and the session goes on, as with plain ssh.
    Raises asyncssh.ChannelOpenError where the target refuses the channel or the request.
    """
    assert isinstance(connection, TargetConnection)
    terminal = request.terminal
    named = request.kind not in (ChannelKind.EXEC, ChannelKind.SHELL)
    channel = await open_session(
        connection,
        lambda: TargetSession(events),
        command=request.command if request.kind is ChannelKind.EXEC else shell,
        subsystem=request.command.decode("ascii") if named else None,
        env=dict(encode_env(env)),
        terminal=(terminal.term, terminal.size, dict(terminal.modes)) if terminal is not None else None,
        asks=_asks(request),
    )
    for name in channel.refused:
        events.tell(f"the target refuses {name}")
    return channel


def _asks(request: ChannelRequest) -> list[Ask]:
    asks = [ask_agent()] if request.agent else []
    if (display := request.display) is not None:
        asks.append(
            ask_x11(single=display.single, protocol=display.protocol, cookie=display.cookie, screen=display.screen)
        )
    return asks
