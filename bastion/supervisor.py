"""The parent of several workers that share one port: opens the port, starts, watches and restarts them, ends them all.

It serves nobody itself and opens no database. Each worker has a listening socket of its own on the same port
(SO_REUSEPORT), between which the kernel shares out connections; the parent keeps them open, so that a connection made
while a worker is being replaced waits for the new one. Signals go on to all workers.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from bastion.config.schema import Address
from bastion.metrics import summed
from bastion.seat import QUESTION, READY, VARIABLE, Condition, Seat, decode_condition
from bastion.sockets import open_sockets

log = logging.getLogger(__name__)

ANSWER_SECONDS = 3.0  # for a worker to say how it is
ANSWER_LIMIT = 16 * 1024 * 1024  # bytes of an answer
WATCH_SECONDS = 10.0  # between two looks at a worker
MOST_SILENT = 6  # looks
SILENT = "worker {} does not answer"
QUICK_END = 5.0  # seconds: a worker that ends sooner is restarted ever more slowly
MOST_PATIENCE = 30.0  # seconds between two starts


class Worker:
    """One worker process after the other in one seat, and the parent's end of its line."""

    def __init__(self, number: int, count: int, sockets: Sequence[socket.socket]) -> None:
        self.number = number
        self._count = count
        self._sockets = sockets
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._asking = asyncio.Lock()
        self.ready = False  # it accepts connections now
        self.served = False  # it did so at least once
        self.settled = asyncio.Event()  # it did so at least once, or ended before

    async def run(self) -> int:
        """Start a process and return its exit status once it ended, negative for a signal."""
        ours, theirs = socket.socketpair()
        listening = tuple(one.fileno() for one in self._sockets)
        seat = Seat(self.number, self._count, listening, theirs.fileno())
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *sys.orig_argv[1:],
                env={**os.environ, VARIABLE: seat.spelt()},
                pass_fds=(*listening, theirs.fileno()),
            )
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=ANSWER_LIMIT)
        try:
            self.ready = await self._reader.readline() == READY
            if self.ready:
                self.served = True
                self.settled.set()
            return await self._process.wait()
        finally:
            self.ready = False
            self.settled.set()
            self._writer.close()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, where it lives."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def condition(self) -> Condition:
        """Ask how it is."""
        if not self.ready or self._reader is None or self._writer is None:
            return Condition(f"worker {self.number} is being started", "")
        try:
            async with self._asking, asyncio.timeout(ANSWER_SECONDS):
                self._writer.write(QUESTION)
                return decode_condition(await self._reader.readline())
        except (TimeoutError, ValueError, OSError):
            return Condition(SILENT.format(self.number), "")


class Supervisor:
    """The parent of `count` workers on one address; they run the same command line as this process."""

    def __init__(self, address: Address, count: int) -> None:
        self._sockets = open_sockets(address, count)
        self._workers = [Worker(number + 1, count, one) for number, one in enumerate(self._sockets)]
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[int]] = []
        self.port: int = self._sockets[0][0].getsockname()[1]

    async def start(self) -> int:
        """Start the workers, the first one alone: what it cannot do no other can, and it says why.

        Returns 0 once they accept connections, else the exit status of the first one.
        """
        first, *rest = self._workers
        self._keepers.append(asyncio.create_task(self._keep(first)))
        await first.settled.wait()
        if not first.ready:
            return await self._keepers[0] or 1
        self._keepers += [asyncio.create_task(self._keep(worker)) for worker in rest]
        for worker in rest:
            await worker.settled.wait()
        return 0

    async def _keep(self, worker: Worker) -> int:
        """Have a process in a worker's seat until told to stop; return the exit status of the last one.

        The first worker is not replaced where it never became ready.
        """
        loop, patience = asyncio.get_running_loop(), 1.0
        watchdog = asyncio.create_task(self._watch(worker))
        try:
            while True:
                begin = loop.time()
                status = await worker.run()
                if self._stopping.is_set() or (worker is self._workers[0] and not worker.served):
                    return status
                log.error("worker %d ended with status %d; another one is started", worker.number, status)
                patience = min(patience * 2, MOST_PATIENCE) if loop.time() - begin < QUICK_END else 1.0
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience - 1.0):
                        await self._stopping.wait()
                        return status
        finally:
            watchdog.cancel()

    async def _watch(self, worker: Worker) -> None:
        """Kill a worker whose event loop stands still: the kernel goes on giving it connections."""
        silent = 0
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            asked = worker.ready
            silent = silent + 1 if asked and (await worker.condition()).unready == SILENT.format(worker.number) else 0
            if silent >= MOST_SILENT:
                log.error("worker %d did not answer for %.0f s, and is killed", worker.number, silent * WATCH_SECONDS)
                worker.signal(signal.SIGKILL)
                silent = 0

    def reload(self) -> None:
        """Have all workers read the configuration anew."""
        for worker in self._workers:
            if worker.ready:  # one that is being started reads it anyway, and would die of the signal
                worker.signal(signal.SIGHUP)

    def hurry(self) -> None:
        """Have all workers end at once what they still let run."""
        for worker in self._workers:
            worker.signal(signal.SIGTERM)

    async def stop(self, seconds: float) -> int:
        """Have every worker drain, and kill what takes longer than `seconds`; return 0 where all ended well."""
        self._stopping.set()
        for one in [one for sockets in self._sockets for one in sockets]:
            one.close()
        for worker in self._workers:
            worker.signal(signal.SIGTERM)
        _, late = await asyncio.wait(self._keepers, timeout=seconds)
        if late:
            log.error("%d workers did not end in time, and are killed", len(late))
            for worker in self._workers:
                worker.signal(signal.SIGKILL)
        return max(abs(status) for status in await asyncio.gather(*self._keepers))

    async def unready(self) -> str:
        """Return why not all workers can serve, or an empty text."""
        if self._stopping.is_set():
            return "the bastion is being stopped"
        return "; ".join(dict.fromkeys(one.unready for one in await self._conditions() if one.unready))

    async def metrics(self) -> bytes:
        """Return the counters of all workers together."""
        return summed([one.metrics for one in await self._conditions()])

    async def _conditions(self) -> list[Condition]:
        return list(await asyncio.gather(*(worker.condition() for worker in self._workers)))
