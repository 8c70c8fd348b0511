"""Recordings from the command line: replaying and searching, with real files written by the recorder."""

import asyncio

import pytest

from bastion.model import Identity
from recorder.asciicast import Code, Header
from recorder.storage import key_for
from recorder.writer import RecordingWriter
from tests.cli.world import ALICE, BOB, NOW, ROBOT, MemoryTerminal, World

SHOWN = b"user@web-1$ \x1b[31mdeploy\x1b[0m shop\r\n\x1b]52;c;ZXZpbA==\x07done \xc3\xa4\r\n\x1b[6n"


def record(world: World, session_id: str, who: Identity = BOB, shown: bytes = SHOWN) -> None:
    key = key_for(session_id, NOW)
    writer = RecordingWriter(world.recordings.create(key), Header(term="xterm", command="bash"))
    writer.write(Code.OUTPUT, shown, 0.5)
    writer.write(Code.INPUT, b"secret typed", 1.0)
    writer.write(Code.OUTPUT, b"bye\r\n", 3600.0)
    writer.close(3601.0, "0")
    world.add_session(session_id, who, recording=key, channel="shell")


async def test_play_without_a_terminal_prints_what_was_shown(world: World) -> None:
    record(world, "s1")
    ran = await world.run(BOB, "sessions play s1")
    assert ran.status == 0
    assert "deploy" in ran.out
    assert "done ä\r\n" in ran.out
    assert ran.out.endswith("bye\r\n")
    assert "secret typed" not in ran.out
    for harmful in ("\x1b]52", "\x1b[6n", "ZXZpbA"):
        assert harmful not in ran.out
    assert ("recording.replayed", "bob") in world.events()


async def test_who_may_play(world: World) -> None:
    record(world, "s1")
    world.add_session("bare")
    for who, session, status in [(ROBOT, "s1", 4), (ROBOT, "nope", 4), (ALICE, "nope", 4), (ALICE, "bare", 4)]:
        ran = await world.run(who, f"sessions play {session}")
        assert (ran.status, ran.out) == (status, "")
    assert world.events() == []
    assert (await world.run(ALICE, "sessions play s1")).status == 0
    assert ("recording.replayed", "alice") in world.events()


@pytest.mark.parametrize("form", ["cast", "text", "html", "json"])
async def test_export(world: World, form: str) -> None:
    record(world, "s1")
    ran = await world.run(BOB, f"sessions export s1 --format {form}")
    assert ran.status == 0
    assert "deploy" in ran.out
    assert ("recording.exported", "bob") in world.events()
    assert world.store.journal.list()[0].data["format"] == form


async def test_export_on_a_terminal_is_safe_to_look_at(world: World) -> None:
    record(world, "s1", shown=b"plain\r\n\x1b]0;title\x07\x1b[6n")
    ran = await world.run(BOB, "sessions export s1 --format text", MemoryTerminal(tty=True))
    assert ran.out.startswith("plain\r\n")
    assert "\x1b[6n" not in ran.out


async def test_who_may_export(world: World) -> None:
    record(world, "s1")
    assert (await world.run(ROBOT, "sessions export s1")).status == 4
    assert (await world.run(BOB, "sessions export s1 --format gif")).status == 2
    assert world.events() == []


async def test_a_recording_that_is_gone(world: World) -> None:
    record(world, "s1")
    world.recordings.delete(key_for("s1", NOW))
    ran = await world.run(BOB, "sessions play s1")
    assert ran.status == 4
    assert ran.err.startswith("bastion: there is no recording")


async def test_a_row_that_points_elsewhere_is_not_followed(world: World) -> None:
    world.add_session("s1", recording="../../../etc/passwd")
    ran = await world.run(BOB, "sessions play s1")
    assert (ran.status, ran.out) == (1, "")


async def test_play_on_a_terminal_obeys_keys(world: World) -> None:
    record(world, "s1")
    terminal = MemoryTerminal(tty=True)
    playing = asyncio.create_task(world.run(BOB, "sessions play s1 --speed 2", terminal))
    await terminal.until(lambda out: "done ä" in out)
    assert not playing.done()  # an hour of silence follows
    terminal.keys.put_nowait(b"9")
    terminal.keys.put_nowait(b".")
    await terminal.until(lambda out: "bye" in out)
    terminal.keys.put_nowait(b"q")
    ran = await playing
    assert ran.status == 0
    assert "\x1b]52" not in ran.out
    assert ran.out.startswith("\x1b[22;2t")
    assert ran.out.endswith("\r\n\x1b[23;2t")
    assert "\x1b]2;playing 0:00 / 1:00:01 at 2x\x07" in ran.out


async def test_play_with_an_idle_limit_ends_by_itself(world: World) -> None:
    record(world, "s1")
    ran = await world.run(BOB, "sessions play s1 --idle-limit 0.1 --speed 64", MemoryTerminal(tty=True))
    assert ran.status == 0
    assert "bye" in ran.out


async def test_play_ends_when_the_caller_goes_away(world: World) -> None:
    record(world, "s1")
    terminal = MemoryTerminal(tty=True)
    playing = asyncio.create_task(world.run(BOB, "sessions play s1", terminal))
    await terminal.until(lambda out: "done ä" in out)
    terminal.keys.put_nowait(b"")
    assert (await playing).status == 0


async def test_search(world: World) -> None:
    record(world, "s1", BOB)
    record(world, "s2", ROBOT)
    ran = await world.run(BOB, "sessions search 'DEPLOY shop' --json")
    assert ran.status == 0
    assert [(hit["id"], hit["line"]) for hit in ran.json] == [("s1", "user@web-1$ deploy shop")]
    both = await world.run(ALICE, r"sessions search --regex 'dep\w+ shop'")
    assert sorted(line.split()[0] for line in both.out.splitlines()) == ["s1", "s2"]
    assert "deploy@web-1: user@web-1$ deploy shop" in both.out
    assert world.events().count(("recording.searched", "bob")) == 1
    assert (await world.run(BOB, "sessions search no-such-text --json")).json == []


@pytest.mark.parametrize("arguments", ["'(' --regex", "''"])
async def test_search_texts_that_cannot_be_used(world: World, arguments: str) -> None:
    record(world, "s1", BOB)
    ran = await world.run(BOB, f"sessions search {arguments}")
    assert ran.status == 1
    assert ran.err.startswith("bastion: ")
    assert ran.err.count("\n") == 1


async def test_search_passes_over_what_is_gone(world: World) -> None:
    record(world, "s1")
    record(world, "s2")
    world.recordings.delete(key_for("s1", NOW))
    ran = await world.run(BOB, "sessions search deploy --json")
    assert [hit["id"] for hit in ran.json] == ["s2"]
