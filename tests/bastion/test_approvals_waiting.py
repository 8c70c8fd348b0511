"""Waiting for people: woken at once here, soon where another process changed it, and never longer than asked."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from bastion.errors import NotFoundError, UnavailableError
from bastion.model import utcnow
from bastion.store import watch
from bastion.store.base import ApprovalRow, ApprovalState
from bastion.store.opening import open_store
from tests.bastion.desk import ALICE, BOB, CAROL, Clock, Desk, desk

T = TypeVar("T")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(open_store(f"sqlite:///{tmp_path}/b.db"), utcnow) as opened:
        yield opened


@pytest.fixture
async def there(here: Desk, tmp_path: Path) -> AsyncIterator[Desk]:  # after `here`
    """Another process on the same database, as far as the database can tell."""
    async with desk(open_store(f"sqlite:///{tmp_path}/b.db"), utcnow) as opened:
        yield opened


async def waiter(opened: Desk, row: ApprovalRow, seconds: float = 60) -> "asyncio.Task[ApprovalRow]":
    """Begin to wait, and return once it was seen pending and only a change can end it.

    That is after it was read a second time where the watch begins with it.
    """
    reads = 2 if opened.approvals._watch._poller is None else 1
    read = threading.Semaphore(0)
    get = opened.thread.store.approvals.get

    def watched(approval_id: str) -> ApprovalRow | None:
        found = get(approval_id)
        read.release()
        return found

    opened.thread.store.approvals.get = watched  # type: ignore[method-assign]  # the seam of this test
    task = asyncio.create_task(opened.approvals.wait(row.id, utcnow() + timedelta(seconds=seconds)))
    for _ in range(reads):
        assert await asyncio.to_thread(read.acquire, timeout=30)
    opened.thread.store.approvals.get = get  # type: ignore[method-assign]  # as it was
    return task


async def timed(task: Awaitable[T]) -> tuple[T, float]:
    """Return the result and the seconds until it was there."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    return await task, loop.time() - start


CHANGES: dict[str, tuple[Callable[[Desk, ApprovalRow], Awaitable[object]], ApprovalState]] = {
    "approved": (lambda d, row: d.decide(BOB, row), ApprovalState.APPROVED),
    "denied": (lambda d, row: d.decide(BOB, row, yes=False), ApprovalState.DENIED),
    "withdrawn": (lambda d, row: d.approvals.withdraw(row.id, ALICE), ApprovalState.WITHDRAWN),
}


@pytest.mark.parametrize(("change", "state"), CHANGES.values(), ids=CHANGES)
async def test_a_decision_here_wakes_at_once(
    here: Desk,
    change: Callable[[Desk, ApprovalRow], Awaitable[object]],
    state: ApprovalState,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 60)
    row = await here.ask()
    task = await waiter(here, row)
    await change(here, row)
    woken, seconds = await timed(task)
    assert woken.state is state
    assert seconds < 5  # far below the interval: it was woken, not asked for


@pytest.mark.parametrize(("change", "state"), CHANGES.values(), ids=CHANGES)
async def test_a_decision_elsewhere_is_seen_soon(
    here: Desk,
    there: Desk,
    change: Callable[[Desk, ApprovalRow], Awaitable[object]],
    state: ApprovalState,
) -> None:
    row = await here.ask()
    task = await waiter(here, row)
    await change(there, row)
    woken, seconds = await timed(task)
    assert woken.state is state
    assert seconds < 5


async def test_a_decision_before_the_watch_begins_is_seen(
    here: Desk, there: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 60)
    row = await here.ask()
    revision, asked, gate = here.thread.store.approvals.revision, threading.Event(), threading.Event()

    def gated() -> int:
        asked.set()
        gate.wait(30)
        return revision()

    here.thread.store.approvals.revision = gated  # type: ignore[method-assign]  # the seam of this test
    task = asyncio.create_task(here.approvals.wait(row.id, utcnow() + timedelta(seconds=60)))
    await asyncio.to_thread(asked.wait, 30)  # the request was read, and found pending
    await there.decide(BOB, row)
    gate.set()
    woken, seconds = await timed(task)
    assert woken.state is ApprovalState.APPROVED
    assert seconds < 5


async def test_two_people_have_to_speak(here: Desk, there: Desk) -> None:
    row = await here.ask(approvals=2)
    task = await waiter(here, row)
    await there.decide(BOB, row)
    await here.decide(CAROL, row)
    assert (await task).state is ApprovalState.APPROVED
    assert len((await task).decisions) == 2


