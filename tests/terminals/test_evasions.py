"""Under strict no evasion has a flagged command run that nobody who was asked saw."""

from pathlib import Path

import pytest

from bastion.model import ShellGate
from tests.terminals.evasions import EVASIONS
from tests.terminals.play import GUARDED, Stage, at_shells, play_all

NESTED = ("exec sh", "tmux -f /dev/null -L gate-test new", "script -q /dev/null", "vim -u NONE -n f", "sqlite3")


@pytest.mark.timeout(300)
async def test_no_evasion_works_under_strict(tmp_path: Path) -> None:
    played = await play_all(
        Stage(tmp_path),
        at_shells(EVASIONS),
        gate=ShellGate.STRICT,
        rules=GUARDED,
        agrees=lambda told: told in NESTED,
    )
    ran = [one.name for one in played if "mark" in one.made]
    assert ran == []
