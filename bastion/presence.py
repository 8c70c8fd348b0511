"""Which processes serve: this one says that it lives, and the books of those that died are closed.

A process of the same machine and the same namespace of processes is known to be dead as soon as it is; any other one
once it has said nothing for `SILENT_SECONDS`, as seen by our own clock, so that clocks need not agree and a database
that nobody could write for a while makes nobody dead.
"""

import os
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from bastion.audit import Event, EventType
from bastion.errors import NotFoundError
from bastion.journal import AuditLog
from bastion.store.base import SessionRow, WorkerRow
from bastion.store.thread import StoreThread

SILENT_SECONDS = 30.0
NOBODY = ""  # the worker of sessions that older versions left open


class Presence:
    """This process among all that use the store.

    Parameters
    ----------
    node: this machine's name, for people.
    clock: the time that is written down.
    steady: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        thread: StoreThread,
        audit: AuditLog,
        node: str,
        clock: Callable[[], datetime],
        steady: Callable[[], float],
    ) -> None:
        self.id = secrets.token_hex(8)
        self._thread = thread
        self._audit = audit
        self._node = node
        self._clock = clock
        self._steady = steady
        self._heard: dict[str, tuple[datetime, float]] = {}

    async def arrive(self) -> None:
        """Write down that this process serves; then close the books of the dead."""
        await self._thread.run(self._thread.store.workers.add, self._row())
        await self.bury([NOBODY])

    async def beat(self) -> None:
        """Write down that this process lives. Raises UnavailableError where nothing can be written."""
        try:
            await self._thread.run(self._thread.store.workers.beat, self.id, self._clock())
        except NotFoundError:  # another one took us for dead; what it closed is put right as sessions end
            await self._thread.run(self._thread.store.workers.add, self._row())

    async def bury(self, more: Sequence[str] = ()) -> Sequence[SessionRow]:
        """End the sessions that dead processes left open, and return them; `more` are ids known to be dead."""
        return await self._thread.run(self._close_books, more)

    async def leave(self) -> None:
        """Write down that this process serves no more."""
        await self.bury([self.id])

    def _row(self) -> WorkerRow:
        return WorkerRow(self.id, self._node, space(), os.getpid(), born(os.getpid()), self._clock())

    def _close_books(self, more: Sequence[str]) -> Sequence[SessionRow]:
        """Do so on the store's thread, the sessions and their journal in one transaction."""
        store = self._thread.store
        dead = [*more, *(row.id for row in store.workers.list() if row.id != self.id and self._is_dead(row))]
        if not dead:
            return []
        with store.transaction():
            orphans = store.sessions.close_orphans(self._clock(), dead)
            for worker in dead:
                store.workers.remove(worker)
            self._audit.write(*map(_killed, orphans))
        return orphans

    def _is_dead(self, row: WorkerRow) -> bool:
        if row.space == space():
            return born(row.pid) != row.born
        now = self._steady()
        seen, since = self._heard.get(row.id, (None, now))
        if seen != row.seen:
            since = now
        self._heard[row.id] = (row.seen, since)
        return now - since > SILENT_SECONDS


def space() -> str:
    """Return what process ids are unique in: this machine since it was started, and the namespace of processes."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"


def born(pid: int) -> str:
    """Return when a process started, in the kernel's own counting; an empty text where there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = status.rpartition(")")[2].split()  # after the name, which may hold anything; see proc(5)
    return "" if fields[0] in "ZX" else fields[19]


def _killed(row: SessionRow) -> Event:
    data = {"why": "the bastion was killed", "target": row.target}
    return Event(EventType.CHANNEL_CLOSE, row.identity, row.id, data)
