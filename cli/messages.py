"""What a live screen reacts to: keys, ticks, the caller's going away and whatever it looks at, through one short queue.

So a screen is only ever touched in one place. A key comes as its name, other messages as their sources make them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bastion.control.terminal import Terminal
from cli.keys import KeyReader

TICK_SECONDS = 1.0  # between redraws of what changes with time alone
ESCAPE_SECONDS = 0.1  # after which an escape alone is a key

TICK, GONE = object(), object()
Messages = asyncio.Queue[object]


async def closed(terminal: Terminal) -> AsyncIterator[object]:
    """Yield `GONE` once nobody is there any more."""
    await terminal.closed.wait()
    yield GONE


async def ticks() -> AsyncIterator[object]:
    """Yield `TICK` every second."""
    while True:
        await asyncio.sleep(TICK_SECONDS)
        yield TICK


async def keys(terminal: Terminal) -> AsyncIterator[object]:
    """Yield the names of keys, and `GONE` at the end of input."""
    reader = KeyReader()
    while (data := await terminal.read(ESCAPE_SECONDS if reader.waiting else None)) != b"":
        for key in reader.feed(data) if data else reader.timeout():
            yield key
    yield GONE


@asynccontextmanager
async def gathered(*sources: AsyncIterator[object]) -> AsyncIterator[Messages]:
    """Give a queue that sources of messages feed side by side; they are stopped at the end of the block."""
    messages: Messages = asyncio.Queue(16)
    async with feeding(messages, *sources):
        yield messages


@asynccontextmanager
async def feeding(messages: Messages, *sources: AsyncIterator[object]) -> AsyncIterator[None]:
    """Have more sources feed a queue, to the end of the block; what they left in it stays there."""

    async def feed(source: AsyncIterator[object]) -> None:
        async for message in source:
            await messages.put(message)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(feed(source)) for source in sources]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
    except ExceptionGroup as several:  # the first one is why the others ended
        raise several.exceptions[0] from None


@asynccontextmanager
async def full_screen(terminal: Terminal) -> AsyncIterator[None]:
    """Use the terminal's alternate screen without a cursor, and leave it as it was."""
    terminal.write(b"\x1b[?1049h\x1b[?25l\x1b[2J")
    try:
        yield
    finally:
        terminal.write(b"\x1b[?25h\x1b[?1049l")
        await terminal.drain()
