"""`bastion approvals watch`: the loop around the screen, and the lines printed where there is no terminal.

Keys, changes of approvals and the passing of time come as messages through one short queue, so that the screen itself
is only ever touched in one place.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from bastion.control import approvals
from bastion.control.terminal import Terminal
from bastion.errors import BastionError
from bastion.model import rfc3339
from bastion.policy.understanding import Understanding
from bastion.store.base import ApprovalRow, ApprovalState
from cli.approvals import as_json as approval_json
from cli.command import ServerContext
from cli.console import as_text
from cli.keys import KeyReader
from cli.screen import Decide, Quit, Screen

TICK = 1.0  # seconds between redraws of the countdown
ESCAPE = 0.1  # seconds after which an escape alone is a key
_LIMIT = 500

_CHANGED, _TICK, _GONE = object(), object(), object()
Messages = asyncio.Queue[object]


async def watch_approvals(context: ServerContext, *, as_json: bool) -> None:
    """Run until the caller quits or goes away."""
    if context.terminal.is_tty and not as_json:
        await _show(context)
    else:
        await _print(context, as_json=as_json)


async def _print(context: ServerContext, *, as_json: bool) -> None:
    """Print what is pending, then a line for each change."""
    seen: dict[str, tuple[ApprovalState, int]] | None = None
    async with _messages(_changes(context), _closed(context.terminal)) as messages:
        while await messages.get() is _CHANGED:
            rows = await approvals.find(context.control, states=(), limit=_LIMIT)
            now = {row.id: (row.state, len(row.decisions)) for row in rows}
            for row in reversed(rows):
                if row.state is ApprovalState.PENDING if seen is None else seen.get(row.id) != now[row.id]:
                    _print_one(context, row, as_json=as_json)
            seen = now
            await context.console.drain()


def _print_one(context: ServerContext, row: ApprovalRow, *, as_json: bool) -> None:
    if as_json:
        context.console.json_line(approval_json(row))
        return
    when = row.decisions[-1].time if row.decisions else row.created
    where = f"{row.login}@{row.target}" if row.login else row.target
    context.console.line(f"{rfc3339(when)} {row.state} {row.id} {row.requester} {where} {as_text(row.command)}")


async def _show(context: ServerContext) -> None:
    """Draw the screen until the caller quits."""
    terminal = context.terminal
    screen = Screen(context.control.identity.name)
    sources = (_changes(context), _closed(terminal), _keys(terminal), _ticks())
    async with _full_screen(terminal), _messages(*sources) as messages:
        frame = ""
        while (message := await messages.get()) is not _GONE:
            if message is _CHANGED and screen.update(*await _pending(context)):
                terminal.write(b"\a")
            if isinstance(message, str) and await _press(context, screen, message):
                return
            if messages.empty():  # a burst of keys is drawn once
                drawn = screen.draw(terminal, context.control.now)
                if drawn != frame:
                    frame = drawn
                    terminal.write(frame.encode())
                    await terminal.drain()


async def _press(context: ServerContext, screen: Screen, key: str) -> bool:
    """Take a key; returns whether the caller quits."""
    match screen.press(key):
        case Quit():
            return True
        case Decide() as wish:
            screen.status = await _decide(context, wish)
            screen.update(*await _pending(context))
        case None:
            pass
    return False


async def _pending(context: ServerContext) -> tuple[Sequence[ApprovalRow], Mapping[str, Understanding | None]]:
    """Return what is pending, and what each request would run; texts that were read before cost nothing."""
    rows = await approvals.find(context.control, states=(ApprovalState.PENDING,), limit=_LIMIT)
    pending = [row for row in reversed(rows) if row.expires > context.control.now]
    return pending, {row.id: await approvals.explain(context.control, row) for row in pending}


async def _decide(context: ServerContext, wish: Decide) -> str:
    try:
        row = await approvals.decide(
            context.control, wish.approval_id, approve=wish.approve, reason=wish.reason, lifetime=None
        )
    except BastionError as error:
        return str(error)
    if row.state is ApprovalState.PENDING:
        given = sum(decision.approve for decision in row.decisions)
        return f"{row.id}: {given} of {row.approvals} approvals"
    return f"{row.id} {row.state}"


async def _changes(context: ServerContext) -> AsyncIterator[object]:
    async for _ in approvals.changes(context.control):
        yield _CHANGED


async def _closed(terminal: Terminal) -> AsyncIterator[object]:
    await terminal.closed.wait()
    yield _GONE


async def _ticks() -> AsyncIterator[object]:
    while True:
        await asyncio.sleep(TICK)
        yield _TICK


async def _keys(terminal: Terminal) -> AsyncIterator[object]:
    keys = KeyReader()
    while (data := await terminal.read(ESCAPE if keys.waiting else None)) != b"":
        for key in keys.feed(data) if data else keys.timeout():
            yield key
    yield _GONE


@asynccontextmanager
async def _messages(*sources: AsyncIterator[object]) -> AsyncIterator[Messages]:
    """Run sources of messages side by side, feeding one queue; they are stopped at the end of the block."""
    messages: Messages = asyncio.Queue(16)

    async def feed(source: AsyncIterator[object]) -> None:
        async for message in source:
            await messages.put(message)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(feed(source)) for source in sources]
        try:
            yield messages
        finally:
            for task in tasks:
                task.cancel()


@asynccontextmanager
async def _full_screen(terminal: Terminal) -> AsyncIterator[None]:
    """Use the terminal's alternate screen without a cursor, and leave it as it was."""
    terminal.write(b"\x1b[?1049h\x1b[?25l\x1b[2J")
    try:
        yield
    finally:
        terminal.write(b"\x1b[?25h\x1b[?1049l")
        await terminal.drain()
