"""Who lives: the books of dead processes are closed, those of living ones are left alone."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bastion.audit import verify
from bastion.journal import AuditLog
from bastion.presence import SILENT_SECONDS, Presence, born, space
from bastion.store.base import WorkerRow
from bastion.store.memory import MemoryStore
from bastion.store.thread import StoreThread
from tests.bastion.desk import START, Clock
from tests.bastion.store.rows import session


class Place:
    """A store that processes share; each has a presence of its own."""

    def __init__(self) -> None:
        self.thread = StoreThread(MemoryStore())
        self.clock = Clock()
        self.audit = AuditLog(self.thread, "node", self.clock)

    def process(self) -> Presence:
        return Presence(self.thread, self.audit, "node", self.clock, self.steady)

    def steady(self) -> float:
        return self.clock.now.timestamp()

    def elsewhere(self, name: str) -> None:
        """Have a process on another machine."""
        self.thread.store.workers.add(WorkerRow(name, "other", "another boot", 1, "1", self.clock()))

    def open(self, name: str, worker: str) -> None:
        self.thread.store.sessions.add(session(name, worker=worker))

    def living(self) -> set[str]:
        return {row.id for row in self.thread.store.sessions.list(live=True)}

    def closed(self) -> list[str]:
        entries = self.thread.store.journal.list()
        assert verify(entries).ok
        return [entry.session for entry in entries if entry.data.get("why") == "the bastion was killed"]


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    made = Place()
    yield made
    await made.audit.close()
    await made.thread.close()


async def test_a_start_closes_what_nobody_has_and_leaves_the_rest() -> None:
    async with place() as p:
        p.elsewhere("far")
        first = p.process()
        await first.arrive()
        for name, worker in (("old", ""), ("mine", first.id), ("theirs", "far")):
            p.open(name, worker)
        await p.process().arrive()
        assert p.living() == {"mine", "theirs"}
        assert p.closed() == ["old"]


async def test_a_process_that_died_here_is_known_at_once() -> None:
    async with place() as p:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
        row = WorkerRow("child", "node", space(), child.pid, born(child.pid), START)
        p.thread.store.workers.add(row)
        p.open("s", "child")
        me = p.process()
        await me.arrive()
        assert p.living() == {"s"}
        child.kill()
        await child.wait()
        assert [row.id for row in await me.bury()] == ["s"]
        assert p.living() == set()
        assert p.closed() == ["s"]
        assert [row.id for row in p.thread.store.workers.list()] == [me.id]


async def test_another_process_with_the_same_number_is_another_one() -> None:
    async with place() as p:
        p.thread.store.workers.add(WorkerRow("old", "node", space(), os.getpid(), "12345", START))
        p.open("s", "old")
        await p.process().arrive()
        assert p.living() == set()


async def test_a_process_elsewhere_is_dead_once_it_was_silent_for_long() -> None:
    async with place() as p:
        me = p.process()
        await me.arrive()
        p.elsewhere("far")
        p.open("s", "far")
        for _ in range(int(SILENT_SECONDS)):
            await me.bury()
            p.clock.advance(1)
        assert p.living() == {"s"}
        p.thread.store.workers.beat("far", p.clock())
        for _ in range(int(SILENT_SECONDS)):
            await me.bury()
            p.clock.advance(1)
        assert p.living() == {"s"}, "it said something meanwhile"
        p.clock.advance(2)
        await me.bury()
        assert p.living() == set()


async def test_clocks_need_not_agree_and_a_pause_makes_nobody_dead() -> None:
    """However old what it wrote looks: it counts from when we saw it first."""
    async with place() as p:
        p.elsewhere("far")
        p.open("s", "far")
        p.clock.advance(100_000)
        me = p.process()
        await me.arrive()
        await me.bury()
        assert p.living() == {"s"}


async def test_who_was_taken_for_dead_comes_back() -> None:
    async with place() as p:
        me = p.process()
        await me.arrive()
        p.thread.store.workers.remove(me.id)
        await me.beat()
        assert [row.id for row in p.thread.store.workers.list()] == [me.id]


async def test_leaving_closes_ones_own_books_alone() -> None:
    async with place() as p:
        me, other = p.process(), p.process()
        await me.arrive()
        await other.arrive()
        p.open("mine", me.id)
        p.open("theirs", other.id)
        await me.leave()
        assert p.living() == {"theirs"}
        assert [row.id for row in p.thread.store.workers.list()] == [other.id]


@pytest.mark.parametrize("pid", [2**22 + 1, 0])
def test_no_process_was_never_born(pid: int) -> None:
    assert born(pid) == ""
