"""One value fetched from elsewhere and kept for a while: used for what identity providers publish.

However many callers wait, one fetch runs at a time. While the other side is down a value that is not too old goes on
being used, and a failed fetch is not repeated for a few seconds, so that a queue of callers fails together instead of
one after the other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from bastion.errors import UnavailableError

T = TypeVar("T")
RETRY = timedelta(seconds=5)  # between two fetches that fail, and between two that are forced


class Cached(Generic[T]):
    """A value that `load` fetches; `load` raises UnavailableError where it cannot.

    A value younger than `fresh` is used as it is, one younger than `usable` only when fetching fails.
    """

    def __init__(
        self, load: Callable[[], Awaitable[T]], clock: Callable[[], datetime], fresh: timedelta, usable: timedelta
    ) -> None:
        self._load = load
        self._clock = clock
        self._fresh = fresh
        self._usable = usable
        self._lock = asyncio.Lock()
        self._value: tuple[T, datetime] | None = None
        self._failure: tuple[UnavailableError, datetime] | None = None
        self._forced: datetime | None = None

    async def get(self) -> T:
        """Return the value, fetching it when it is not fresh; UnavailableError when there is none to be had."""
        if (kept := self._kept(self._fresh)) is not None:
            return kept[0]
        async with self._lock:
            if (kept := self._kept(self._fresh)) is not None:
                return kept[0]
            try:
                return await self._fetch()
            except UnavailableError:
                if (kept := self._kept(self._usable)) is not None:
                    return kept[0]
                raise

    async def renew(self, seen: T) -> T:
        """Return a value newer than `seen`, fetched now; or `seen` itself when the last such fetch is too recent."""
        async with self._lock:
            if self._value is not None and self._value[0] is not seen:
                return self._value[0]
            now = self._clock()
            if self._forced is not None and timedelta(0) <= now - self._forced < RETRY:
                return seen
            self._forced = now
            return await self._fetch()

    def _kept(self, age: timedelta) -> tuple[T] | None:
        if self._value is None:
            return None
        value, since = self._value
        return (value,) if timedelta(0) <= self._clock() - since < age else None

    async def _fetch(self) -> T:
        if self._failure is not None:
            error, since = self._failure
            if timedelta(0) <= self._clock() - since < RETRY:
                raise UnavailableError(str(error), log=error.log)
        try:
            value = await self._load()
        except UnavailableError as error:
            self._failure = (error, self._clock())
            raise
        self._value, self._failure = (value, self._clock()), None
        return value
