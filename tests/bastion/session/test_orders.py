"""Killing and disconnecting across processes: two of them on one store, each with its own registry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bastion.channel.live import Live
from bastion.errors import UnavailableError
from bastion.session import orders
from bastion.session.orders import Orders
from bastion.store.memory import MemoryStore
from bastion.store.thread import StoreThread
from tests.bastion.desk import Clock
from tests.bastion.store.rows import LATER, session


class Channel:
    """A live channel that is ended in the store once it is killed, unless it hangs."""

    def __init__(self, process: "Process", name: str, *, hangs: bool = False) -> None:
        self._process = process
        self._name = name
        self._hangs = hangs
        self.killed: list[tuple[str, str]] = []

    def tell(self, text: str) -> None:
        raise AssertionError(text)

    def kill(self, *, by: str, reason: str) -> None:
        self.killed.append((by, reason))
        if not self._hangs:
            self._process.live.remove(self._name)
            self._process.store.sessions.finish(session(self._name, ended=LATER))


class Connection:
    """A live connection."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.cut: list[str] = []

    def disconnect(self, *, by: str) -> None:
        self.cut.append(by)


class Process:
    """One process."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.live = Live()
        self.thread = StoreThread(store)
        self.clock = Clock()
        self.orders = Orders(self.live, self.thread, self.clock)

    def open(self, name: str, *, hangs: bool = False) -> Channel:
        channel = Channel(self, name, hangs=hangs)
        self.store.sessions.add(session(name))
        self.live.add(name, channel)
        return channel

    def connect(self, serial: int) -> Connection:
        connection = Connection(serial)
        self.live.connected(connection)
        return connection


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Process, Process]]:
    store = MemoryStore()
    processes = Process(store), Process(store)
    for process in processes:
        await process.orders.begin()
    tasks = [asyncio.create_task(process.orders.run()) for process in processes]
    yield processes
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for process in processes:
        await process.thread.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "INTERVAL", 0.01)
    monkeypatch.setattr(orders, "ANSWER_SECONDS", 0.3)


async def until_cut(connection: Connection) -> None:
    async with asyncio.timeout(5):
        while not connection.cut:  # noqa: ASYNC110 - what is awaited lies in the other process
            await asyncio.sleep(0.001)


async def test_a_session_is_killed_wherever_it_is() -> None:
    async with two() as (a, b):
        here, there = a.open("here"), b.open("there")
        assert await a.orders.kill("here", by="bob", reason="x")
        assert await a.orders.kill("there", by="bob", reason="y")
        assert (here.killed, there.killed) == ([("bob", "x")], [("bob", "y")])


async def test_what_does_not_end_is_reported() -> None:
    async with two() as (a, b):
        hanging = b.open("s", hangs=True)
        assert not await a.orders.kill("s", by="bob", reason="")
        assert hanging.killed == [("bob", "")]
        assert not await a.orders.kill("nowhere", by="bob", reason="")


async def test_connections_are_cut_here_at_once_and_elsewhere_soon() -> None:
    async with two() as (a, b):
        mine, other, theirs, none = a.connect(7), a.connect(8), b.connect(7), b.connect(0)
        assert await a.orders.disconnect(frozenset({7, 9}), by="bob") == 1
        assert mine.cut[0] == "bob"
        await until_cut(theirs)
        assert (other.cut, none.cut) == ([], [])


async def test_who_starts_later_carries_out_nothing_old() -> None:
    async with two() as (a, _):
        await a.orders.disconnect(frozenset({7}), by="bob")
        late = Process(a.store)
        fresh, meant = late.connect(7), late.connect(8)
        await late.orders.begin()
        task = asyncio.create_task(late.orders.run())
        await a.orders.disconnect(frozenset({8}), by="bob")
        await until_cut(meant)
        task.cancel()
        assert fresh.cut == []
        await late.thread.close()


async def test_a_store_that_fails_for_a_while_loses_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two() as (a, b):
        theirs = b.connect(7)
        failing = asyncio.Event()

        def fail(_number: int) -> object:
            failing.set()
            raise UnavailableError("the database is locked")

        with monkeypatch.context() as patch:
            patch.setattr(b.store.orders, "after", fail)
            await a.orders.disconnect(frozenset({7}), by="bob")
            await failing.wait()
            assert theirs.cut == []
        await until_cut(theirs)


async def test_old_orders_are_forgotten() -> None:
    async with two() as (a, _):
        await a.orders.disconnect(frozenset({7}), by="bob")
        a.clock.advance(2 * 3600)
        await a.orders.disconnect(frozenset({8}), by="bob")
        await a.orders.forget()
        assert [row.subject for row in a.store.orders.after(0)] == ["8"]
