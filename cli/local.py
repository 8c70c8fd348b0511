"""The machine where the CLI was typed: its terminal over the process's own streams, and what a local command is given.

Keys are read from standard input only while `raw()` is entered.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bastion.errors import BastionError
from cli.console import safe

READ_SIZE = 32 * 1024


class LocalTerminal:
    """`bastion.control.terminal.Terminal` over standard input, output and error."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.closed = asyncio.Event()

    @property
    def is_tty(self) -> bool:
        """Whether a person sits at both ends: input and output are terminals."""
        return sys.stdin.isatty() and sys.stdout.isatty()

    @property
    def color(self) -> bool:
        """Whether colours are welcome (https://no-color.org)."""
        return self.is_tty and self.term not in {"", "dumb"} and not self._environment.get("NO_COLOR")

    @property
    def term(self) -> str:
        """TERM."""
        return self._environment.get("TERM", "")

    @property
    def columns(self) -> int:
        """The width now."""
        return shutil.get_terminal_size((80, 24)).columns

    @property
    def rows(self) -> int:
        """The height now."""
        return shutil.get_terminal_size((80, 24)).lines

    def write(self, data: bytes) -> None:
        """Write to standard output at once; blocks while a pipe is full, which is the back-pressure."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def error(self, data: bytes) -> None:
        """Write to standard error at once."""
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()

    async def drain(self) -> None:
        """Do nothing: writing has waited."""

    async def read(self, timeout: float | None = None) -> bytes | None:  # noqa: ASYNC109 - as the protocol says
        """Return the next bytes of standard input; None after `timeout` seconds, b"" at its end."""
        loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
        ready = asyncio.Event()
        try:
            loop.add_reader(descriptor, ready.set)
        except PermissionError:  # epoll takes no regular files; those never block
            return os.read(descriptor, READ_SIZE)
        try:
            async with asyncio.timeout(timeout):
                await ready.wait()
        except TimeoutError:
            return None
        finally:
            loop.remove_reader(descriptor)
        return os.read(descriptor, READ_SIZE)

    def can_ask(self) -> bool:
        """Whether a question can be put to a person: input and error are terminals."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def ask(self, question: str, *, echo: bool = True) -> str:
        """Put a question on standard error and return the answer's line, without echo for secrets.

        Blocks the whole program, which does nothing else meanwhile. `question` is made safe here, line by line.
        """
        shown = "\n".join(safe(line) for line in question.split("\n"))
        self.error(shown.encode())
        with contextlib.nullcontext() if echo else _silence():
            line = sys.stdin.readline()
        if not line:
            raise BastionError("no answer was given")
        return line.rstrip("\r\n")


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
        sys.stderr.write("\n")


@contextlib.contextmanager
def raw(on_resize: Callable[[], None]) -> Iterator[None]:
    """Put the terminal into raw mode, so that every key goes to the bastion, and tell window changes."""
    descriptor, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(descriptor)
    task = asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGWINCH, on_resize)
    for number in (signal.SIGTERM, signal.SIGHUP):  # the terminal must be given back before the process ends
        loop.add_signal_handler(number, task.cancel)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number in (signal.SIGWINCH, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


@dataclass(frozen=True, slots=True)
class LocalContext:
    """What a command gets that runs where it was typed.

    `arguments` is the whole command line without the connection options, `options` are those by name (`--server`).
    """

    terminal: LocalTerminal
    arguments: tuple[str, ...]
    options: Mapping[str, str]
    environment: Mapping[str, str]
    home: Path
