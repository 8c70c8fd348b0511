"""What a client sends early: whole where it ends, given up where it does not, and never more than the limit."""

import asyncio

import pytest

from bastion.channel import early
from bastion.channel.early import EARLY_LIMIT, SCRIPT_LIMIT, EarlyInput


async def test_an_input_that_ends_is_returned_whole() -> None:
    resumed: list[bool] = []
    kept = EarlyInput(lambda: resumed.append(True))
    kept.add(b"one ")
    waiting = asyncio.create_task(kept.whole())
    await asyncio.sleep(0)
    kept.add(bytes(EARLY_LIMIT))
    assert not kept.full
    kept.end()
    assert await waiting == b"one " + bytes(EARLY_LIMIT)
    assert resumed == [True]


async def test_one_that_does_not_end_soon_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "PATIENCE", 0.01)
    kept = EarlyInput(lambda: None)
    kept.add(b"one")
    assert await kept.whole() is None
    kept.end()
    assert await kept.whole() == b"one"


async def test_one_that_is_too_long_is_given_up_at_once() -> None:
    kept = EarlyInput(lambda: None)
    kept.add(bytes(SCRIPT_LIMIT + 1))
    assert await kept.whole() is None
    assert kept.full


async def test_nothing_is_kept_once_the_channel_is_decided_on() -> None:
    kept = EarlyInput(lambda: None)
    kept.add(b"one")
    kept.forget()
    kept.add(bytes(EARLY_LIMIT))
    assert kept.full, "what waits for the target still counts"
    kept.end()
    assert await kept.whole() == b""
