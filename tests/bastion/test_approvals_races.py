"""Several processes on one database, and processes killed at the worst moment: one outcome, one run, nothing lost."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bastion.audit import verify
from bastion.store.base import ApprovalRow, ApprovalState, Store
from bastion.store.opening import open_store
from tests.bastion.desk import BOB, START, Clock, Desk, desk

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/b.db"


@pytest.fixture
async def counter(url: str) -> AsyncIterator[Desk]:
    async with desk(open_store(url), Clock()) as opened:
        yield opened


@contextmanager
def racer(job: str, url: str, argument: str, kill: str = "") -> Iterator["subprocess.Popen[str]"]:
    """Start a process, which says `ready` and waits for the word to begin."""
    command = [sys.executable, "-m", "tests.bastion.store.racer", job, url, argument]
    environment = {**os.environ, "BASTION_KILL": kill}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def race(job: str, url: str, arguments: Sequence[str]) -> list[str]:
    """Run the job in a process for each argument, all at once, and return what each says."""
    with ExitStack() as stack:
        processes = [stack.enter_context(racer(job, url, argument)) for argument in arguments]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [process.communicate(timeout=60)[0].strip() for process in processes]


def run(job: str, url: str, argument: str, kill: str = "") -> tuple[int, list[str]]:
    """Run the job in one process; return its exit status and the lines after `ready`."""
    with racer(job, url, argument, kill) as process:
        output, _ = process.communicate("go\n", timeout=60)
        return process.returncode, output.split()[1:]


def intact(store: Store) -> bool:
    """Return whether the journal verifies."""
    return verify(store.journal.list(limit=100_000), head=store.journal.head()).ok


async def approved(counter: Desk) -> ApprovalRow:
    """Return an approval that can be used."""
    return await counter.decide(BOB, await counter.ask())


async def test_processes_deciding_at_once_make_one_decision(counter: Desk, url: str) -> None:
    row = await counter.ask()
    said = race("decide", url, [f"{row.id},{n}" for n in range(4)])
    (won,) = [line for line in said if not line.startswith("too late: ")]
    after = await counter.approvals.get(row.id, BOB, may_approve=True)
    assert after.state == won
    assert [decision.approve for decision in after.decisions] == [won == "approved"]
    assert [entry.data["state"] for entry in counter.journal() if entry.type == "approval.decided"] == [won]
    assert intact(counter.thread.store)


async def test_processes_using_at_once_run_once(counter: Desk, url: str, tmp_path: Path) -> None:
    row = await approved(counter)
    ran = tmp_path / "ran"
    said = race("use", url, [f"{row.digest},{ran}"] * 4)
    assert sorted(said) == sorted([row.id, *["nothing"] * 3])
    assert ran.read_bytes() == b"x"
    assert counter.events().count("approval.used") == 1
    assert intact(counter.thread.store)


async def test_processes_asking_at_once_ask_once(counter: Desk, url: str) -> None:
    said = race("ask", url, ["reboot"] * 4)
    assert len(set(said)) == 1
    assert counter.events() == ["approval.requested"]


@pytest.mark.parametrize(
    ("point", "runs_later"),
    [("update", True), ("commit", False), ("return", False)],
)
async def test_killed_between_approval_and_run_it_never_runs_twice(
    counter: Desk, url: str, tmp_path: Path, point: str, runs_later: bool
) -> None:
    row = await approved(counter)
    ran = tmp_path / "ran"
    status, lines = run("use", url, f"{row.digest},{ran}", kill=point)
    assert (status, lines) == (-9, [])
    assert not ran.exists()
    # what the dead process had begun and not committed is gone, what it had committed holds
    status, lines = run("use", url, f"{row.digest},{ran}")
    assert (status, lines) == (0, [row.id] if runs_later else ["nothing"])
    assert ran.exists() == runs_later
    status, lines = run("use", url, f"{row.digest},{ran}")
    assert lines == ["nothing"]
    after = await counter.approvals.get(row.id, BOB, may_approve=True)
    assert after.state is ApprovalState.USED
    assert counter.events().count("approval.used") == 1
    assert intact(counter.thread.store)


async def test_killed_after_writing_the_journal_everything_told_is_there(counter: Desk, url: str) -> None:
    status, lines = run("record", url, "20")
    assert (status, lines[-1]) == (-9, "100")
    entries = counter.journal()
    assert len(entries) == 100
    assert intact(counter.thread.store)
    await counter.ask()
    assert counter.journal()[-1].seq == 101
    assert counter.journal()[-1].time == START.isoformat(timespec="milliseconds").replace("+00:00", "Z")
