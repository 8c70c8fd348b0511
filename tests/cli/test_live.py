"""Looking on while a session goes on, with a real recording that is being written."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyte
import pytest

import cli.live
from bastion.config.schema import Role
from bastion.model import ControlRight
from recorder.asciicast import Code, Header
from recorder.reader import Recording
from recorder.screen import TerminalScreen
from recorder.storage import key_for
from recorder.writer import RecordingWriter
from tests.cli.world import ALICE, BOB, CAROL, CONFIG, NEEDS_APPROVAL, NOW, ROBOT, MemoryTerminal, World

PLAYED = Header(width=80, height=24, term="xterm")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.live, "PAUSE", 0.01)
    monkeypatch.setattr(cli.live, "CHECK", 0.05)


@pytest.fixture
def writer(world: World) -> RecordingWriter:
    """The recording of bob's session `s1`, which goes on."""
    return begin(world, "s1", PLAYED)


def begin(world: World, session_id: str, header: Header) -> RecordingWriter:
    key = key_for(session_id, NOW)
    writer = RecordingWriter(world.recordings.create(key), header)
    world.add_session(session_id, BOB, recording=key, channel="shell", ended=None, exit_status=None)
    return writer


def end(world: World, exit_status: str | None = None) -> None:
    row = world.store.sessions.get("s1")
    assert row is not None
    world.store.sessions.finish(replace(row, ended=NOW, exit_status=exit_status))


def seen(terminal: MemoryTerminal) -> list[str]:
    """Return what the viewer's terminal shows."""
    screen = pyte.Screen(terminal.columns, terminal.rows)
    pyte.Stream(screen).feed(terminal.out.replace("\x1b[?1049h", ""))
    return [line.rstrip() for line in screen.display]


async def test_what_the_user_sees_comes_as_it_is_written(world: World, writer: RecordingWriter) -> None:
    writer.write(Code.OUTPUT, b"$ uptime\r\n", 1.0)
    terminal = MemoryTerminal(tty=True, columns=100, rows=30)
    watching = asyncio.create_task(world.run(ALICE, "sessions watch s1", terminal))
    await terminal.until(lambda out: "$ uptime" in out)
    writer.write(Code.INPUT, b"typed, not echoed", 1.5)
    writer.write(Code.OUTPUT, b"\x1b[31mup 3 days\x1b[0m\r\n\x1b]52;c;ZXZpbA==\x07\x1b[6n$ ", 2.0)
    await terminal.until(lambda out: "up 3 days" in out)
    assert seen(terminal)[1:4] == ["$ uptime", "up 3 days", "$"]
    assert seen(terminal)[0].startswith(" bob on deploy@web-1 ")
    assert seen(terminal)[0].endswith("live 5m00s   q back")
    writer.close(9.0, "0")
    end(world, "0")
    await terminal.until(lambda out: "over, exit 0" in out)
    assert not watching.done()
    terminal.keys.put_nowait(b"q")
    ran = await watching
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.endswith("\x1b[?1049l")
    for hidden in ("typed", "\x1b]52", "\x1b[6n"):
        assert hidden not in ran.out
    assert ("session.watched", "alice") in world.events()


async def test_a_pipe_gets_the_output_to_the_end(world: World, writer: RecordingWriter) -> None:
    terminal = MemoryTerminal()
    writer.write(Code.OUTPUT, b"first\r\n", 1.0)
    watching = asyncio.create_task(world.run(BOB, "sessions watch s1", terminal))
    await terminal.until(lambda out: "first" in out)
    writer.write(Code.OUTPUT, b"second\x1b[6n\r\n", 2.0)
    writer.close(9.0, "0")
    end(world, "0")
    ran = await watching
    assert (ran.status, ran.out) == (0, "first\r\nsecond\r\n")


async def test_a_session_whose_process_was_killed_ends(world: World, writer: RecordingWriter) -> None:
    """Its recording is never closed; the row says that it is over."""
    terminal = MemoryTerminal()
    watching = asyncio.create_task(world.run(BOB, "sessions watch s1", terminal))
    writer.write(Code.OUTPUT, b"last words", 1.0)
    await terminal.until(lambda out: "last words" in out)
    end(world)
    assert (await watching).status == 0


@pytest.mark.parametrize("tty", [True, False])
async def test_who_may_watch(world: World, writer: RecordingWriter, tty: bool) -> None:
    world.add_session("done", recording="2026/11/22/done.cast")
    for who, session in [(ROBOT, "s1"), (CAROL, "s1"), (ALICE, "nope"), (ALICE, "done")]:
        ran = await world.run(who, f"sessions watch {session}", MemoryTerminal(tty=tty))
        assert ran.status == 4
        assert len(ran.err.splitlines()) == 1
    assert world.events() == []


async def test_a_right_that_is_taken_away_ends_it(world: World, writer: RecordingWriter) -> None:
    terminal = MemoryTerminal(tty=True)
    watching = asyncio.create_task(world.run(ALICE, "sessions watch s1", terminal))
    await terminal.until(lambda out: "bob on deploy" in out)
    world.config = replace(CONFIG, roles={})
    ran = await watching
    assert ran.status == 4
    assert "\x1b[?1049l" in ran.out


