"""The stores that the store suite is run against: a new one is one more line in `STORES`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bastion.store.base import Store
from bastion.store.memory import MemoryStore
from bastion.store.opening import open_store

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda folder: open_store(f"sqlite:///{folder}/bastion.db", busy_timeout=30),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = STORES[request.param](tmp_path)
    yield store
    store.close()
