"""Time limits of channels, on a clock the test moves."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from bastion.channel.limits import TimeKeeper, spelt
from bastion.model import Action, Grant, TimeLimits
from tests.bastion.desk import ALICE, START


class Timer:
    def __init__(self, due: float, act: Callable[[], None]) -> None:
        self.due, self.act, self.cancelled = due, act, False

    def cancel(self) -> None:
        self.cancelled = True


class Channel:
    """The channel that is watched, and the clock."""

    def __init__(self, **limits: object) -> None:
        self.now = 0.0
        self.moved = 0
        self.waiting = False
        self.told: list[tuple[float, str]] = []
        self.ended: list[tuple[float, str]] = []
        self._timers: list[Timer] = []
        identity = replace(ALICE, expires=START + timedelta(hours=1))
        grant = Grant(identity, "web-1", "deploy", frozenset(), Action.ALLOW, limits=TimeLimits(**limits))  # type: ignore[arg-type]
        self.keeper = TimeKeeper(self, grant, START, lambda: self.moved, lambda: self.waiting, self)

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        self._timers.append(Timer(self.now + delay, callback))
        return cast("asyncio.TimerHandle", self._timers[-1])

    def tell(self, text: str) -> None:
        self.told.append((self.now, text))

    def kill(self, *, by: str, reason: str) -> None:
        self.ended.append((self.now, f"{by}: {reason}"))

    def run(self, until: timedelta) -> None:
        """Let time pass."""
        while due := [one for one in self._timers if not one.cancelled and one.due <= until.total_seconds()]:
            first = min(due, key=lambda one: one.due)
            self._timers.remove(first)
            self.now = first.due
            first.act()
        self.now = until.total_seconds()

    @property
    def timers(self) -> int:
        return sum(not one.cancelled for one in self._timers)


MINUTE = timedelta(minutes=1)


def test_without_limits_nothing_happens() -> None:
    assert Channel().timers == 0


def test_what_nothing_passes_through_ends() -> None:
    channel = Channel(idle=15 * MINUTE)
    channel.run(20 * MINUTE)
    assert channel.ended == [(900.0, "the bastion: nothing passed for 15m, the longest your role allows")]
    assert channel.timers == 0


def test_bytes_and_people_that_are_waited_for_keep_a_channel() -> None:
    channel = Channel(idle=10 * MINUTE)
    for minutes in range(5, 200, 5):
        channel.moved += 1
        channel.run(minutes * MINUTE)
    channel.waiting = True
    channel.run(400 * MINUTE)
    channel.waiting = False
    assert channel.ended == []
    channel.run(500 * MINUTE)
    [(when, _)] = channel.ended
    assert 409 * 60 <= when <= 411 * 60


def test_the_end_is_announced() -> None:
    channel = Channel(total=timedelta(hours=8))
    channel.moved = 1
    channel.run(timedelta(hours=9))
    assert channel.told == [((8 * 60 - 5) * 60.0, "this session ends in 5m: your role allows 8h")]
    assert channel.ended == [(8 * 3600.0, "the bastion: your role allows 8h")]


def test_a_short_time_is_announced_a_tenth_before() -> None:
    channel = Channel(total=timedelta(seconds=20))
    channel.run(MINUTE)
    assert channel.told == [(18.0, "this session ends in 2s: your role allows 20s")]


@pytest.mark.parametrize(("total", "end"), [(None, 60), (timedelta(hours=2), 60), (timedelta(minutes=30), 30)])
def test_the_certificate_may_end_it_sooner(total: timedelta | None, end: int) -> None:
    channel = Channel(total=total, at_expiry=True)
    channel.run(timedelta(hours=3))
    assert [when / 60 for when, _ in channel.ended] == [end]
    assert ("your certificate expires" in channel.ended[0][1]) == (end == 60)


def test_who_is_gone_is_left_alone() -> None:
    channel = Channel(idle=MINUTE, total=MINUTE)
    channel.keeper.stop()
    channel.run(3 * MINUTE)
    assert (channel.told, channel.ended, channel.timers) == ([], [], 0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "1s"), (0.2, "1s"), (60, "1m"), (5400, "1h30m"), (90061, "1d1h1m1s"), (28800, "8h")]
)
def test_times_are_spelt_as_in_the_configuration(seconds: float, text: str) -> None:
    assert spelt(timedelta(seconds=seconds)) == text