async def test_from_the_approvals_and_back(world: World, writer: RecordingWriter) -> None:
    row = await world.ask(BOB, session="s1")
    writer.write(Code.OUTPUT, b"$ systemctl stop nginx\r\nbastion: waiting for approval\r\n", 1.0)
    terminal = MemoryTerminal(tty=True)
    watching = asyncio.create_task(world.run(ALICE, "approvals watch", terminal))
    await terminal.until(lambda out: "1 waiting" in out)
    terminal.keys.put_nowait(b"w")
    await terminal.until(lambda out: "bastion: waiting for approval" in out)
    assert seen(terminal)[1:3] == ["$ systemctl stop nginx", "bastion: waiting for approval"]
    terminal.keys.put_nowait(b"a")  # means nothing here: it must not decide
    await world.ask(BOB, b"reboot")
    terminal.keys.put_nowait(b"q")
    await terminal.until(lambda out: "2 waiting" in out)
    assert (await world.approvals.get(row.id, ALICE, may_approve=True)).state == "pending"
    terminal.keys.put_nowait(b"a")
    await terminal.until(lambda out: f"{row.id} approved" in out)
    terminal.keys.put_nowait(b"q")
    assert (await watching).status == 0
    assert ("session.watched", "alice") in world.events()


async def test_an_approver_who_may_not_replay_stays_in_the_list(world: World, writer: RecordingWriter) -> None:
    await world.ask(BOB, verdict=replace(NEEDS_APPROVAL, approvers=("approvers-elsewhere",)), session="s1")
    world.now += timedelta(seconds=1)
    await world.ask(BOB, b"reboot", verdict=replace(NEEDS_APPROVAL, approvers=("approvers-elsewhere",)))
    terminal = MemoryTerminal(tty=True)
    watching = asyncio.create_task(world.run(CAROL, "approvals watch", terminal))
    await terminal.until(lambda out: "2 waiting" in out)
    terminal.keys.put_nowait(b"w")
    await terminal.until(lambda out: "there is no session s1 that you may see" in out)
    world.config = replace(CONFIG, roles={"all": Role("all", (CAROL.groups[0],), control=frozenset(ControlRight))})
    world.recordings.delete(key_for("s1", NOW))
    terminal.keys.put_nowait(b"w")
    await terminal.until(lambda out: "there is no recording" in out)
    terminal.keys.put_nowait(b"j")
    terminal.keys.put_nowait(b"w")
    await terminal.until(lambda out: "was asked in no session" in out)
    terminal.keys.put_nowait(b"q")
    assert (await watching).status == 0
    assert (await world.approvals.list(CAROL, may_approve=True))[0].state == "pending"
    assert ("session.watched", "carol") not in world.events()


def shown(still_of: bytes, columns: int, rows: int, size: tuple[int, int]) -> list[str]:
    """Return what a viewer's terminal of `columns` by `rows` shows of a screen of that size."""
    screen = TerminalScreen(*size)
    screen.feed(still_of)
    terminal = MemoryTerminal(tty=True, columns=columns, rows=rows, color=True)
    row = World(Path("/nowhere")).add_session("s1", BOB)
    emulator = pyte.Screen(columns, rows)
    pyte.Stream(emulator).feed(cli.live.draw(terminal, row, screen.still(), "live 1s"))
    return [line.rstrip() for line in emulator.display]


def test_a_larger_screen_is_shown_where_its_cursor_is() -> None:
    tall = b"".join(b"line %d\r\n" % number for number in range(30)) + b"$ "
    assert shown(tall, 60, 6, (200, 50))[1:] == ["line 26", "line 27", "line 28", "line 29", "$"]
    assert "part of 200x50" in shown(tall, 60, 6, (200, 50))[0]
    wide = b"0123456789" * 12 + b"end"
    assert shown(wide, 40, 6, (200, 50))[1].endswith("end")
    assert len(shown(wide, 40, 6, (200, 50))[1]) <= 40


@pytest.mark.parametrize("columns", [1, 7, 80, 300])
@pytest.mark.parametrize("rows", [1, 2, 24, 100])
def test_every_window_is_filled_and_never_overflows(columns: int, rows: int) -> None:
    text = "\x1b[1;38;5;200mwide \u6f22\u5b57\x1b[0m\r\n\x1b[48;2;1;2;3mx\x1b[105;93mbright".encode()
    lines = shown(text * 3, columns, rows, (80, 24))
    assert len(lines) == rows


def test_of_much_output_at_once_the_end_is_drawn(tmp_path: Path) -> None:
    """And the modes that were set before it, such as the alternate screen."""
    writer = RecordingWriter(tmp_path / "a.cast", PLAYED)
    writer.write(Code.OUTPUT, b"\x1b[?1049h\x1b[?25l" + b"much of it\r\n" * 200_000 + b"the end", 1.0)
    viewer = cli.live.Viewer(Recording.open(tmp_path / "a.cast"), 80, 24)
    still = viewer.advance()
    assert "".join(text for text, _ in still.lines[-1]).rstrip() == "the end"
    assert still.cursor is None
    assert viewer.cost < 3
    writer.resize(20, 5, 2.0)
    writer.write(Code.OUTPUT, b"\x1b[?1049lsmall", 2.0)
    still = viewer.advance()
    assert (still.columns, still.rows) == (20, 5)
    writer.close(3.0)
    viewer.advance()
    assert viewer.closed
