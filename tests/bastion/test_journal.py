"""The journal as written by the server: on the disk when said so, in order, and every change to it shows."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from bastion import journal
from bastion.audit import Event, EventType, JournalEntry
from bastion.errors import UnavailableError
from bastion.store.memory import MemoryStore
from bastion.store.opening import open_store
from tests.bastion.desk import Clock, Desk, desk


class Gated(MemoryStore):
    """A store whose journal waits for a gate, counts its transactions and fails when told."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.commits = 0
        self.error: Exception | None = None
        self._append = self.journal.append
        self.journal.append = self.append  # type: ignore[method-assign]  # the seam of this test

    def append(self, events: Sequence[Event], time: datetime, node: str = "") -> Sequence[JournalEntry]:
        """Append once the gate is open."""
        self.gate.wait()
        self.commits += 1
        if self.error is not None:
            raise self.error
        return self._append(events, time, node)


@pytest.fixture
def store() -> Gated:
    return Gated()


@pytest.fixture
async def counter(store: Gated) -> AsyncIterator[Desk]:
    async with desk(store, Clock()) as opened:
        yield opened
        store.gate.set()


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(open_store(f"sqlite:///{tmp_path}/b.db"), Clock()) as opened:
        yield opened


def login(number: int) -> Event:
    return Event(EventType.LOGIN, f"user{number}", data={"n": number})


def numbers(opened: Desk) -> list[int]:
    return [entry.data["n"] for entry in opened.journal()]


async def test_what_is_recorded_is_on_the_disk(kept: Desk, tmp_path: Path) -> None:
    await kept.audit.record(login(1), login(2))
    with closing(sqlite3.connect(tmp_path / "b.db")) as other:
        rows = other.execute("SELECT seq, time, node, identity, data FROM journal").fetchall()
    time = "2026-11-22T20:49:00.000Z"
    assert rows == [(1, time, "node-1", "user1", '{"n":1}'), (2, time, "node-1", "user2", '{"n":2}')]


async def test_nothing_is_nothing(counter: Desk, store: Gated) -> None:
    await counter.audit.record()
    assert (store.commits, counter.journal()) == (0, [])


async def test_many_at_once_share_commits_and_keep_their_order(counter: Desk, store: Gated) -> None:
    store.gate.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(counter.audit.record(login(2 * n), login(2 * n + 1))) for n in range(200)]
        await asyncio.sleep(0)  # every caller has queued by now: tasks run in the order they were made
        store.gate.set()
    assert all(task.done() for task in tasks)
    assert numbers(counter) == list(range(400))
    assert store.commits <= 2


async def test_one_after_the_other(counter: Desk) -> None:
    for n in range(10):
        await counter.audit.record(login(n))
        assert numbers(counter) == list(range(n + 1))


