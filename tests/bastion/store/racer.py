"""A process of its own that works on a database: `python -m tests.bastion.store.racer JOB URL ARGUMENT`.

It prints `ready` once everything is loaded, begins at the first line on stdin, and prints what came of it. With a
BASTION_KILL of `update`, `commit` or `return` it ends itself by SIGKILL at that point of using an approval: after the
row was changed, after the commit was done, or just before what was approved would run.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, event

from bastion.audit import Event, EventType
from bastion.errors import BastionError
from bastion.store.opening import open_store
from tests.bastion.desk import BOB, Desk, desk, person

NOW = datetime(2026, 11, 22, 20, 50, tzinfo=UTC)
POINT = os.environ.get("BASTION_KILL", "")


def die() -> None:
    """End like a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm() -> None:
    """Prepare the death that BASTION_KILL asks for."""

    @event.listens_for(Engine, "after_cursor_execute")
    def executed(*arguments: object) -> None:
        if POINT == "update" and str(arguments[2]).startswith("UPDATE approvals"):
            die()

    @event.listens_for(Engine, "commit")
    def committing(connection: object) -> None:
        if POINT == "commit":
            connection.connection.dbapi_connection.commit()  # type: ignore[attr-defined]  # what comes next anyway
            die()


async def use(opened: Desk, argument: str) -> str:
    """Use the approval of a digest, and run: a byte more in the file `ran`."""
    digest, ran = argument.split(",")
    if POINT:
        arm()
    row = await opened.approvals.use(digest)
    if row is None:
        return "nothing"
    if POINT == "return":
        die()
    descriptor = os.open(ran, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b"x")
    os.close(descriptor)
    return row.id


async def decide(opened: Desk, argument: str) -> str:
    """Approve or deny, as a person named after this process's number."""
    approval_id, number = argument.split(",")
    who = person(f"approver{number}", "sre")
    try:
        row = await opened.approvals.decide(
            who, approval_id, approve=int(number) % 2 == 0, reason="", lifetime=timedelta(hours=1), may_approve=True
        )
    except BastionError as error:
        return f"too late: {error}"
    return str(row.state)


async def ask(opened: Desk, argument: str) -> str:
    """Ask for a command."""
    return (await opened.ask(argument.encode())).id


async def record(opened: Desk, argument: str) -> str:
    """Write journal entries, many at a time, telling after each how many are written; then die."""
    for n in range(int(argument)):
        await asyncio.gather(*(opened.audit.record(Event(EventType.LOGIN, BOB.name, data={"n": n})) for _ in range(5)))
        print((n + 1) * 5, flush=True)  # noqa: T201 - the test reads it
    die()
    return ""


JOBS: dict[str, Callable[[Desk, str], object]] = {"use": use, "decide": decide, "ask": ask, "record": record}


async def main(job: str, url: str, argument: str) -> None:
    """Do one job."""
    async with desk(open_store(url, busy_timeout=60), lambda: NOW) as opened:
        print("ready", flush=True)  # noqa: T201 - the test reads it
        sys.stdin.readline()
        outcome = JOBS[job](opened, argument)
        print(await outcome, flush=True)  # type: ignore[misc]  # noqa: T201 - each job is a coroutine


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
