"""Every situation at every shell it applies to: what is read is what runs, or else unknown; strict lets none by."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from bastion.config.schema import Rule
from bastion.model import ShellGate
from tests.terminals.play import FREE, GUARDED, Played, Stage
from tests.terminals.situations import SITUATIONS, Situation

AT_ONCE = 8
EXACT = 0.95  # of the lines; the rest says that it is unknown


def innocent(told: str) -> bool:
    """Say yes as somebody would who only sees what they are told, and wants no variable run."""
    return "touch" not in told and "$v" not in told


async def play_all(
    stage: Stage, gate: ShellGate, rules: Sequence[Rule], situations: Sequence[Situation] = SITUATIONS
) -> list[Played]:
    """Play all, a few at once. Under rules, people are asked."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(situation: Situation, shell: str) -> Played:
        async with turns:
            return await stage.play(
                situation, shell, gate=gate, rules=rules, agrees=None if rules is FREE else innocent
            )

    played = await asyncio.gather(*(one(situation, shell) for situation in situations for shell in situation.shells))
    await stage.reader.close()
    return played


def test_there_are_enough_of_them() -> None:
    assert len(SITUATIONS) >= 60
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS)


@pytest.mark.timeout(400)
async def test_what_is_read_is_what_runs_or_said_to_be_unknown(tmp_path: Path) -> None:
    played = await play_all(Stage(tmp_path), ShellGate.MISTAKES, FREE)
    figures = Counter[str]()
    for one in played:
        assert one.made == one.situation.made, one.name
        assert len(one.read) == len(one.situation.lines), f"{one.name}: {one.read}"
        for read, run in zip(one.read, one.situation.lines, strict=True):
            kind = "unknown" if read is None else "exact" if read == run else "wrong"
            figures[kind] += 1
            if kind != "exact":
                print(f"{kind}: {one.name}: {run!r} read as {read!r}")  # noqa: T201 - figures
    print(f"{len(SITUATIONS)} situations, {len(played)} runs, lines: {dict(figures)}")  # noqa: T201 - figures
    assert not figures["wrong"]
    assert figures["exact"] >= EXACT * figures.total()


@pytest.mark.timeout(400)
async def test_strict_lets_nothing_flagged_run(tmp_path: Path) -> None:
    played = await play_all(Stage(tmp_path), ShellGate.STRICT, GUARDED)
    # What is made otherwise than by the flagged command begins with an f
    ran = [one.name for one in played if any(not name.startswith("f") for name in one.made)]
    assert not ran
