"""Every line of the corpora is foreseen as a real bash runs it: side effects decide, not our own reading.

A line may run nothing that was not among its commands, unless it was said to be opaque, and for the reasons stated.
"""

import pytest

from bastion.reading import CommandReader
from tests.bastion.policy.corpus import Entry, covers, entries, exact
from tests.bastion.policy.sandbox import Sandbox

FILES = ("words.txt", "structure.txt", "wrappers.txt", "tricks.txt", "dodges.txt")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("root"))


async def _problems(entry: Entry, reader: CommandReader, sandbox: Sandbox) -> list[str]:
    understanding = await reader.understand(entry.text.encode())
    reasons = {item.reason.value for item in understanding.opaque}
    problems = []
    if reasons != entry.reasons:
        problems.append(f"opaque for {sorted(reasons)}, not {sorted(entry.reasons)}")
    if not reasons:
        problems += [
            f"ran unseen: {run}"
            for run in sandbox.run(entry.text)
            if not any(covers(command, run) for command in understanding.commands)
        ]
    return [f"{entry.place} {entry.text!r}: {problem}" for problem in problems]


@pytest.mark.parametrize("name", FILES)
async def test_a_line_runs_nothing_that_was_not_foreseen(name: str, reader: CommandReader, sandbox: Sandbox) -> None:
    problems = [problem for entry in entries(name) for problem in await _problems(entry, reader, sandbox)]
    assert not problems, "\n".join(problems)


async def test_what_is_foreseen_is_what_runs(reader: CommandReader, sandbox: Sandbox) -> None:
    """Of the plain lines, nearly all run exactly the programs foreseen: nothing is made up either."""
    plain = [entry for entry in entries("words.txt") if not entry.reasons]
    exactly = 0
    for entry in plain:
        understanding = await reader.understand(entry.text.encode())
        ran = {tuple(run) for run in sandbox.run(entry.text)}
        foreseen = {tuple(words) for command in understanding.commands if (words := exact(command)) is not None}
        exactly += ran <= foreseen
    assert exactly >= 0.9 * len(plain)


async def test_what_other_programs_start_is_foreseen(reader: CommandReader) -> None:
    """Each line would run `rm`, by a program that the sandbox does not have."""
    problems = []
    for entry in entries("launchers.txt"):
        understanding = await reader.understand(entry.text.encode())
        reasons = {item.reason.value for item in understanding.opaque}
        listed = any(command.shown[0].rsplit("/", 1)[-1] == "rm" for command in understanding.commands)
        if reasons != entry.reasons or not (reasons or listed):
            problems.append(f"{entry.place} {entry.text!r}: {[c.shown for c in understanding.commands]}, {reasons}")
    assert not problems, "\n".join(problems)


def test_the_corpora_hold_enough() -> None:
    assert sum(1 for name in FILES for _ in entries(name)) >= 300
