"""Tells those who wait that an approval changed, in this process or another one on the same database.

One task asks the store for the number of its latest change, ten times a second and at once after a change of our own,
and only while somebody waits. A wake-up says "look again", nothing more.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bastion.errors import UnavailableError
from bastion.store.thread import StoreThread

INTERVAL = 0.1
"""Seconds until a change made by another process is seen."""


class ApprovalWatch:
    """Wakes waiters of one event loop."""

    def __init__(self, thread: StoreThread) -> None:
        self._thread = thread
        self._waiters: dict[asyncio.Event, str | None] = {}
        self._poke = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None

    @contextmanager
    def waiting(self, approval_id: str | None = None) -> Iterator[asyncio.Event]:
        """Give an event that is set when this approval (or any, for None) may have changed since the block began.

        The waiter clears it before looking.
        """
        event = asyncio.Event()
        self._waiters[event] = approval_id
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll(), name="approvals")
        try:
            yield event
        finally:
            del self._waiters[event]

    def poke(self) -> None:
        """Look now: this process just changed an approval."""
        self._poke.set()

    async def close(self) -> None:
        """Stop asking the store; who still waits is no longer woken."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def _poll(self) -> None:
        seen: int | None = None
        try:
            while self._waiters:
                self._poke.clear()
                try:
                    seen = await self._look(seen)
                except UnavailableError:
                    seen = (
                        None  # waiters give up by their own deadlines; changes may be missed, so all look again later
                    )
                await self._pause()
        finally:
            self._poller = None

    async def _look(self, seen: int | None) -> int:
        """Wake those whose approval changed after change number `seen`, all where that is not known."""
        store = self._thread.store.approvals
        latest = await self._thread.run(store.revision)
        if latest == seen:
            return latest
        changed = None if seen is None else set(await self._thread.run(store.changed, seen))
        for event, approval_id in self._waiters.items():
            if changed is None or approval_id is None or approval_id in changed:
                event.set()
        return latest

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(INTERVAL):
                await self._poke.wait()
        except TimeoutError:
            pass
