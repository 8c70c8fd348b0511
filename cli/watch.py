"""`bastion approvals watch`: the loop around the screen, and the lines printed where there is no terminal."""

from collections.abc import AsyncIterator, Mapping, Sequence

from bastion.control import approvals
from bastion.errors import BastionError
from bastion.model import rfc3339
from bastion.policy.understanding import Understanding
from bastion.store.base import ApprovalRow, ApprovalState
from cli.approvals import as_json as approval_json
from cli.command import ServerContext
from cli.console import as_text
from cli.live import look_on
from cli.messages import GONE, Messages, closed, full_screen, gathered, keys, ticks
from cli.screen import Decide, Quit, Screen, Watch
from recorder.errors import RecordingError

_LIMIT = 500

_CHANGED = object()


async def watch_approvals(context: ServerContext, *, as_json: bool) -> None:
    """Run until the caller quits or goes away."""
    if context.terminal.is_tty and not as_json:
        await _show(context)
    else:
        await _print(context, as_json=as_json)


async def _print(context: ServerContext, *, as_json: bool) -> None:
    """Print what is pending, then a line for each change."""
    seen: dict[str, tuple[ApprovalState, int]] | None = None
    async with gathered(_changes(context), closed(context.terminal)) as messages:
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
    sources = (_changes(context), closed(terminal), keys(terminal), ticks())
    async with full_screen(terminal), gathered(*sources) as messages:
        frame = ""
        while (message := await messages.get()) is not GONE:
            if message is _CHANGED and screen.update(*await _pending(context)):
                terminal.write(b"\a")
            if isinstance(message, str) and await _press(context, screen, message, messages):
                return
            if messages.empty():  # a burst of keys is drawn once
                drawn = screen.draw(terminal, context.control.now)
                if drawn != frame:
                    frame = drawn
                    terminal.write(frame.encode())
                    await terminal.drain()


async def _press(context: ServerContext, screen: Screen, key: str, messages: Messages) -> bool:
    """Take a key; returns whether the caller quits."""
    match screen.press(key):
        case Quit():
            return True
        case Watch(session_id):
            if not await _watch(context, screen, session_id, messages):
                return True
            screen.update(*await _pending(context))
        case Decide() as wish:
            screen.status = await _decide(context, wish)
            screen.update(*await _pending(context))
        case None:
            pass
    return False


async def _watch(context: ServerContext, screen: Screen, session_id: str, messages: Messages) -> bool:
    """Show the session until the approver comes back; False when they went away."""
    try:
        return await look_on(context, session_id, messages)
    except (BastionError, RecordingError) as error:
        screen.status = str(error)
        return True


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
