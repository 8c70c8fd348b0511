"""Runs a store's blocking methods on one thread of their own, in the order they were asked for.

One thread is right for SQLite, which has one writer at a time. A store that hangs fills the queue up to a limit; beyond
it calls are refused, so that memory stays bounded.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from bastion.errors import UnavailableError
from bastion.store.base import Store

P = ParamSpec("P")
T = TypeVar("T")

MAX_WAITING = 4096
"""Calls that may wait for the thread."""


class StoreThread:
    """Owns the thread of one store; used from one event loop."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._executor: ThreadPoolExecutor | None = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._waiting = 0

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn(*args, **kwargs)` on the thread and return what it returns or raises.

        Once started, a call is finished even if the caller is cancelled. Raise UnavailableError when too many calls
        wait already, or after `close`.
        """
        if self._executor is None:
            raise UnavailableError("the bastion is shutting down; try again in a moment")
        if self._waiting >= MAX_WAITING:
            raise UnavailableError("the database does not keep up; try again in a moment")
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._executor, partial(fn, *args, **kwargs))
        future.add_done_callback(self._done)
        return await future

    async def close(self) -> None:
        """Finish the calls already asked for, close the store and end the thread."""
        if self._executor is None:
            return
        executor, self._executor = self._executor, None
        await asyncio.get_running_loop().run_in_executor(executor, self.store.close)
        executor.shutdown(wait=False)

    def _done(self, _future: asyncio.Future[T]) -> None:
        self._waiting -= 1
