"""Rights in the control plane: looked up anew for each call, journalled before anything is shown."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from bastion.audit import EventType
from bastion.auth.access import Access
from bastion.control import approvals, certificates, journal, sessions
from bastion.control.services import Control
from bastion.control.whoami import client_setup, targets, whoami
from bastion.errors import AccessDenied, NotFoundError, UnavailableError
from bastion.model import ControlRight
from recorder.asciicast import Code, Header
from recorder.storage import key_for
from recorder.writer import RecordingWriter
from tests.cli.world import ALICE, BOB, CONFIG, NOW, ROBOT, World, identity


def record(world: World, session_id: str) -> None:
    key = key_for(session_id, NOW)
    writer = RecordingWriter(world.recordings.create(key), Header())
    writer.write(Code.OUTPUT, b"needle\n", 0.1)
    writer.close(1.0)
    world.add_session(session_id, BOB, recording=key)


def test_whoami_names_rights_in_order(world: World) -> None:
    assert whoami(world.control(ALICE)).rights == tuple(sorted(ControlRight))
    assert whoami(world.control(BOB)).rights == ()


def test_what_a_client_is_told(world: World) -> None:
    setup = client_setup(world.control(BOB))
    assert (setup.names, setup.port, setup.targets) == (("bastion.example.com", "gate"), 2222, ("web-1",))
    assert client_setup(world.control(ALICE)).targets == ()
    assert [line.target.name for line in targets(world.control(BOB))] == ["orders", "web-1"]


async def test_a_right_that_was_taken_away_is_gone_at_once(world: World) -> None:
    config = CONFIG
    control = Control(ALICE, replace(world.services, access=lambda: Access(config)))
    assert (await journal.verify(control)).ok
    config = replace(CONFIG, roles={})
    with pytest.raises(AccessDenied, match='control = \\["audit"\\]'):
        await journal.verify(control)


async def test_what_cannot_be_journalled_is_not_shown(world: World) -> None:
    record(world, "s1")
    world.add_session("live", BOB, ended=None)
    world.live.live = {"live"}
    control = world.control(ALICE)
    with patch.object(world.store.journal, "append", side_effect=UnavailableError("disk full")):
        with pytest.raises(UnavailableError):
            await sessions.replay(control, "s1", EventType.RECORDING_REPLAYED)
        with pytest.raises(UnavailableError):
            await journal.read(control, after=None, limit=10, types=())
        with pytest.raises(UnavailableError):
            await anext(sessions.search(control, "needle", regex=False, limit=10, most=10))
        with pytest.raises(UnavailableError):
            await sessions.kill(control, "live", "")
    assert world.live.killed == []


async def test_who_replays_what_is_in_the_journal(world: World) -> None:
    record(world, "s1")
    await sessions.replay(world.control(ALICE), "s1", EventType.RECORDING_EXPORTED, format="cast")
    [entry] = world.store.journal.list()
    assert (entry.type, entry.identity, entry.session) == ("recording.exported", "alice", "s1")
    assert entry.data == {"user": "bob", "target": "web-1", "format": "cast"}


async def test_the_same_name_at_another_issuer_is_somebody_else(world: World) -> None:
    record(world, "s1")
    world.add_certificate(BOB, 5)
    row = await world.ask(BOB)
    other = world.control(replace(BOB, issuer="elsewhere", subject="sub-else"))
    with pytest.raises(NotFoundError):
        await sessions.get(other, "s1")
    with pytest.raises(NotFoundError):
        await approvals.get(other, row.id)
    assert await sessions.find(other, live=None, own=False, limit=10) == []
    assert await certificates.find(other, 10) == []
    with pytest.raises(AccessDenied):
        await certificates.revoke(other, "5")


async def test_revoking_by_name_takes_every_valid_certificate(world: World) -> None:
    for serial in (1, 2):
        world.add_certificate(BOB, serial)
    world.add_certificate(BOB, 3, expires=NOW)
    world.add_certificate(BOB, 4, revoked=NOW)
    revoked = await certificates.revoke(world.control(ALICE), "bob")
    assert {row.serial for row in revoked} == {1, 2}
    assert world.live.disconnected == [(frozenset({1, 2}), "alice")]
    data = [entry.data for entry in world.store.journal.list()]
    assert {entry["serial"] for entry in data} == {"1", "2"}
    assert all(entry["user"] == "bob" for entry in data)


async def test_searching_looks_at_visible_recordings_only(world: World) -> None:
    record(world, "s1")
    found = [row.id async for row, _ in sessions.search(world.control(BOB), "NEEDLE", regex=False, limit=5, most=5)]
    assert found == ["s1"]
    assert [row async for row in sessions.search(world.control(ROBOT), "needle", regex=False, limit=5, most=5)] == []


async def test_searching_stops_at_its_limit(world: World) -> None:
    for number in range(4):
        record(world, f"s{number}")
    found = [row.id async for row, _ in sessions.search(world.control(BOB), "needle", regex=False, limit=9, most=2)]
    assert len(found) == 2


async def test_a_listing_of_certificates_is_ones_own(world: World) -> None:
    world.add_certificate(BOB, 1)
    world.add_certificate(ROBOT, 2)
    assert [row.serial for row in await certificates.find(world.control(BOB), 10)] == [1]
    assert {row.serial for row in await certificates.find(world.control(ALICE), 10)} == {1, 2}
    assert await certificates.find(world.control(identity("dave")), 10) == []
