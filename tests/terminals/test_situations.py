"""Every situation at every shell it applies to: what is read is what runs, or else unknown; strict lets none by."""

from collections import Counter
from pathlib import Path

import pytest

from bastion.model import ShellGate
from tests.terminals.play import FREE, GUARDED, Stage, at_shells, play_all
from tests.terminals.situations import SITUATIONS

EXACT = 0.95  # of the lines; the rest says that it is unknown


def innocent(told: str) -> bool:
    """Say yes as somebody would who only sees what they are told, and wants no variable run."""
    return "touch" not in told and "$v" not in told


def test_there_are_enough_of_them() -> None:
    assert len(SITUATIONS) >= 60
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS)


@pytest.mark.timeout(400)
async def test_what_is_read_is_what_runs_or_said_to_be_unknown(tmp_path: Path) -> None:
    played = await play_all(Stage(tmp_path), at_shells(SITUATIONS), gate=ShellGate.MISTAKES, rules=FREE)
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
    played = await play_all(
        Stage(tmp_path), at_shells(SITUATIONS), gate=ShellGate.STRICT, rules=GUARDED, agrees=innocent
    )
    # What is made otherwise than by the flagged command begins with an f
    ran = [one.name for one in played if any(not name.startswith("f") for name in one.made)]
    assert not ran
