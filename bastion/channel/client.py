"""The client's side of a session channel: asyncssh's callbacks in the relay's words.

asyncssh calls the request handlers without awaiting them, so none of them may be a coroutine; an exception in one would
close the whole connection, so none may raise. Requests are only noted here; `session_started` begins.
"""

import logging
from collections.abc import Callable, Mapping

import asyncssh

from bastion.channel.failures import DEFECT, contained
from bastion.channel.relay import Relay
from bastion.channel.requests import ChannelRequest, Display, Terminal
from bastion.errors import BastionError
from bastion.inspectors.actions import ExitStatus
from bastion.model import ChannelKind, Stream
from recorder.errors import RecordingError

log = logging.getLogger(__name__)

COMMAND_MAX = 256 * 1024 - 1024  # bytes: an sshd takes no larger packet
STDERR = asyncssh.EXTENDED_DATA_STDERR

Begin = Callable[[ChannelRequest, "ClientSession"], Relay]


class ClientSession(asyncssh.SSHServerSession[bytes]):
    """One session channel a client opened to a target.

    `begin` makes the relay once the client said what the channel is for; it raises BastionError to refuse. `may` says
    whether an agent or a display may come with it; `facts` are what lines of the log say they belong to.
    """

    def __init__(
        self, begin: Begin, may: Callable[[ChannelKind], bool] = lambda _: False, facts: Mapping[str, str] | None = None
    ) -> None:
        self._begin = begin
        self._facts = {"facts": facts or {}}
        self._may = may
        self._agent = False
        self._display: Display | None = None
        self._relay: Relay | None = None
        self._wish: tuple[ChannelKind, bytes] = (ChannelKind.SHELL, b"")
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None

    # asyncssh's callbacks

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The channel is open."""
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: object, term_modes: object) -> bool:  # noqa: ARG002
        """Accept a PTY: what it may be used for is decided with the shell or exec request."""
        return True

    def agent_requested(self) -> bool:
        """Note that the client's agent is to be forwarded, where that is granted."""
        self._agent = self._relay is None and self._may(ChannelKind.AGENT)
        return self._agent

    def display_requested(self, display: Display) -> bool:
        """Note that the client's display is to be forwarded, where that is granted."""
        if self._relay is not None or self._display is not None or not self._may(ChannelKind.X11):
            return False
        self._display = display
        return True

    def shell_requested(self) -> bool:
        """Note a shell request."""
        self._wish = (ChannelKind.SHELL, b"")
        return True

    def exec_requested(self, command: str) -> bool:
        """Note an exec request; bytes that are no UTF-8 came in as surrogates and go out as they were."""
        self._wish = (ChannelKind.EXEC, command.encode("utf-8", "surrogateescape"))
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        """Note a subsystem request."""
        kind = ChannelKind.SFTP if subsystem == "sftp" else ChannelKind.SUBSYSTEM
        self._wish = (kind, subsystem.encode("ascii", "replace"))
        return True

    def session_started(self) -> None:
        """Begin: everything the client wished for is known."""
        size = len(self._wish[1])
        if size > COMMAND_MAX:
            self._refuse(
                f"this command is {size} bytes long, {COMMAND_MAX} at most are taken; "
                "give it to a shell as its input: ssh HOST bash -s < FILE"
            )
            return
        try:
            self._relay = self._begin(self._request(), self)
            self._relay.start()
        except BastionError as error:
            self._refuse(str(error))
        except RecordingError as error:
            log.error(  # noqa: TRY400 - the cause is in it
                "a channel was refused, its recording could not be started: %s", error, extra=self._facts
            )
            self._refuse("this session can't be recorded, so it is not opened; ask an administrator")
        except Exception:
            log.exception("a channel was refused", extra=self._facts)
            self._refuse(DEFECT)

    @contained
    def data_received(self, data: bytes, datatype: int | None) -> None:  # noqa: ARG002 - clients send no stderr
        """Bytes from the client."""
        if self._relay is not None:
            self._relay.client_data(data)

    def eof_received(self) -> bool:
        """EOF from the client; True keeps our direction open."""
        self._end()
        return True

    @contained
    def _end(self) -> None:
        if self._relay is not None:
            self._relay.client_eof()

    @contained
    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """A window change."""
        if self._relay is not None:
            self._relay.client_resized(width, height, pixwidth, pixheight)

    @contained
    def signal_received(self, signal: str) -> None:
        """A signal request."""
        if self._relay is not None:
            self._relay.client_signal(signal)

    def break_received(self, msec: int) -> bool:
        """A break request; False where it can't be passed on."""
        try:
            return self._relay is not None and self._relay.client_break(msec)
        except Exception:
            log.exception("a break could not be passed on", extra=self._facts)
            return False

    @contained
    def pause_writing(self) -> None:
        """The client takes no more for now."""
        if self._relay is not None:
            self._relay.client_congested(True)

    @contained
    def resume_writing(self) -> None:
        """The client takes bytes again."""
        if self._relay is not None:
            self._relay.client_congested(False)

    @contained
    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """The channel is closed."""
        self._channel = None
        if self._relay is not None:
            self._relay.client_closed()

    def fail(self) -> None:
        """End this channel alone."""
        try:
            if self._relay is not None:
                self._relay.kill(by="the bastion", reason=DEFECT)
        except Exception:
            log.exception("a channel that failed could not say so", extra=self._facts)
            if self._channel is not None:
                self._channel.abort()

    # What the relay does to the client

    def send(self, stream: Stream, data: bytes) -> None:
        """Send bytes on stdout or stderr; nothing once the client is gone."""
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(data, STDERR if stream is Stream.STDERR else None)

    def send_eof(self) -> None:
        """Half-close."""
        if self._channel is not None:
            self._channel.write_eof()

    def read(self, reading: bool) -> None:
        """Start or stop reading from the client."""
        if self._channel is not None:
            (self._channel.resume_reading if reading else self._channel.pause_reading)()

    def exit(self, status: str | None, signal: tuple[bool, str, str] | None) -> None:
        """Report how it ended and close."""
        if self._channel is None:
            return
        if signal is not None and status is not None:
            self._channel.exit_with_signal(status.removeprefix("SIG"), *signal)
        elif status is not None:
            self._channel.exit(int(status))
        else:
            self._channel.close()

    def _request(self) -> ChannelRequest:
        assert self._channel is not None
        terminal = None
        if (term := self._channel.get_terminal_type()) is not None:
            modes = tuple(self._channel.get_terminal_modes().items())
            terminal = Terminal(term, *self._channel.get_terminal_size(), modes)
        kind, command = self._wish
        env = tuple(self._channel.get_environment().items())
        return ChannelRequest(kind, command, terminal, env, self._agent, self._display)

    def _refuse(self, text: str) -> None:
        if self._channel is not None:
            on_terminal = self._channel.get_terminal_type() is not None
            line = f"bastion: {text}" + ("\r\n" if on_terminal else "\n")
            self.send(Stream.STDOUT if on_terminal else Stream.STDERR, line.encode())
            self._channel.exit(int(ExitStatus.FAILED))
