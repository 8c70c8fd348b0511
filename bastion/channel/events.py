"""Journal entries of one channel that need not be written before the channel goes on: gathered, and written together.

Thousands of small files make thousands of entries; written one by one, each would cost a commit. They wait a moment for
company, at most `MOMENT`, and are all on the disk before the channel's books are closed. What cannot be written makes
the next `add` raise, which ends the channel.
"""

import asyncio
from contextlib import suppress

from bastion.audit import Event
from bastion.errors import BastionError, UnavailableError
from bastion.journal import AuditLog

MOMENT = 0.2  # seconds
MAX_WAITING = 5000
_BATCH = 500


class EventBatch:
    """Writes events in the order they are added; used from one event loop."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._events: list[Event] = []
        self._writer: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._error: BastionError | None = None

    def add(self, event: Event) -> None:
        """Take an event. Raises UnavailableError where earlier ones could not be written, or too many wait."""
        if self._error is not None:
            raise UnavailableError(str(self._error), log=self._error.log)
        if len(self._events) >= MAX_WAITING:
            raise UnavailableError("the journal does not keep up; try again in a moment")
        self._events.append(event)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write(), name="events")

    async def flush(self) -> None:
        """Wait until everything is written. Raises BastionError where it could not be."""
        self._hurry.set()
        if self._writer is not None:
            await self._writer
        if self._error is not None:
            raise self._error

    async def _write(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), MOMENT)
        try:
            while self._events:
                batch = self._events[:_BATCH]
                del self._events[:_BATCH]
                await self._audit.record(*batch)
        except BastionError as error:
            self._error = error
        finally:
            self._writer = None
