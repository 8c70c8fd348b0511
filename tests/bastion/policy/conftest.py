"""A reader of commands for each test, ended afterwards."""

from collections.abc import AsyncIterator

import pytest

from bastion.reading import CommandReader


@pytest.fixture
async def reader() -> AsyncIterator[CommandReader]:
    reader = CommandReader()
    yield reader
    await reader.close()
