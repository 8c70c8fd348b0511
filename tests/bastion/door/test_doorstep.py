"""Waiting in line before the door, on real sockets; the door behind is a stand-in that says hello."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest

from bastion.door import doorstep
from bastion.door.doorstep import EARLY_BYTES, MOST_WAITING_ADDRESS, REFUSAL, Doorstep, Line
from bastion.door.limits import MAX_UNPROVEN_ADDRESS, DoorLimits
from bastion.door.throttle import BURST, RATE, Throttle


class Inside(asyncio.Protocol):
    """Who was let in; answers with what the client said so far."""

    def __init__(self, everybody: list["Inside"]) -> None:
        self.transport: Any = None
        self.heard = b""
        everybody.append(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(b"hello\n")

    def data_received(self, data: bytes) -> None:
        self.heard += data


class Porch:
    """A listener with a line before it, and a clock the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.limits = DoorLimits()
        self.line = Line(self.limits, Throttle(), lambda: self.now)
        self.inside: list[Inside] = []
        self.port = 0

    async def come(self, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Let clients connect, and wait until the listener has seen them all."""
        seen = self._seen()
        clients = [await asyncio.open_connection("127.0.0.1", self.port) for _ in range(count)]
        await until(lambda: self._seen() == seen + count)
        return clients

    def _seen(self) -> int:
        return len(self.inside) + self.line._count

    async def pass_time(self, seconds: float) -> None:
        """Move the clock and look at the line, as its timer would."""
        self.now += seconds
        self.line._advance("127.0.0.1")


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited lies in other objects, without an event
            await asyncio.sleep(0.001)


@asynccontextmanager
async def porch() -> AsyncIterator[Porch]:
    made = Porch()
    make: Any = lambda: Inside(made.inside)  # noqa: E731 - a stand-in for a whole connection
    listener = await asyncio.get_running_loop().create_server(lambda: Doorstep(made.line, make), "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listener.close()
        for inside in made.inside:
            inside.transport.close()


async def test_who_is_not_too_fast_passes_at_once() -> None:
    async with porch() as p:
        [(reader, writer)] = await p.come(1)
        assert await reader.readline() == b"hello\n"
        writer.write(b"first")
        await until(lambda: p.inside[0].heard == b"first")
        writer.close()


async def test_who_is_too_fast_waits_in_order_and_loses_nothing() -> None:
    async with porch() as p:
        clients = await p.come(int(BURST) + 2)
        for number, (_, writer) in enumerate(clients):
            writer.write(b"I am %d" % number)
        assert len(p.inside) == BURST
        await until(lambda: p.line._waiting["127.0.0.1"][-1]._early != b"")
        await p.pass_time(1.05 / RATE)
        await until(lambda: p.inside[-1].heard == b"I am 12")
        assert await clients[12][0].readline() == b"hello\n"
        await p.pass_time(1.05 / RATE)
        await until(lambda: p.inside[-1].heard == b"I am 13")
        assert p.line._waiting == {}
        assert p.line._timers == {}
        for _, writer in clients:
            writer.close()


async def test_a_login_lets_the_next_one_in() -> None:
    async with porch() as p:
        clients = await p.come(38)
        while len(p.inside) < 38:
            count = len(p.inside)
            p.line.proven("127.0.0.1")
            assert len(p.inside) == count + 1
        for reader, writer in clients:
            assert await reader.readline() == b"hello\n"
            writer.close()


async def test_too_many_inside_unproven_wait_too() -> None:
    async with porch() as p:
        for _ in range(MAX_UNPROVEN_ADDRESS):
            p.limits.admit("127.0.0.1")
        [(reader, writer)] = await p.come(1)
        assert p.inside == []
        p.line.left("127.0.0.1")
        assert await reader.readline() == b"hello\n"
        writer.close()


async def test_failed_logins_make_the_next_connection_wait() -> None:
    async with porch() as p:
        for _ in range(100):
            p.line.failed("127.0.0.1")
        [(reader, writer)] = await p.come(1)
        assert p.inside == []
        await p.pass_time(5.2)
        assert await reader.readline() == b"hello\n"
        writer.close()


async def test_who_waits_in_vain_gets_the_constant_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorstep, "WAIT_SECONDS", 0.05)
    async with porch() as p:
        clients = await p.come(int(BURST) + 1)
        reader, writer = clients[-1]
        writer.write(b"SSH-2.0-anybody\r\n")
        assert await reader.read() == REFUSAL
        assert p.line._count == 0
        for _, other in clients:
            other.close()


async def test_a_line_that_is_full_grows_no_more() -> None:
    async with porch() as p:
        clients = await p.come(int(BURST) + MOST_WAITING_ADDRESS)
        reader, writer = await asyncio.open_connection("127.0.0.1", p.port)
        assert await reader.read() == REFUSAL
        writer.close()
        for _, other in clients:
            other.close()
        await until(lambda: p.line._count == 0)
        assert p.line._waiting == {}


async def test_who_leaves_the_line_is_forgotten() -> None:
    async with porch() as p:
        clients = await p.come(int(BURST) + 1)
        clients[-1][1].close()
        await until(lambda: p.line._count == 0)
        await p.pass_time(10)
        assert len(p.inside) == BURST
        for _, writer in clients:
            writer.close()


async def test_who_talks_without_hearing_a_word_is_dropped() -> None:
    async with porch() as p:
        clients = await p.come(int(BURST) + 1)
        reader, writer = clients[-1]
        writer.write(bytes(EARLY_BYTES + 1))
        assert await reader.read() == b""
        assert p.line._count == 0
        for _, writer in clients:
            writer.close()


async def test_ssh_clients_show_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorstep, "WAIT_SECONDS", 0.05)
    async with porch() as p:
        clients = await p.come(int(BURST))
        with pytest.raises(asyncssh.DisconnectError, match="too many connections that have not logged in"):
            await asyncssh.connect("127.0.0.1", p.port, config=None, known_hosts=([], [], []))
        for _, writer in clients:
            writer.close()
