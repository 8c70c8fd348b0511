"""What a user sees while a line is held, and that the shell is where it was when that is over."""

import asyncio
from pathlib import Path

import pytest

from tests.lab.shells import SHELLS, Shell
from tests.terminals.play import at_prompt, screen

NAMES = sorted(SHELLS)


def states(opened: Shell) -> list[str]:
    """Return the states of all requests."""
    return [str(row.state) for row in opened.services.thread.store.approvals.list()]


@pytest.mark.parametrize("name", NAMES)
async def test_a_denied_line_is_gone_and_the_prompt_is_back(tmp_path: Path, name: str) -> None:
    async with at_prompt(tmp_path, name) as opened:
        opened.type("touch mark")
        await opened.settled()
        opened.type("\r")
        await opened.settled()
        assert screen(opened) == ["$ touch mark", "bastion: denied by rule flagged: leaves a mark", "$"]
        opened.type("echo done > f\r")
        await opened.until(lambda: opened.made("f"))
        assert not opened.made("mark")
        assert [line.screen for line, _ in opened.lines] == ["touch mark", "echo done > f"]


@pytest.mark.parametrize("name", NAMES)
async def test_ctrl_c_withdraws(tmp_path: Path, name: str) -> None:
    async with at_prompt(tmp_path, name) as opened:
        opened.type("mkdir mark\r")
        await opened.until(lambda: "waiting for approval" in opened.text)
        opened.type("\x03")
        await opened.until(lambda: "withdrawn" in opened.text)
        await opened.settled()
        assert states(opened) == ["withdrawn"]
        rows = screen(opened)
        assert (rows[0], rows[-1]) == ("$ mkdir mark", "$")
        opened.type("echo done > f\r")
        await opened.until(lambda: opened.made("f"))
        assert not opened.made("mark")


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_typed_meanwhile_comes_after_the_approved_line(tmp_path: Path, name: str) -> None:
    async with at_prompt(tmp_path, name) as opened:
        opened.type("mkdir mark\r")
        await opened.until(lambda: "waiting for approval" in opened.text)
        opened.type("echo done > f")
        await opened.settled()
        assert not opened.made("mark")
        await opened.decide(approve=True)
        await opened.until(lambda: opened.made("mark"))
        await opened.settled()
        assert screen(opened)[-1] == "$ echo done > f"
        opened.type("\r")
        await opened.until(lambda: opened.made("f"))


@pytest.mark.parametrize("name", NAMES)
async def test_output_goes_on_while_a_line_is_held(tmp_path: Path, name: str) -> None:
    async with at_prompt(tmp_path, name) as opened:
        opened.type("(while [ ! -e go ]; do sleep 0.05; done; echo from behind) &\r")
        await opened.settled()
        opened.type("mkdir mark\r")
        await opened.until(lambda: "waiting for approval" in opened.text)
        (opened.folder / "go").write_text("")
        await opened.until(lambda: "\nfrom behind" in opened.text)
        assert states(opened) == ["pending"]
        await opened.decide(approve=False)
        await opened.until(lambda: "denied by" in opened.text)
        await opened.settled()
        assert not opened.made("mark")


async def test_a_huge_paste_into_a_held_shell_is_not_kept(tmp_path: Path) -> None:
    async with at_prompt(tmp_path, "bash") as opened:
        opened.type("mkdir mark\r")
        await opened.until(lambda: "waiting for approval" in opened.text)
        packets = 0
        while opened.client.reading and packets < 1000:
            opened.type(b"echo a; " * 1024)
            packets += 1
            await asyncio.sleep(0)
        assert packets <= 16  # of 8 KiB: the client is not read beyond that
