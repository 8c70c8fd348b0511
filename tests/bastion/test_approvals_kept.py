"""What is kept of a command that was asked for: its exact bytes while they may be needed, then what masking leaves."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bastion.approvals import digest
from bastion.store.base import ApprovalRow
from tests.bastion.desk import ALICE, BOB, Clock, Desk


async def _deny(counter: Desk, row: ApprovalRow, clock: Clock) -> None:
    del clock
    await counter.decide(BOB, row, yes=False)


async def _use(counter: Desk, row: ApprovalRow, clock: Clock) -> None:
    del clock
    await counter.decide(BOB, row)
    used = await counter.approvals.use(row.digest)
    assert used is not None
    assert used.command == row.command, "once more, to be run"


async def _withdraw(counter: Desk, row: ApprovalRow, clock: Clock) -> None:
    del clock
    assert await counter.approvals.withdraw(row.id, ALICE)


async def _expire(counter: Desk, row: ApprovalRow, clock: Clock) -> None:
    await counter.decide(BOB, row)
    clock.now += timedelta(days=1)
    assert [over.id for over in await counter.approvals.sweep()] == [row.id]


async def _lapse(counter: Desk, row: ApprovalRow, clock: Clock) -> None:
    del clock
    await counter.ask(row.command, masked=b"other", rule="other")
    await counter.approvals.withdraw((await counter.ask(row.command, masked=b"other", rule="other")).id, ALICE)


def _files_with(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.iterdir() if text in path.read_bytes()]


@pytest.mark.parametrize("end", [_deny, _use, _withdraw, _expire, _lapse])
async def test_the_exact_bytes_are_kept_until_it_is_over(
    counter: Desk,
    clock: Clock,
    tmp_path: Path,
    end: Callable[[Desk, ApprovalRow, Clock], Awaitable[None]],
) -> None:
    exact = b"mail jane.doe@example.com " + b"x" * 10_000
    row = await counter.ask(exact, masked=b"mail [EMAIL]")
    assert (await counter.approvals.get(row.id, BOB, may_approve=True)).command == exact
    await end(counter, row, clock)
    assert (await counter.approvals.get(row.id, BOB, may_approve=True)).command == b"mail [EMAIL]"
    assert counter.journal()[0].data["command"] == "mail [EMAIL]"
    assert row.digest == digest("corp", "s-alice", "web-1", "deploy", "exec", exact)
    assert _files_with(tmp_path, b"jane.doe") == []
