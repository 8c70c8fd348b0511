"""Under strict no evasion has a flagged command run that nobody who was asked saw."""

import asyncio
from pathlib import Path

import pytest

from bastion.model import ShellGate
from tests.terminals.evasions import EVASIONS
from tests.terminals.play import GUARDED, Played, Stage
from tests.terminals.situations import Situation

AT_ONCE = 8
NESTED = ("exec sh", "tmux -f /dev/null -L gate-test new", "script -q /dev/null", "vim -u NONE -n f", "sqlite3")


@pytest.mark.timeout(300)
async def test_no_evasion_works_under_strict(tmp_path: Path) -> None:
    stage, turns = Stage(tmp_path), asyncio.Semaphore(AT_ONCE)

    async def one(situation: Situation, shell: str) -> Played:
        async with turns:
            return await stage.play(
                situation,
                shell,
                gate=ShellGate.STRICT,
                rules=GUARDED,
                agrees=lambda told: told in NESTED,
            )

    ways = [one(situation, shell) for situation in EVASIONS for shell in situation.shells]
    played = await asyncio.gather(*ways)
    await stage.reader.close()
    ran = [one.name for one in played if "mark" in one.made]
    assert ran == []
