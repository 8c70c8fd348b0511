"""What tests of approvals share: a clock that they set, and a desk on each kind of store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bastion.store.memory import MemoryStore
from bastion.store.opening import open_store
from tests.bastion.desk import Clock, Desk, desk


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is moved."""
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def counter(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Desk]:
    """A desk at which approvals are asked for, decided and used."""
    store = MemoryStore() if request.param == "memory" else open_store(f"sqlite:///{tmp_path}/b.db")
    async with desk(store, clock) as opened:
        yield opened
