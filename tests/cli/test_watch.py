"""`approvals watch` with real approvals: the screen on a terminal, lines elsewhere."""

import asyncio
import json

import pytest

from tests.cli.world import ALICE, BOB, ROBOT, MemoryTerminal, World


async def test_lines_for_every_change(world: World) -> None:
    first = await world.ask(BOB)
    terminal = MemoryTerminal()
    watching = asyncio.create_task(world.run(ALICE, "approvals watch", terminal))
    await terminal.until(lambda out: first.id in out)
    second = await world.ask(BOB, b"reboot")
    await terminal.until(lambda out: second.id in out)
    await world.run(ALICE, f"approvals deny {first.id}")
    await terminal.until(lambda out: "denied" in out)
    terminal.closed.set()
    ran = await watching
    assert ran.status == 0
    assert [line.split()[1:3] for line in ran.out.splitlines()] == [
        ["pending", first.id],
        ["pending", second.id],
        ["denied", first.id],
    ]


async def test_json_lines(world: World) -> None:
    row = await world.ask(BOB)
    terminal = MemoryTerminal(tty=True)
    watching = asyncio.create_task(world.run(ALICE, "approvals watch --json", terminal))
    await terminal.until(lambda out: row.id in out)
    terminal.closed.set()
    ran = await watching
    assert json.loads(ran.out)["id"] == row.id


async def test_others_see_nothing(world: World) -> None:
    await world.ask(BOB)
    terminal = MemoryTerminal()
    watching = asyncio.create_task(world.run(ROBOT, "approvals watch", terminal))
    mine = await world.ask(ROBOT, b"uptime")
    await terminal.until(lambda out: mine.id in out)
    terminal.closed.set()
    assert len((await watching).out.splitlines()) == 1


async def test_approving_on_the_screen(world: World) -> None:
    row = await world.ask(BOB)
    terminal = MemoryTerminal(tty=True)
    watching = asyncio.create_task(world.run(ALICE, "approvals watch", terminal))
    await terminal.until(lambda out: "systemctl stop nginx" in out)
    assert terminal.out.startswith("\x1b[?1049h")
    terminal.keys.put_nowait(b"a")
    await terminal.until(lambda out: f"{row.id} approved" in out and "nothing waits" in out)
    terminal.keys.put_nowait(b"q")
    ran = await watching
    assert ran.status == 0
    assert ran.out.endswith("\x1b[?1049l")
    assert (await world.approvals.get(row.id, ALICE, may_approve=True)).state == "approved"


async def test_a_new_request_appears_and_rings(world: World) -> None:
    terminal = MemoryTerminal(tty=True)
    watching = asyncio.create_task(world.run(ALICE, "approvals watch", terminal))
    await terminal.until(lambda out: "nothing waits" in out)
    assert "\a" not in terminal.out
    await world.ask(BOB)
    await terminal.until(lambda out: "1 waiting" in out)
    assert "\a" in terminal.out
    terminal.keys.put_nowait(b"\x03")
    assert (await watching).status == 0


async def test_ones_own_request_cannot_be_decided_there(world: World) -> None:
    await world.ask(ALICE, b"reboot")
    terminal = MemoryTerminal(tty=True)
    watching = asyncio.create_task(world.run(ALICE, "approvals watch", terminal))
    await terminal.until(lambda out: "reboot" in out)
    terminal.keys.put_nowait(b"a")
    await terminal.until(lambda out: "your own request" in out)
    terminal.keys.put_nowait(b"q")
    assert (await watching).status == 0
    assert (await world.approvals.list(ALICE, may_approve=True))[0].state == "pending"


@pytest.mark.parametrize("tty", [True, False])
async def test_a_watcher_that_is_cancelled_leaves_nothing_behind(world: World, tty: bool) -> None:
    before = asyncio.all_tasks()
    terminal = MemoryTerminal(tty=tty)
    row = await world.ask(BOB)
    watching = asyncio.create_task(world.run(ALICE, "approvals watch", terminal))
    await terminal.until(lambda out: row.id in out or "systemctl" in out)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    left = {task for task in asyncio.all_tasks() - before if task.get_name() != "approvals"}
    assert not left
    if tty:
        assert terminal.out.endswith("\x1b[?1049l")


async def test_the_end_of_input_ends_the_screen(world: World) -> None:
    terminal = MemoryTerminal(tty=True)
    terminal.keys.put_nowait(b"")
    assert (await world.run(ALICE, "approvals watch", terminal)).status == 0


async def test_a_screen_survives_a_closed_connection(world: World) -> None:
    terminal = MemoryTerminal(tty=True)
    watching = asyncio.create_task(world.run(ALICE, "approvals watch", terminal))
    await terminal.until(lambda out: "nothing waits" in out)
    terminal.closed.set()
    assert (await watching).status == 0
