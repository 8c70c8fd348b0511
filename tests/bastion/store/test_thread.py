"""The thread of a store: order, errors, limits and the end."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from bastion.errors import NotFoundError, UnavailableError
from bastion.store import thread as module
from bastion.store.memory import MemoryStore
from bastion.store.thread import StoreThread
from tests.bastion.store.rows import session


class Closing(MemoryStore):
    """A store that says when it was closed."""

    closed_by = ""

    def close(self) -> None:
        """Note the thread."""
        self.closed_by = threading.current_thread().name


@pytest.fixture
async def thread() -> AsyncIterator[StoreThread]:
    opened = StoreThread(Closing())
    yield opened
    await opened.close()


async def test_calls_run_elsewhere_one_by_one_in_order(thread: StoreThread) -> None:
    done: list[tuple[int, str]] = []

    def note(number: int, *, twice: bool) -> int:
        done.append((number, threading.current_thread().name))
        return number * (2 if twice else 1)

    results = await asyncio.gather(*(thread.run(note, n, twice=n % 2 == 0) for n in range(100)))
    assert results == [n * (2 if n % 2 == 0 else 1) for n in range(100)]
    assert [number for number, _ in done] == list(range(100))
    assert {name for _, name in done} == {"store_0"}


async def test_errors_come_back(thread: StoreThread) -> None:
    with pytest.raises(NotFoundError, match="no session 1"):
        await thread.run(thread.store.sessions.finish, session("1"))


async def test_a_started_call_is_finished_though_cancelled(thread: StoreThread) -> None:
    started, gate, finished = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        gate.wait()
        finished.set()

    task = asyncio.create_task(thread.run(slow))
    await asyncio.to_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await thread.run(lambda: None)
    assert finished.is_set()


async def test_too_many_waiting_calls_are_refused(thread: StoreThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    gate = threading.Event()
    tasks = [asyncio.create_task(thread.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="does not keep up"):
        await thread.run(gate.wait)
    gate.set()
    await asyncio.gather(*tasks)
    assert await thread.run(lambda: 7) == 7


async def test_closing_finishes_what_was_asked_for_and_refuses_more() -> None:
    store = Closing()
    thread = StoreThread(store)
    tasks = [asyncio.create_task(thread.run(lambda: store.closed_by)) for _ in range(10)]
    await asyncio.sleep(0)
    await thread.close()
    await thread.close()
    assert await asyncio.gather(*tasks) == [""] * 10
    assert store.closed_by == "store_0"
    with pytest.raises(UnavailableError, match="shutting down"):
        await thread.run(lambda: None)
