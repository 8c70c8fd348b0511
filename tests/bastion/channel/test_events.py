"""Journal entries of a channel, gathered: in order, in few commits, and loud where they can't be written."""

import asyncio

import pytest

from bastion.audit import Event, EventType
from bastion.channel.events import MAX_WAITING, EventBatch
from bastion.errors import UnavailableError


class Log:
    """A journal that notes what it is given, and fails while told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.written = asyncio.Event()
        self.broken = False

    async def record(self, *events: Event) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise UnavailableError("the disk is full")
        self.batches.append([event.session for event in events])
        self.written.set()


def make() -> tuple[Log, EventBatch]:
    log = Log()
    return log, EventBatch(log)  # type: ignore[arg-type]  # all that is used of an AuditLog


def event(number: int) -> Event:
    return Event(EventType.FILE_UPLOAD, "alice", str(number))


async def test_thousands_are_written_in_order_and_in_few_commits() -> None:
    log, batch = make()
    for number in range(3000):
        batch.add(event(number))
    await batch.flush()
    assert [session for group in log.batches for session in group] == [str(number) for number in range(3000)]
    assert len(log.batches) < 10


async def test_they_are_written_without_being_asked() -> None:
    log, batch = make()
    batch.add(event(1))
    await asyncio.wait_for(log.written.wait(), 10)
    batch.add(event(2))
    await batch.flush()
    assert log.batches == [["1"], ["2"]]


async def test_a_journal_that_fails_is_noticed() -> None:
    log, batch = make()
    log.broken = True
    batch.add(event(1))
    with pytest.raises(UnavailableError, match="disk is full"):
        await batch.flush()
    with pytest.raises(UnavailableError, match="disk is full"):
        batch.add(event(2))


async def test_what_waits_is_bounded() -> None:
    _, batch = make()
    for number in range(MAX_WAITING):
        batch.add(event(number))
    with pytest.raises(UnavailableError, match="keep up"):
        batch.add(event(0))
    await batch.flush()


async def test_nothing_to_write() -> None:
    log, batch = make()
    await batch.flush()
    assert log.batches == []
