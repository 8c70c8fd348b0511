from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.door import Door, Laptop, open_door
from tests.cli.world import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "recordings") as opened:
        yield opened


@pytest.fixture
async def door(world: World) -> AsyncIterator[Door]:
    async with open_door(world) as opened:
        yield opened


@pytest.fixture
def laptop(tmp_path: Path, door: Door) -> Laptop:
    return Laptop(tmp_path / "home", door)
