"""Plays a situation at a real shell behind the gate, and says what was read of it and what it made."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bastion.config.schema import Rule
from bastion.model import Action, ShellGate
from bastion.protocols.base import Line
from bastion.reading import CommandReader
from recorder.screen import TerminalScreen
from tests.lab.shells import SHELLS, Shell, shell
from tests.terminals.situations import ALL, Resize, Situation

AT_ONCE = 8  # shells
FREE = (Rule("nothing", Action.DENY, commands=("no-such-command **",)),)
GUARDED = (Rule("asked", Action.APPROVE, commands=("touch **",), approvers=("sre",)),)


@dataclass(frozen=True)
class Played:
    """`read` is each line that was decided, None where it is said to be unknown."""

    situation: Situation
    shell: str
    read: tuple[str | None, ...]
    made: frozenset[str]
    seen: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.situation.name} ({self.shell})"


class Stage:
    """Plays in folders of its own, with one reader of commands for all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self.reader = CommandReader()

    @asynccontextmanager
    async def open(
        self, name: str, *, gate: ShellGate, rules: Sequence[Rule], situation: Situation | None = None
    ) -> AsyncIterator[Shell]:
        """Start a shell that shows its first prompt."""
        folder = self._folder / str(next(self._numbers))
        size = situation.size if situation else (80, 24)
        env = situation.env if situation else {}
        async with shell(
            folder, SHELLS[name], gate=gate, rules=rules, size=size, env=env, reader=self.reader
        ) as opened:
            await opened.until(lambda: opened.client.seen or env.get("PS1") == "")
            await opened.settled()
            yield opened

    async def play(
        self,
        situation: Situation,
        name: str,
        *,
        gate: ShellGate,
        rules: Sequence[Rule],
        agrees: Callable[[str], bool] | None = None,
    ) -> Played:
        """Type it; with `agrees`, somebody answers all requests, by what they are told."""
        async with self.open(name, gate=gate, rules=rules, situation=situation) as opened:
            if agrees is not None:
                opened.answer(agrees)
            for step in situation.steps:
                if isinstance(step, Resize):
                    opened.relay.client_resized(step.columns, step.rows, 0, 0)
                else:
                    opened.type(step)
                await opened.settled()
            if rules is not GUARDED:
                with contextlib.suppress(TimeoutError):
                    await opened.until(lambda: _made(opened) == situation.made)
            made = _made(opened)
            read = tuple(_read(line) for line, ruled in opened.lines if ruled.reading is not None)
            return Played(situation, name, read, made, opened.text)


async def play_all(
    stage: Stage,
    ways: Iterable[tuple[Situation, str]],
    *,
    gate: ShellGate,
    rules: Sequence[Rule],
    agrees: Callable[[str], bool] | None = None,
) -> list[Played]:
    """Play situations at shells, a few at once; the stage is over then."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(situation: Situation, shell: str) -> Played:
        async with turns:
            return await stage.play(situation, shell, gate=gate, rules=rules, agrees=agrees)

    played = await asyncio.gather(*(one(situation, shell) for situation, shell in ways))
    await stage.reader.close()
    return played


def at_shells(situations: Iterable[Situation], shells: Sequence[str] = ALL) -> list[tuple[Situation, str]]:
    """Return each situation with each of the shells it applies to."""
    return [(situation, shell) for situation in situations for shell in situation.shells if shell in shells]


@asynccontextmanager
async def at_prompt(folder: Path, name: str, gate: ShellGate = ShellGate.MISTAKES) -> AsyncIterator[Shell]:
    """Start a shell where `mkdir` wants an approval and `touch` is denied."""
    async with shell(folder, SHELLS[name], gate=gate) as opened:
        await opened.until(lambda: b"$ " in opened.client.seen)
        await opened.settled()
        yield opened


def screen(opened: Shell) -> list[str]:
    """Return the rows a user sees that are not empty."""
    shown = TerminalScreen(80, 24)
    shown.feed(opened.client.seen)
    return [row for row in shown.lines() if row]


def _made(opened: Shell) -> frozenset[str]:
    return frozenset(path.name for path in opened.folder.iterdir() if not path.name.startswith("."))


def _read(line: Line) -> str | None:
    if line.doubts:
        return None
    text = line.typed if line.screen is None else line.screen
    if text is not None and line.typed is not None and "\t" in line.typed:
        text = line.typed
    return None if text is None else "\n".join(one.rstrip() for one in text.split("\n"))
