"""The audit journal as the server writes it: events of many connections, few commits, one order.

`AuditLog.record` returns once the events are on the disk. Events that arrive while a commit runs go into the next one
together (group commit), in the order of the calls. What cannot be written raises, and the caller fails closed.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from bastion.audit import Event, Verifier, VerifyResult, clean
from bastion.errors import BastionError, UnavailableError
from bastion.store.base import JournalEntry
from bastion.store.thread import StoreThread

MAX_QUEUED = 10_000
"""Events that may wait for a commit."""

_PAGE = 1000
_BEFORE_ALL = -(2**63)  # not 0, so that an entry put in before the first is found


class AuditLog:
    """Writes the journal of one node (a name of this bastion's, as in its configuration); used from one event loop."""

    def __init__(
        self,
        thread: StoreThread,
        node: str,
        clock: Callable[[], datetime],
        observe: Callable[[Event], None] = lambda _: None,
    ) -> None:
        """Write for one node; `observe` is told each event that was written, on the store's thread."""
        self._thread = thread
        self._node = node
        self._clock = clock
        self._observe = observe
        self._queue: list[tuple[Sequence[Event], asyncio.Future[None]]] = []
        self._queued = 0
        self._writer: asyncio.Task[None] | None = None

    async def record(self, *events: Event) -> None:
        """Write events to the journal; on return they are on the disk.

        Raise UnavailableError where they can't be written, TypeError or ValueError for data that is not plain JSON.
        A caller who is cancelled meanwhile doesn't take them back.
        """
        if not events:
            return
        cleaned = [clean(event) for event in events]  # here, so that a bad one fails its own caller only
        if self._queued + len(cleaned) > MAX_QUEUED:
            raise UnavailableError("the journal does not keep up; try again in a moment")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((cleaned, written))
        self._queued += len(cleaned)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_queue(), name="journal")
        await written

    def write(self, *events: Event) -> Sequence[JournalEntry]:
        """Write events at once, and return their entries: for code that runs on the store's thread.

        Within `Store.transaction` they are kept or lost together with the change they tell of.
        """
        entries = self._thread.store.journal.append(events, self._clock(), self._node)
        for event in events:
            self._observe(event)
        return entries

    async def verify(self) -> VerifyResult:
        """Check the whole chain up to its end as it is now, a page at a time, so that others can write meanwhile."""
        journal = self._thread.store.journal
        verifier = Verifier()
        verifier.expect(await self._thread.run(journal.head))
        after = _BEFORE_ALL
        while page := await self._thread.run(journal.list, after=after, limit=_PAGE):
            if not verifier.feed(page):
                break
            after = page[-1].seq
        return verifier.result()

    async def close(self) -> None:
        """Wait until everything recorded so far is written; call before closing the thread."""
        if self._writer is not None:
            await self._writer

    async def _write_queue(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                events = [event for group, _ in batch for event in group]
                self._queued -= len(events)
                error = await self._write_batch(events)
                for _, written in batch:
                    if written.done():  # the caller was cancelled
                        continue
                    if error is None:
                        written.set_result(None)
                    else:
                        written.set_exception(UnavailableError(str(error), log=error.log))
        finally:
            self._writer = None

    async def _write_batch(self, events: Sequence[Event]) -> BastionError | None:
        try:
            await self._thread.run(self.write, *events)
        except BastionError as error:
            return error
        except Exception as error:  # noqa: BLE001 - each caller must hear of it, whatever it is, and fail closed
            return UnavailableError("the journal cannot be written; see the server's log", log=repr(error))
        return None
