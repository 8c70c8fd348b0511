"""The caller's terminal, as a control-plane command sees it: a protocol, implemented once per kind of caller.

The CLI implements it over its own standard streams, the server over an SSH session channel. It carries bytes and sizes
only; how things are drawn is decided in `cli.console`. Bytes are passed on as they are: with a terminal at the other
end (`is_tty`) the writer has already turned newlines into CR LF and escaped what users chose.
"""

import asyncio
from typing import Protocol


class Terminal(Protocol):
    """Where one command writes, and what it reads.

    `is_tty` tells whether a person's terminal is at the other end (a PTY was asked for); only then `term`, `columns`,
    `rows` and `read` are meaningful, though `columns` and `rows` are always positive (80 by 24 where unknown).
    """

    @property
    def is_tty(self) -> bool:
        """Whether output is drawn on a terminal and keys can be read."""

    @property
    def color(self) -> bool:
        """Whether colours are welcome: a TTY whose TERM isn't `dumb`, and no NO_COLOR."""

    @property
    def term(self) -> str:
        """The terminal's type, as in TERM; empty where there is none."""

    @property
    def columns(self) -> int:
        """The present width in characters; follows window changes."""

    @property
    def rows(self) -> int:
        """The present height in characters; follows window changes."""

    @property
    def closed(self) -> asyncio.Event:
        """Set once nobody is there any more: a command that runs until it is stopped ends then."""

    def write(self, data: bytes) -> None:
        """Queue bytes for standard output. Call `drain` after each portion of more than a screenful."""

    def error(self, data: bytes) -> None:
        """Queue bytes for standard error."""

    async def drain(self) -> None:
        """Wait until the queue is short again. Returns at once when the other side is gone."""

    async def read(self, timeout: float | None = None) -> bytes | None:  # noqa: ASYNC109 - keys and ticks race here
        """Return the next input bytes as they came (keys in raw mode: b"q", b"\\x1b[A").

        None after `timeout` seconds without any, b"" at the end of input.
        """
