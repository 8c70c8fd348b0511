"""A session channel on the bastion itself: the control plane, and the command `login`.

Implements `bastion.control.terminal.Terminal` over the channel. What the commands do is not known here: `app` injects
the function that runs a command line.
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Protocol

import asyncssh

from bastion.errors import BastionError

log = logging.getLogger(__name__)

INPUT_LIMIT = 64 * 1024  # bytes of the caller kept before they are read


class Work(Protocol):
    """What a console runs once the client said what it wants."""

    def __call__(self, command: str, terminal: "Console") -> Awaitable[int]:
        """Run a command line and return the exit status."""


class Console(asyncssh.SSHServerSession[bytes]):
    """One control-plane channel; also the terminal of the command that runs in it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._command = ""
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._input = bytearray()
        self._ended = False
        self._reads_keys = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.closed = asyncio.Event()

    # asyncssh's callbacks

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The channel is open."""
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: object, term_modes: object) -> bool:  # noqa: ARG002
        """Accept a PTY: commands draw on it."""
        return True

    def shell_requested(self) -> bool:
        """A plain `ssh bastion` shows the help."""
        return True

    def exec_requested(self, command: str) -> bool:
        """Note the command line."""
        self._command = command.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return True

    def session_started(self) -> None:
        """Run the command."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes, datatype: int | None) -> None:  # noqa: ARG002 - clients send no stderr
        """Keep input until the command reads it; a terminal's Ctrl-C ends a command that reads no keys."""
        if self.is_tty and b"\x03" in data and not self._reads_keys and self._task is not None:
            self._task.cancel()
        self._input += data
        if len(self._input) > INPUT_LIMIT and self._channel is not None:
            self._channel.pause_reading()
        self._readable.set()

    def eof_received(self) -> bool:
        """The caller sends no more; what runs goes on."""
        self._ended = True
        self._readable.set()
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Nothing to do: sizes are asked of the channel when needed."""

    def signal_received(self, signal: str) -> None:
        """End the command on INT, TERM and HUP, as a terminal would."""
        if signal in {"INT", "TERM", "HUP"} and self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """Nobody is there any more."""
        self._channel = None
        self._ended = True
        self.closed.set()
        self._readable.set()
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    # The terminal

    @property
    def is_tty(self) -> bool:
        """Whether the client asked for a PTY."""
        return self._channel is not None and self._channel.get_terminal_type() is not None

    @property
    def term(self) -> str:
        """The terminal's type, empty without one."""
        return (self._channel.get_terminal_type() or "") if self._channel is not None else ""

    @property
    def color(self) -> bool:
        """Whether colours are welcome."""
        return self.is_tty and self.term != "dumb" and not self._variable("NO_COLOR")

    @property
    def columns(self) -> int:
        """The width in characters."""
        return (self._channel.get_terminal_size()[0] if self._channel is not None else 0) or 80

    @property
    def rows(self) -> int:
        """The height in characters."""
        return (self._channel.get_terminal_size()[1] if self._channel is not None else 0) or 24

    def write(self, data: bytes) -> None:
        """Queue bytes for standard output."""
        self._send(data, None)

    def error(self, data: bytes) -> None:
        """Queue bytes for standard error; a terminal has but one stream."""
        self._send(data, None if self.is_tty else asyncssh.EXTENDED_DATA_STDERR)

    async def drain(self) -> None:
        """Wait until the client took most of what was queued."""
        await self._writable.wait()

    async def read(self, timeout: float | None = None) -> bytes | None:  # noqa: ASYNC109 - keys and ticks race here
        """Return the next bytes, None after `timeout` seconds without any, b"" at the end."""
        self._reads_keys = True
        if not self._input and not self._ended:
            self._readable.clear()
            try:
                await asyncio.wait_for(self._readable.wait(), timeout)
            except TimeoutError:
                return None
        data = bytes(self._input)
        self._input.clear()
        if self._channel is not None:
            self._channel.resume_reading()
        return data

    def _send(self, data: bytes, datatype: int | None) -> None:
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(data, datatype)

    def _variable(self, name: str) -> str:
        return self._channel.get_environment().get(name, "") if self._channel is not None else ""

    async def _run(self) -> None:
        status = 1
        try:
            status = await self._work(self._command, self)
        except asyncio.CancelledError:
            status = 130
        except BastionError as error:
            status = error.exit_status
            self.error(f"bastion: {error}{self.newline}".encode())
        except Exception:
            log.exception("a control-plane command failed")
            self.error(f"bastion: internal error; the server's log has the details{self.newline}".encode())
        finally:
            if self._channel is not None:
                self._channel.exit(status)

    @property
    def newline(self) -> str:
        """What ends a line at the other end."""
        return "\r\n" if self.is_tty else "\n"
