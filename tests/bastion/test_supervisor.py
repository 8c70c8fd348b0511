"""The parent of workers, with small programs in their place."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bastion import supervisor
from bastion.config.schema import Address
from bastion.seat import VARIABLE, Condition, Seat, decode_condition, take
from bastion.supervisor import Supervisor

# A worker of few lines: takes its seat, is ready, answers, and accepts connections whose first byte says what to do.
PROGRAM = """
import asyncio, os, signal, socket, sys, time
from bastion.seat import Condition, report, take

seat = take(os.environ)
folder = sys.argv[1]

async def talk(reader, writer):
    order = await reader.read(1)
    if order == b"d":
        os._exit(3)
    if order == b"h":
        time.sleep(1000)
    writer.write(b"%d %d\\n" % (seat.number, os.getpid()))
    await writer.drain()
    writer.close()

async def main():
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: open(f"{folder}/reloaded-{seat.number}", "w").close())
    for descriptor in seat.listening:
        await asyncio.start_server(talk, sock=socket.socket(fileno=descriptor))
    open(f"{folder}/{seat.number}-{os.getpid()}", "w").close()
    metrics = "# TYPE things counter\\nthings_total %d\\n" % seat.number
    await report(seat, lambda: Condition("", metrics), stop.set)
    await stop.wait()

if os.path.exists(f"{folder}/broken-{seat.number}"):
    sys.exit(7)
asyncio.run(main())
"""


class Parent:
    """A supervisor of such programs."""

    def __init__(self, made: Supervisor, folder: Path) -> None:
        self.supervisor = made
        self.folder = folder

    def started(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name[0].isdigit())

    async def say(self, order: bytes = b"?") -> str:
        """Connect, say what to do, and return the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.supervisor.port)
        writer.write(order)
        answer = await reader.read()
        writer.close()
        return answer.decode()


@asynccontextmanager
async def parent(folder: Path, monkeypatch: pytest.MonkeyPatch, count: int = 2) -> AsyncIterator[Parent]:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", PROGRAM, str(folder)])
    made = Supervisor(Address("127.0.0.1", 0), count)
    yield Parent(made, folder)
    await made.stop(5)


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in other processes
            await asyncio.sleep(0.01)


async def test_workers_share_the_port_are_asked_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with parent(tmp_path, monkeypatch) as p:
        assert await p.supervisor.start() == 0
        seen: set[str] = set()
        while len(seen) < 2:
            seen.add((await p.say()).split()[0])
        assert seen == {"1", "2"}
        assert await p.supervisor.unready() == ""
        assert b"things_total 3.0" in await p.supervisor.metrics()
        p.supervisor.reload()
        await until(lambda: len(list(tmp_path.glob("reloaded-*"))) == 2)
        assert await p.supervisor.stop(10) == 0
        for name in p.started():
            with pytest.raises(ProcessLookupError):
                os.kill(int(name.split("-")[1]), 0)


async def test_a_worker_that_dies_is_replaced_and_nobody_is_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with parent(tmp_path, monkeypatch) as p:
        assert await p.supervisor.start() == 0
        assert await p.say(b"d") == ""
        answers = await asyncio.gather(*(p.say() for _ in range(20)))
        assert all(answers), "connections made meanwhile wait for the next one"
        await until(lambda: len(p.started()) == 3)


async def test_the_first_one_says_whether_a_start_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken-1").touch()
    async with parent(tmp_path, monkeypatch) as p:
        assert await p.supervisor.start() == 7
        assert p.started() == []


async def test_another_one_that_cannot_start_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken-2").touch()
    async with parent(tmp_path, monkeypatch) as p:
        assert await p.supervisor.start() == 0
        assert await p.supervisor.unready() == "worker 2 is being started"
        (tmp_path / "broken-2").unlink()
        await until(lambda: len(p.started()) == 2)


async def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(supervisor, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(supervisor, "MOST_SILENT", 2)
    async with parent(tmp_path, monkeypatch, count=1) as p:
        assert await p.supervisor.start() == 0
        assert await p.say(b"h") == ""
        await until(lambda: len(p.started()) == 2)
        assert (await p.say()).startswith("1 ")


async def test_workers_that_do_not_end_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with parent(tmp_path, monkeypatch, count=1) as p:
        assert await p.supervisor.start() == 0
        hanging = asyncio.create_task(p.say(b"h"))
        await asyncio.wait({hanging}, timeout=0.2)
        assert await p.supervisor.stop(0.2) == signal.SIGKILL
        await hanging


def test_a_seat_is_taken_once() -> None:
    seat = Seat(2, 3, (5, 6), 7)
    environ = {VARIABLE: seat.spelt(), "PATH": "/bin"}
    assert take(environ) == seat
    assert environ == {"PATH": "/bin"}
    assert take(environ) is None


def test_answers_travel_in_one_line() -> None:
    condition = Condition("why\n", "a\nb\n")
    assert condition.encode().count(b"\n") == 1
    assert decode_condition(condition.encode()) == condition
    for wrong in (b"", b"[]", b'["a"]', b"{"):
        with pytest.raises(ValueError):
            decode_condition(wrong)
