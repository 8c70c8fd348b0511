"""Hooked shells: what they say is what runs, nothing flagged gets past them, and a held line leaves no trace."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bastion.config.schema import Rule
from bastion.model import Action, ShellGate
from bastion.protocols.base import Place
from tests.lab.shells import SHELLS, Shell, shell
from tests.terminals.evasions import EVASIONS
from tests.terminals.hook_evasions import HOOK_EVASIONS
from tests.terminals.play import GUARDED, Stage, at_prompt, at_shells, play_all, screen
from tests.terminals.situations import EDITORS, SITUATIONS, Situation

ASKING = (Rule("nothing", Action.APPROVE, commands=("no-such-command **",), approvers=("sre",)),)
NESTED = ("exec sh", "bash --norc -i", "tmux -f /dev/null -L gate-test new", "script -q /dev/null", "vim -u NONE -n f")


def alone(situation: Situation) -> bool:
    """Whether each line of a situation is a command of its own, typed at the hooked shell."""
    return all(line.startswith("touch ") and "\n" not in line and "'" not in line for line in situation.lines)


@pytest.mark.timeout(400)
async def test_what_a_shell_says_is_what_it_runs(tmp_path: Path) -> None:
    played = await play_all(
        Stage(tmp_path),
        at_shells(SITUATIONS, EDITORS),
        gate=ShellGate.HOOK,
        rules=ASKING,
        agrees=lambda told: "$v" not in told,
    )
    assert len(played) >= 120
    assert [one.name for one in played if one.made != one.situation.made] == []
    said = [(one.name, line) for one in played if alone(one.situation) for line in one.situation.lines]
    unsaid = [
        (one.name, line)
        for one in played
        if alone(one.situation)
        for line in one.situation.lines
        if not any(line in (read or "") for read in one.read)
    ]
    assert len(said) >= 60
    assert unsaid == []


@pytest.mark.timeout(400)
async def test_no_evasion_works(tmp_path: Path) -> None:
    played = await play_all(
        Stage(tmp_path),
        at_shells([*EVASIONS, *HOOK_EVASIONS], EDITORS),
        gate=ShellGate.HOOK,
        rules=GUARDED,
        agrees=lambda told: told in NESTED,
    )
    await (await asyncio.create_subprocess_exec("tmux", "-L", "gate-test", "kill-server")).wait()
    assert [one.name for one in played if "mark" in one.made] == []


def state(opened: Shell) -> str:
    """Return the state of the one request there is."""
    (row,) = opened.services.thread.store.approvals.list()
    return str(row.state)


@pytest.mark.parametrize("name", EDITORS)
async def test_a_denied_line_is_given_up_and_the_prompt_is_back(tmp_path: Path, name: str) -> None:
    async with at_prompt(tmp_path, name, ShellGate.HOOK) as opened:
        opened.type("touch mark; echo after > f\r")
        await opened.settled()
        seen = screen(opened)
        assert "bastion: denied by rule flagged: leaves a mark" in seen
        assert seen[-1] == "$"
        opened.type("echo done > g\r")
        await opened.until(lambda: opened.made("g"))
        assert not opened.made("mark")
        assert not opened.made("f")


@pytest.mark.parametrize("name", EDITORS)
async def test_a_held_line_runs_once_it_is_approved_and_output_goes_on_meanwhile(tmp_path: Path, name: str) -> None:
    async with at_prompt(tmp_path, name, ShellGate.HOOK) as opened:
        opened.type("(sleep 0.1; echo background) &\r")
        opened.type("mkdir mark\r")
        await opened.expect("waiting for approval")
        await opened.expect("background")
        opened.type("echo typed > ahead\r")
        await opened.settled()
        assert not opened.made("mark")
        assert not opened.made("ahead")
        await opened.decide(approve=True)
        await opened.until(lambda: opened.made("mark") and opened.made("ahead"))
        assert state(opened) == "used"


@pytest.mark.parametrize("name", EDITORS)
async def test_ctrl_c_withdraws_and_the_line_does_not_run(tmp_path: Path, name: str) -> None:
    async with at_prompt(tmp_path, name, ShellGate.HOOK) as opened:
        opened.type("mkdir mark\r")
        await opened.expect("waiting for approval")
        opened.type("\x03")
        await opened.until(lambda: state(opened) == "withdrawn")
        opened.type("echo done > f\r")
        await opened.until(lambda: opened.made("f"))
        assert not opened.made("mark")


async def test_lines_of_programs_are_read_as_strictly_as_without_a_hook(tmp_path: Path) -> None:
    async with at_prompt(tmp_path, "bash", ShellGate.HOOK) as opened:
        opened.type("cat\r")
        await opened.settled()
        opened.type("touch mark\r")
        await opened.expect("denied by rule flagged")
        opened.type("\x03")
        await opened.settled()
        opened.type("echo done > f\r")
        await opened.until(lambda: opened.made("f"))
        places = [line.place for line, _ in opened.lines]
        assert places == [Place.HOOK, Place.PROGRAM, Place.HOOK]


@pytest.mark.parametrize("name", EDITORS)
async def test_a_large_paste_and_a_long_line_are_answered(tmp_path: Path, name: str) -> None:
    async with at_prompt(tmp_path, name, ShellGate.HOOK) as opened:
        opened.type("\x1b[200~" + "echo " + "x" * 100_000 + "\x1b[201~")
        await opened.settled()
        opened.type("\r")
        await opened.expect("(rule strict, approvers sre")
        await opened.decide(approve=False)
        await opened.settled()
        opened.type("echo done > f\r")
        await opened.until(lambda: opened.made("f"))


async def test_users_settings_are_kept(tmp_path: Path) -> None:
    async with at_prompt(tmp_path, "bash", ShellGate.HOOK) as opened:
        opened.answer(lambda told: told.startswith("PROMPT_COMMAND="))
        for line in (
            "PROMPT_COMMAND='prompts=$((prompts + 1))'",
            "HISTCONTROL=ignoreboth HISTIGNORE='echo secret*'",
            " echo hidden",
            "echo secret",
            "echo same",
            "echo same",
            "false",
        ):
            opened.type(f"{line}\r")
            await opened.settled()
        opened.type('echo "status $? prompts $prompts"; history > h\r')
        await opened.until(lambda: opened.made("h"))
        kept = [line.split(maxsplit=1)[1] for line in (opened.folder / "h").read_text(encoding="utf-8").splitlines()]
        assert kept[2:5] == ["echo same", "false", 'echo "status $? prompts $prompts"; history > h']
        await opened.until(lambda: "status 1 prompts 7" in opened.text)
        assert not [line for line, _ in opened.lines if line.screen is None]


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("bash", "HISTCONTROL=ignoreboth:erasedups HISTSIZE=2 HISTTIMEFORMAT='%F ' IFS=abc"),
        ("bash", "set -uE; trap 'x=$BASH_COMMAND' DEBUG; PROMPT_COMMAND=(a b); a() { :; }; b() { false; }"),
        ("zsh", "autoload -Uz compinit; compinit -u; zstyle ':completion:*' completer _expand _complete"),
        ("zsh", "setopt ksh_arrays sh_word_split no_unset share_history hist_ignore_space; precmd() { false; }"),
    ],
)
async def test_own_start_up_files_neither_break_the_hook_nor_blind_it(tmp_path: Path, name: str, profile: str) -> None:
    async with shell(tmp_path, SHELLS[name], gate=ShellGate.HOOK, profile=profile) as opened:
        opened.answer(lambda _: False)
        await opened.expect("$ ")
        await opened.settled()
        for keys in ("echo a\r", "echo a\r", " echo b\r", "(touch mark)\r", "!ec\r", "echo $(touch mark)\t\x15"):
            opened.type(keys)
            await opened.settled()
        opened.type("echo done > f\r")
        await opened.until(lambda: opened.made("f"))
        assert [line.screen for line, _ in opened.lines if line.screen is not None] == [
            "echo a", "echo a", " echo b", "(touch mark)", "echo a", "echo done > f",
        ]  # fmt: skip
        assert not opened.made("mark")


FISH_RUNS = (
    ("echo one > a; echo two > b\r", "a/b"),
    ("echo one > a\recho two > b\r", "a/b"),
    ("begin\recho in > a\rend\r", "a"),
    ("abbr -a gs 'echo abbreviated > a'\rgs\r", "a"),
    (": later > a\r\x1b[A\x01\x04\x04echo\r", "a"),
)
FISH_REFUSED = (
    "touch mark\r",
    "touch mark &\r",
    "echo (touch mark)\r",
    "echo '\\''; touch mark #'\r",
    "and touch mark\r",
    "begin; touch mark; end\r",
    "abbr -a t touch mark\rt\r",
    "function t; touch mark; end; t\r",
    "bind q execute\rtouch markq",
    "echo a\rtouch mark\r",
    "functions -e __bastion_preexec\rbind \\r execute\rtouch mark\r",
)


@asynccontextmanager
async def fish(folder: Path, agrees: Callable[[str], bool]) -> AsyncIterator[Shell]:
    """Start a hooked fish, with somebody who answers."""
    # Without this, a fish reads all manuals at its first start
    (folder / "home/.local/share/fish/generated_completions").mkdir(parents=True)
    async with shell(folder, ("fish", "-i"), gate=ShellGate.HOOK) as opened:
        await opened.expect("\x1b[?2004h")
        await opened.settled()
        opened.answer(agrees)
        yield opened


@pytest.mark.parametrize(("keys", "made"), FISH_RUNS)
async def test_fish_says_what_it_runs(tmp_path: Path, keys: str, made: str) -> None:
    async with fish(tmp_path, lambda _: True) as opened:
        opened.type(keys)
        await opened.until(lambda: all(opened.made(name) for name in made.split("/")))
        assert {line.place for line, _ in opened.lines} == {Place.HOOK}


@pytest.mark.parametrize("keys", FISH_REFUSED)
async def test_fish_runs_nothing_that_is_refused(tmp_path: Path, keys: str) -> None:
    async with fish(tmp_path, lambda told: told == "bind q execute") as opened:
        opened.type(keys)
        await opened.settled()
        opened.type("\x15echo done > f\r")
        await opened.until(lambda: opened.made("f") or opened.channel.over)
        assert not opened.made("mark")
