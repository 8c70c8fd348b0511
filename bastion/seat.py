"""What a worker has from its parent: sockets to accept on, and a line on which it says how it is.

The worker says once that it is ready, and answers each question (one byte) with one JSON line. Once the line is cut
the parent is gone, and the worker ends as if it had been told to. Everything travels in one environment variable,
which names open file descriptors and means nothing to anybody else.
"""

import asyncio
import json
import socket
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import cast

VARIABLE = "BASTION_SEAT"
READY = b"ready\n"
QUESTION = b"?"


@dataclass(frozen=True, slots=True)
class Seat:
    """One worker's place: number `number` of `count`, from 1; `listening` and `line` are file descriptors."""

    number: int = 1
    count: int = 1
    listening: tuple[int, ...] = ()
    line: int = -1

    def spelt(self) -> str:
        """Return it as the text that `take` reads."""
        return " ".join(map(str, (self.number, self.count, self.line, *self.listening)))


@dataclass(frozen=True, slots=True)
class Condition:
    """How a worker is: why it can't serve (empty where it can), and its counters as Prometheus reads them."""

    unready: str
    metrics: str

    def encode(self) -> bytes:
        """Return it as one line."""
        return json.dumps([self.unready, self.metrics]).encode() + b"\n"


def decode_condition(line: bytes) -> Condition:
    """Return what a worker answered. Raises ValueError."""
    match json.loads(line):
        case [str(unready), str(metrics)]:
            return Condition(unready, metrics)
        case _:
            raise ValueError("not a worker's answer")


def take(environ: MutableMapping[str, str]) -> Seat | None:
    """Return the seat of a worker, None in a process that nobody gave one; what it starts itself gets none."""
    text = environ.pop(VARIABLE, "")
    if not text:
        return None
    number, count, line, *listening = map(int, text.split())
    return Seat(number, count, tuple(listening), line)


class WorkerLine(asyncio.Protocol):
    """The worker's end of the line: answers with what `condition` returns, and calls `cut` once the parent is gone."""

    def __init__(self, condition: Callable[[], Condition], cut: Callable[[], None]) -> None:
        self._condition = condition
        self._cut = cut
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say that the worker accepts connections."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(READY)

    def data_received(self, data: bytes) -> None:
        """Answer questions, those that piled up meanwhile with one answer each."""
        assert self._transport is not None
        self._transport.write(self._condition().encode() * len(data))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """The parent is gone."""
        self._cut()


async def report(seat: Seat, condition: Callable[[], Condition], cut: Callable[[], None]) -> None:
    """Say on the line that this worker is ready, and answer from now on. Does nothing without a parent."""
    if seat.line >= 0:
        line = socket.socket(fileno=seat.line)
        await asyncio.get_running_loop().create_unix_connection(lambda: WorkerLine(condition, cut), sock=line)
