from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.world import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "recordings") as opened:
        yield opened