async def test_what_was_decided_before_is_returned_at_once(here: Desk) -> None:
    row = await here.ask()
    approved = await here.decide(BOB, row)
    assert await here.approvals.wait(row.id, utcnow()) == approved


async def test_at_the_end_of_the_wait_it_may_still_be_open(here: Desk) -> None:
    row = await here.ask()
    assert await here.approvals.wait(row.id, utcnow()) == row
    assert await here.approvals.wait(row.id, utcnow() + timedelta(seconds=0.05)) == row
    assert here.events() == ["approval.requested"]


async def test_silence_ends_the_wait(here: Desk) -> None:
    row = await here.ask(timeout=0.05)
    late = await here.approvals.wait(row.id, utcnow() + timedelta(seconds=60))
    assert late.state is ApprovalState.EXPIRED
    assert here.events() == ["approval.requested", "approval.expired"]


async def test_an_unknown_one_is_not_waited_for(here: Desk) -> None:
    with pytest.raises(NotFoundError, match="there is no approval nope"):
        await here.approvals.wait("nope", utcnow() + timedelta(seconds=60))


async def test_each_waits_for_their_own(here: Desk) -> None:
    rows = [await here.ask(b"%d" % n) for n in range(20)]
    tasks = [await waiter(here, row) for row in rows]
    await here.decide(BOB, rows[7])
    assert (await tasks[7]).state is ApprovalState.APPROVED
    assert not any(task.done() for n, task in enumerate(tasks) if n != 7)
    for n, row in enumerate(rows):
        if n != 7:
            await here.decide(BOB, row, yes=False)
    assert {(await task).state for n, task in enumerate(tasks) if n != 7} == {ApprovalState.DENIED}


async def test_a_store_that_fails_for_a_while_delays_only(here: Desk, there: Desk) -> None:
    row = await here.ask()
    task = await waiter(here, row)
    revision, failures = here.thread.store.approvals.revision, 3
    failed = threading.Event()

    def failing() -> int:
        nonlocal failures
        failures -= 1
        if failures == 0:
            failed.set()
        if failures >= 0:
            raise UnavailableError("locked")
        return revision()

    here.thread.store.approvals.revision = failing  # type: ignore[method-assign]  # the seam of this test
    await there.decide(BOB, row)
    await asyncio.to_thread(failed.wait, 30)
    assert (await task).state is ApprovalState.APPROVED


async def test_nobody_waiting_costs_nothing(here: Desk) -> None:
    row = await here.ask()
    task = await waiter(here, row)
    await here.decide(BOB, row)
    await task
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "approvals"))  # it ends
    other = await here.ask(b"other")
    task = await waiter(here, other)
    await here.decide(BOB, other)
    assert (await task).state is ApprovalState.APPROVED


async def test_a_screen_is_told_of_every_change(here: Desk, there: Desk) -> None:
    async with aclosing(here.approvals.subscribe()) as changes:
        await anext(changes)
        row = await here.ask()
        await anext(changes)
        await there.decide(BOB, row)
        await anext(changes)
        assert (await here.approvals.get(row.id, BOB, may_approve=True)).state is ApprovalState.APPROVED


async def test_a_screen_misses_nothing_while_it_draws(here: Desk, there: Desk) -> None:
    async with aclosing(here.approvals.subscribe()) as changes:
        seen: list[str] = []
        rows: list[ApprovalRow] = []
        async for _ in changes:
            listed = await here.approvals.list(BOB, may_approve=True)
            seen = [row.id for row in listed]
            if len(seen) == 10:
                break
            if len(rows) < 10:  # between reading and waiting
                rows.append(await (here, there)[len(rows) % 2].ask(b"%d" % len(rows)))
    assert sorted(seen) == sorted(row.id for row in rows)


async def test_a_restart_loses_no_request_and_approves_nothing(tmp_path: Path) -> None:
    url, clock = f"sqlite:///{tmp_path}/b.db", Clock()
    async with desk(open_store(url), clock) as before:
        first, second, third = [await before.ask(command) for command in (b"1", b"2", b"3")]
        await before.decide(BOB, second)
        await before.decide(BOB, third)
        await before.approvals.use(third.digest)
    async with desk(open_store(url), clock) as after:
        assert await after.ask(b"1") == first
        assert await after.approvals.use(first.digest) is None
        assert (await after.ask(b"2")).state is ApprovalState.APPROVED
        assert await after.approvals.use(third.digest) is None
        assert (await after.approvals.use(second.digest)) is not None
        assert (await after.decide(BOB, first)).state is ApprovalState.APPROVED
        assert (await after.audit.verify()).ok
