"""How long a channel or forward may live, as its grant says: without a byte either way, in all, past a certificate.

Idle is what nothing passes through, in either direction: keepalives and window changes are no bytes of a channel. What
waits for an approval is not idle, as the approval has a time of its own. Bytes are counted by who moves them and only
looked at here now and then, so that the limit costs nothing while they move; it is kept to within a tenth.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from bastion.channel.live import LiveChannel
from bastion.model import Grant

LOOKS = 10  # in the time that an idle channel may live
WARNING = timedelta(minutes=5)  # before the end, or a tenth of the time where that is less
BY = "the bastion"
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class Timers(Protocol):
    """What is needed of an event loop."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back after so many seconds."""


class TimeKeeper:
    """Watches one channel from now on, until `stop`.

    Parameters
    ----------
    channel: is told, and ended.
    grant: says how long.
    now: the time.
    moved: returns how many bytes passed so far, both ways.
    waiting: returns whether a person is waited for.
    """

    def __init__(
        self,
        channel: LiveChannel,
        grant: Grant,
        now: datetime,
        moved: Callable[[], int],
        waiting: Callable[[], bool] = lambda: False,
        loop: Timers | None = None,
    ) -> None:
        self._channel = channel
        self._moved = moved
        self._waiting = waiting
        self._loop: Timers = loop or asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._seen = moved()
        self._quiet = 0  # looks in a row that found nothing new
        if grant.limits.idle is not None:
            self._idle = grant.limits.idle
            self._look_later()
        if (end := _end(grant, now)) is not None:
            self._begin(*end)

    def stop(self) -> None:
        """Watch no more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _begin(self, left: timedelta, why: str) -> None:
        notice = min(WARNING, left / 10)
        words = f"this session ends in {spelt(notice)}: {why}"
        if notice >= timedelta(seconds=1):
            self._later("notice", left - notice, lambda: self._channel.tell(words))
        self._later("end", left, lambda: self._end(why))

    def _look_later(self) -> None:
        self._later("look", self._idle / LOOKS, self._look)

    def _look(self) -> None:
        moved = self._moved()
        quiet = moved == self._seen and not self._waiting()
        self._quiet = self._quiet + 1 if quiet else 0
        self._seen = moved
        if self._quiet >= LOOKS:
            self._end(f"nothing passed for {spelt(self._idle)}, the longest your role allows")
        else:
            self._look_later()

    def _end(self, why: str) -> None:
        self.stop()
        self._channel.kill(by=BY, reason=why)

    def _later(self, name: str, delay: timedelta, act: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(delay.total_seconds(), act)


def _end(grant: Grant, now: datetime) -> tuple[timedelta, str] | None:
    """Return how long a channel has from now, and why no longer; None where there is no end."""
    ends = []
    if grant.limits.total is not None:
        ends.append((grant.limits.total, f"your role allows {spelt(grant.limits.total)}"))
    if grant.limits.at_expiry:
        ends.append((max(grant.identity.expires - now, timedelta()), "your certificate expires"))
    return min(ends, default=None)


def spelt(time: timedelta) -> str:
    """Return a time as in the configuration, to the second: 1h30m."""
    seconds, parts = max(round(time.total_seconds()), 1), ""
    for size, unit in _UNITS:
        number, seconds = divmod(seconds, size)
        parts += f"{number}{unit}" if number else ""
    return parts