@pytest.mark.parametrize("error", [UnavailableError("the disk is full"), RuntimeError("a defect")], ids=repr)
async def test_what_cannot_be_written_fails_every_caller(counter: Desk, store: Gated, error: Exception) -> None:
    store.error = error
    outcomes = await asyncio.gather(*(counter.audit.record(login(n)) for n in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 5
    assert len({id(outcome) for outcome in outcomes}) == 5
    store.error = None
    await counter.audit.record(login(7))
    assert numbers(counter) == [7]


async def test_bad_data_fails_its_own_caller_only(counter: Desk) -> None:
    outcomes = await asyncio.gather(
        counter.audit.record(login(1)),
        counter.audit.record(login(2), Event(EventType.LOGIN, data={"x": b"bytes"})),
        counter.audit.record(login(3)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), TypeError, type(None)]
    assert numbers(counter) == [1, 3]


async def test_a_cancelled_caller_does_not_take_it_back(counter: Desk, store: Gated) -> None:
    store.gate.clear()
    first, second = (asyncio.create_task(counter.audit.record(login(n))) for n in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    store.gate.set()
    await second
    assert numbers(counter) == [1, 2]
    assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is asyncio.CancelledError


async def test_the_queue_is_bounded(counter: Desk, store: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_QUEUED", 3)
    store.gate.clear()
    running = asyncio.create_task(counter.audit.record(login(0)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the first one is with the store now, the queue is empty
    waiting = asyncio.create_task(counter.audit.record(login(1), login(2), login(3)))
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="does not keep up"):
        await counter.audit.record(login(4))
    store.gate.set()
    await asyncio.gather(running, waiting)
    assert numbers(counter) == [0, 1, 2, 3]


async def test_closing_waits_for_what_was_recorded(counter: Desk, store: Gated) -> None:
    store.gate.clear()
    task = asyncio.create_task(counter.audit.record(login(1)))
    await asyncio.sleep(0)
    task.cancel()
    threading.Timer(0.01, store.gate.set).start()
    await counter.audit.close()
    assert numbers(counter) == [1]


# the chain in the file


async def test_a_long_journal_is_verified_while_others_write(kept: Desk) -> None:
    await kept.audit.record(*(login(n) for n in range(2500)))
    async with asyncio.TaskGroup() as group:
        verifying = group.create_task(kept.audit.verify())
        for n in range(50):
            group.create_task(kept.audit.record(login(n)))
    result = verifying.result()
    assert result.ok
    assert result.count >= 2500


SEALED = [
    "UPDATE journal SET identity = 'm' WHERE seq = 3",
    "DELETE FROM journal WHERE seq = 3",
    "DELETE FROM journal",
    "INSERT OR REPLACE INTO journal VALUES (3, '', '', '', 'm', '', '', '', '')",
    "INSERT OR REPLACE INTO journal VALUES (9, '', '', '', 'm', '', '', '', '')",
    "UPDATE journal_head SET seq = 5",
    "UPDATE journal_head SET seq = 9",
    "UPDATE journal_head SET id = 2, seq = 10",
    "DELETE FROM journal_head",
    "INSERT INTO journal_head VALUES (2, 20, '')",
    "INSERT OR REPLACE INTO journal_head VALUES (1, 2, '')",
]


@pytest.mark.parametrize("statement", SEALED)
async def test_the_file_itself_is_append_only(kept: Desk, tmp_path: Path, statement: str) -> None:
    await kept.audit.record(*(login(n) for n in range(9)))
    with closing(sqlite3.connect(tmp_path / "b.db")) as other, pytest.raises(sqlite3.IntegrityError, match="journal"):
        other.execute(statement)
    assert (await kept.audit.verify()).count == 9


TAMPERINGS = {
    "UPDATE journal SET identity = 'm' WHERE seq = 3": (3, "changed"),
    "UPDATE journal SET data = '{\"n\": 2}' WHERE seq = 3": (3, "changed"),  # the same value, spelt otherwise
    'UPDATE journal SET data = \'{"n":1,"n":2}\' WHERE seq = 3': (3, "changed"),  # the last one counts
    "UPDATE journal SET data = '[]' WHERE seq = 3": (3, "changed"),
    "UPDATE journal SET data = 'no json' WHERE seq = 3": (3, "changed"),
    "UPDATE journal SET data = x'ff00' WHERE seq = 3": (3, "changed"),
    "UPDATE journal SET identity = x'ff00' WHERE seq = 3": (3, "changed"),
    "UPDATE journal SET identity = CAST(x'ff' AS TEXT) WHERE seq = 3": (3, "changed"),
    "UPDATE journal SET time = 5 WHERE seq = 3": (3, "changed"),
    "UPDATE journal SET prev = hash WHERE seq = 3": (3, "does not follow"),
    "DELETE FROM journal WHERE seq = 3": (3, "missing"),
    "DELETE FROM journal WHERE seq = 1": (1, "missing"),
    "DELETE FROM journal WHERE seq > 6": (7, "missing"),
    "DELETE FROM journal": (1, "missing"),
    "UPDATE journal SET seq = -seq WHERE seq IN (3, 4)": (-4, "stands after"),
    "UPDATE journal SET seq = CASE seq WHEN 3 THEN 40 ELSE seq END": (3, "missing"),
    "INSERT INTO journal VALUES (0, '', '', '', 'm', '', '', '', '')": (0, "stands after"),
    "INSERT INTO journal VALUES (10, '', '', '', 'm', '', '', '', '')": (10, "does not follow"),
    "UPDATE journal_head SET hash = prev FROM journal WHERE journal.seq = 9": (9, "replaced"),
}


@pytest.mark.parametrize(("statement", "found"), TAMPERINGS.items(), ids=TAMPERINGS)
async def test_tampering_with_the_file_shows(
    kept: Desk, tmp_path: Path, statement: str, found: tuple[int, str]
) -> None:
    await kept.audit.record(*(login(n) for n in range(9)))
    with closing(sqlite3.connect(tmp_path / "b.db")) as other, other:
        for (trigger,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f"DROP TRIGGER {trigger}")
        assert other.execute(statement).rowcount > 0
    result = await kept.audit.verify()
    assert (result.ok, result.first_bad_seq) == (False, found[0])
    assert found[1] in result.why


async def test_a_journal_without_head_takes_nothing(kept: Desk, tmp_path: Path) -> None:
    await kept.audit.record(login(1))
    with closing(sqlite3.connect(tmp_path / "b.db")) as other, other:
        other.execute("DROP TRIGGER journal_head_no_delete")
        other.execute("DELETE FROM journal_head")
    with pytest.raises(UnavailableError, match="lost its head"):
        await kept.audit.record(login(2))
    with pytest.raises(UnavailableError, match="lost its head"):
        await kept.audit.verify()


async def test_a_head_set_back_is_not_written_over(kept: Desk, tmp_path: Path) -> None:
    await kept.audit.record(login(1), login(2))
    with closing(sqlite3.connect(tmp_path / "b.db")) as other, other:
        other.execute("DROP TRIGGER journal_head_forward")
        other.execute("UPDATE journal_head SET seq = 1, hash = (SELECT hash FROM journal WHERE seq = 1)")
    with pytest.raises(UnavailableError, match="did not do what was asked"):
        await kept.audit.record(login(3))
    assert numbers(kept) == [1, 2]
