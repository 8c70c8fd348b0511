"""Recordings for the caller: `sessions play` on a terminal or printed in one go, and `sessions export`.

Everything passes the recorder's sanitiser. Files are read in a thread, so that a long recording stops nobody else.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator

from bastion.audit import EventType
from bastion.control import sessions
from bastion.control.terminal import Terminal
from cli.command import ServerContext
from recorder.asciicast import Code, Event
from recorder.export import export
from recorder.player import Player, Step
from recorder.reader import Recording
from recorder.sanitise import Sanitiser

_KEEP_TITLE, _BACK_TO_TITLE = b"\x1b[22;2t", b"\x1b[23;2t"  # xterm's stack of titles
BLOCK = 256 * 1024  # characters written before waiting for the caller


async def play_session(context: ServerContext, session_id: str, *, speed: float, idle_limit: float | None) -> None:
    """Replay one session to its end, or until the caller quits."""
    _, recording = await sessions.replay(context.control, session_id, EventType.RECORDING_REPLAYED)
    if context.terminal.is_tty:
        await _play(context.terminal, await asyncio.to_thread(Player, recording, speed=speed, idle_limit=idle_limit))
    else:
        await _print(context.terminal, recording)


async def _play(terminal: Terminal, player: Player) -> None:
    titled = terminal.term not in {"dumb", "linux"}  # where the replay stands is told in the window's title
    terminal.write(_KEEP_TITLE if titled else b"")
    try:
        await _steps(terminal, player, titled=titled)
    finally:
        terminal.write(_BACK_TO_TITLE if titled else b"")


async def _steps(terminal: Terminal, player: Player, *, titled: bool) -> None:
    step = await asyncio.to_thread(player.start, time.monotonic())
    while await _draw(terminal, step):
        if titled:
            terminal.write(f"\x1b]2;{step.status}\x07".encode())
        wait = None if step.wake_at is None else max(0.0, step.wake_at - time.monotonic())
        data = await terminal.read(wait)
        if data:
            step = await asyncio.to_thread(player.key, data, time.monotonic())
        elif data is None:
            step = await asyncio.to_thread(player.wake, time.monotonic())
        else:
            return


async def _draw(terminal: Terminal, step: Step) -> bool:
    """Draw one step; returns whether there is more to come."""
    terminal.write(step.output)
    await terminal.drain()
    return not step.done and not terminal.closed.is_set()


async def export_session(context: ServerContext, session_id: str, form: str) -> None:
    """Write a recording in another form; on a terminal only what is safe to be drawn."""
    _, recording = await sessions.replay(context.control, session_id, EventType.RECORDING_EXPORTED, format=form)
    terminal = context.terminal
    pieces = export(recording, form)
    sanitiser = Sanitiser() if terminal.is_tty else None
    while (piece := await asyncio.to_thread(_gather, pieces)) and not terminal.closed.is_set():
        if sanitiser is not None:
            piece = sanitiser.feed(piece).replace("\n", "\r\n").encode()
        terminal.write(piece)
        await terminal.drain()


def _gather(pieces: Iterator[bytes]) -> bytes:
    """Return the next pieces together, about `BLOCK` bytes; b"" at the end."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= BLOCK:
            break
    return bytes(block)


async def _print(terminal: Terminal, recording: Recording) -> None:
    shown = blocks(recording.events())
    while (block := await asyncio.to_thread(next, shown, None)) is not None and not terminal.closed.is_set():
        terminal.write(block.encode())
        await terminal.drain()


def blocks(events: Iterable[Event | None]) -> Iterator[str]:
    """Yield what a recording shows, sanitised, in blocks of about `BLOCK` characters, a short one where None comes."""
    sanitisers = {Code.OUTPUT: Sanitiser(), Code.ERROR: Sanitiser()}
    parts: list[str] = []
    size = 0
    for event in events:
        if event is not None and event.code in sanitisers:
            parts.append(sanitisers[event.code].feed(event.data))
            size += len(parts[-1])
        if size >= BLOCK or event is None:
            yield "".join(parts)
            parts, size = [], 0
    yield "".join(parts)
