"""Keystrokes, and what idle sessions take: `python -m tests.bench.bench_idle`.

A keystroke goes to a terminal of the target and comes back as its echo. The ways take turns key by key, all sessions
open at once. What the bastion adds is its time less that through the stock jump host.
"""

import asyncio
import statistics
import subprocess
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack

import asyncssh

from tests.bench.stage import DIRECT, DIRECT_MASKED, JUMP, JUMP_MASKED, STOCK, WAYS, Row, Stage, alone
from tests.lab.process import LabError

TITLE = "Keystrokes and idle sessions"
P50, P99, CROWDED = 0.3, 2.0, 5.0  # ms
KIBIBYTES = 80.0
NESTED, CHANNELS = 100, 10  # connections, and sessions on each: sshd allows ten
PAUSE = 0.002  # seconds between two keys
ECHO = "stty raw -echo; echo ready; exec cat"


class Keyboard:
    """A session whose terminal sends back what is typed."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        seen = b""
        while not seen.endswith(b"ready\n"):
            seen += self._read()
            seen = seen.replace(b"\r", b"")

    def press(self, key: bytes) -> float:
        """Type a key and return how many milliseconds its echo took."""
        assert self._process.stdin is not None
        begin = time.perf_counter()
        self._process.stdin.write(key)
        assert self._read() == key
        return (time.perf_counter() - begin) * 1000

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        if data := self._process.stdout.read(4096):
            return data
        raise LabError("the session with the keyboard ended")

    def close(self) -> None:
        """End the session."""
        self._process.kill()
        self._process.wait()


def measure(stage: Stage, quick: bool) -> list[Row]:
    """Measure keystrokes alone and among idle sessions, and the memory of these."""
    keys = 200 if quick else 1500
    with ExitStack() as stack:
        boards = {}
        for way in WAYS:
            boards[way] = Keyboard(stage.ways[way].ssh("-tt", ECHO))
            stack.callback(boards[way].close)
        taken = _type(boards, keys)
        middle = {way: statistics.median(times) for way, times in taken.items()}
        tail = {way: _p99(times) for way, times in taken.items()}
        memory, crowded = asyncio.run(_crowd(stage, {JUMP: boards[JUMP], DIRECT: boards[DIRECT]}, quick))
    return [
        Row("keystroke p50, ms", middle),
        Row("keystroke p99, ms", tail),
        Row("keystroke p50, ms more than sshd", _added(middle), bars={JUMP: P50, DIRECT: P50}, absolute=True),
        Row("keystroke p99, ms more than sshd", _added(tail), bars={JUMP: P99, DIRECT: P99}, absolute=True),
        Row("KiB an idle nested session", {JUMP: memory}, bars={JUMP: KIBIBYTES}, absolute=True),
        Row("keystroke p99 among idle ones, ms", crowded, bars={JUMP: CROWDED, DIRECT: CROWDED}, absolute=True),
    ]


def _type(boards: dict[str, Keyboard], keys: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {way: [] for way in boards}
    for number in range(keys):
        for way, board in boards.items():
            taken[way].append(board.press(b"%d" % (number % 10)))
            time.sleep(PAUSE)
    return taken


def _p99(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def _added(values: dict[str, float]) -> dict[str, float]:
    return {way: values[way] - values[STOCK] for way in (JUMP, DIRECT, JUMP_MASKED, DIRECT_MASKED)}


async def _crowd(stage: Stage, boards: dict[str, Keyboard], quick: bool) -> tuple[float, dict[str, float]]:
    """Return the KiB that a nested connection with one idle session takes, and keystrokes' p99 among ten a connection.

    Each nested connection comes in a connection of its own and has one to the target.
    """
    count = 20 if quick else NESTED
    async with AsyncExitStack() as stack:
        await _nest(stage, stack, 10)  # what is allocated once is not theirs
        before = stage.server.memory_full_info().uss
        nested = await _nest(stage, stack, count)
        memory = (stage.server.memory_full_info().uss - before) / count / 1024
        for connection in nested:
            await asyncio.gather(*(_idle(connection) for _ in range(CHANNELS - 1)))
        taken = await asyncio.to_thread(_type, boards, 200 if quick else 1000)
    return memory, {way: _p99(times) for way, times in taken.items()}


async def _nest(stage: Stage, stack: AsyncExitStack, count: int) -> list[asyncssh.SSHClientConnection]:
    client, made = stage.client, []
    for _ in range(count):
        options = {"known_hosts": None, "config": None, "client_keys": [str(client.key)], "username": stage.login}
        door = await asyncssh.connect("127.0.0.1", client.bastion.port, **options)
        stack.push_async_callback(_close, door)
        nested = await asyncssh.connect("web-1", 22, tunnel=door, **options)
        await _idle(nested)
        made.append(nested)
    return made


async def _idle(connection: asyncssh.SSHClientConnection) -> None:
    """Open a session in which nothing happens, and wait until it does."""
    process = await connection.create_process("echo ready; exec cat")
    await process.stdout.readexactly(6)


async def _close(door: asyncssh.SSHClientConnection) -> None:
    door.abort()


if __name__ == "__main__":
    alone(TITLE, measure, __doc__)
