"""What a client sends before its channel is decided on and open: bounded, and kept where it may be a script to be read.

The bytes themselves wait in the pipeline; here they are kept once more only until the decision, so that a shell's input
can be decided on as a whole.
"""

import asyncio
from collections.abc import Callable

EARLY_LIMIT = 64 * 1024  # bytes, before the client is no longer read
SCRIPT_LIMIT = 1024 * 1024  # the same where a whole script is waited for
PATIENCE = 1.0  # seconds without a byte, after which a script counts as one that does not end


class EarlyInput:
    """The early bytes of one channel. `resume` has the client read again."""

    def __init__(self, resume: Callable[[], None]) -> None:
        self._resume = resume
        self._data = bytearray()
        self._size = 0
        self._limit = EARLY_LIMIT
        self._kept = True
        self._ended = False
        self._news = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether so much waits that the client should not be read."""
        return self._size > self._limit

    def add(self, data: bytes) -> None:
        """Take bytes."""
        self._size += len(data)
        if self._kept:
            self._data += data
            self._news.set()

    def end(self) -> None:
        """Take the end of the input."""
        self._ended = True
        self._news.set()

    def forget(self) -> None:
        """The channel is decided on: keep nothing any more."""
        self._kept, self._limit = False, EARLY_LIMIT
        self._data.clear()

    async def whole(self) -> bytes | None:
        """Wait for the end of the input and return all of it; None where it does not end soon, or is too long."""
        self._limit = SCRIPT_LIMIT
        self._resume()
        while not self._ended and not self.full:
            self._news.clear()
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._news.wait()
            except TimeoutError:
                return None
        return bytes(self._data) if self._ended else None
