"""A shell whose lines the terminal's driver edits: read as the driver leaves them, or unknown; strict lets none by."""

from pathlib import Path

import pytest

from bastion.model import ShellGate
from tests.terminals.driver import DRIVER, FLUSHED, UNSEEN
from tests.terminals.play import FREE, GUARDED, Stage, at_shells, play_all
from tests.terminals.situations import DASH, Situation
from tests.terminals.test_situations import innocent


@pytest.mark.timeout(200)
async def test_what_the_driver_leaves_is_what_is_read_or_said_to_be_unknown(tmp_path: Path) -> None:
    for one in await play_all(Stage(tmp_path), at_shells([*DRIVER, *UNSEEN]), gate=ShellGate.MISTAKES, rules=FREE):
        assert one.made == one.situation.made, one.name
        assert len(one.read) == len(one.situation.lines), f"{one.name}: {one.read}"
        for read, run in zip(one.read, one.situation.lines, strict=True):
            assert read in (None, run), one.name


@pytest.mark.timeout(200)
async def test_strict_lets_nothing_flagged_run_however_the_driver_edits_it(tmp_path: Path) -> None:
    played = await play_all(
        Stage(tmp_path), at_shells([*DRIVER, *FLUSHED]), gate=ShellGate.STRICT, rules=GUARDED, agrees=innocent
    )
    ran = [one.name for one in played if one.made]
    assert not ran


@pytest.mark.parametrize("situation", UNSEEN, ids=lambda one: one.name)
async def test_strict_holds_what_does_not_show_until_somebody_answers(tmp_path: Path, situation: Situation) -> None:
    stage = Stage(tmp_path)
    played = await stage.play(situation, DASH, gate=ShellGate.STRICT, rules=GUARDED)
    await stage.reader.close()
    assert "bastion: waiting for approval" in played.seen
    assert not played.made
