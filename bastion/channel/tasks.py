"""What a channel does that takes time: a failure of any of it ends the channel; what closes its books outlives it."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from bastion.logs import about

# Tasks that outlive their channel; the loop itself keeps only weak references
_closing: set[asyncio.Task[None]] = set()


class Tasks:
    """The tasks of one channel. `fail` ends it; `facts` are what lines of the log say they belong to."""

    def __init__(self, facts: Mapping[str, str], fail: Callable[[Exception], None]) -> None:
        self._facts = facts
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Begin something that ends with the channel, or ends it."""
        _keep(self._loop.create_task(self._guarded(work)), self._tasks)

    def outlive(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin the last thing that is done for the channel; it fails by itself."""
        _keep(self._loop.create_task(work), _closing)

    def cancel(self) -> None:
        """End everything but what calls this."""
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def _guarded(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            with about(**self._facts):
                await work
        except Exception as error:  # noqa: BLE001 - whatever it is, the channel ends and nothing goes on
            self._fail(error)


def _keep(task: asyncio.Task[None], among: set[asyncio.Task[None]]) -> None:
    among.add(task)
    task.add_done_callback(among.discard)
