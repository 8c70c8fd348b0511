"""Sharing of target connections, with a dialler that keeps count."""

import asyncio
import datetime as dt
from typing import Any

import asyncssh
import pytest

from bastion.config import Address, Credential, Target
from bastion.errors import TargetUnreachable
from bastion.model import Action, ChannelKind, Grant, Identity, Kind
from bastion.target.pool import TargetPool

WEB = Target("web", "ssh", Address("127.0.0.1", 22), Credential("certificate"), host_keys=("k",))
ALICE = Identity("alice", "corp", "1", (), Kind.HUMAN, 1, dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
GRANT = Grant(ALICE, "web", "deploy", frozenset(ChannelKind), Action.ALLOW)


class Connection:
    """A connection with room for so many channels."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.closed = False

    def is_closed(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Dialler:
    """Counts what it dials."""

    def __init__(self, room: int, fail: int = 0) -> None:
        self.room = room
        self.fail = fail
        self.made: list[Any] = []

    async def dial(self, grant: Grant, target: Target) -> asyncssh.SSHClientConnection:
        await asyncio.sleep(0)
        if self.fail:
            self.fail -= 1
            raise TargetUnreachable("down")
        connection: Any = Connection(self.room)
        self.made.append(connection)
        made: asyncssh.SSHClientConnection = connection
        return made


async def open_one(connection: Any) -> Any:
    await asyncio.sleep(0)
    if not connection.room:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
    connection.room -= 1
    return connection


async def test_channels_share_one_connection() -> None:
    dialler = Dialler(room=10)
    pool = TargetPool(dialler)
    used = await asyncio.gather(*(pool.use(GRANT, WEB, open_one) for _ in range(10)))
    assert len(dialler.made) == 1
    assert {id(connection) for connection in used} == {id(dialler.made[0])}


@pytest.mark.parametrize("channels", [11, 100])
async def test_a_full_connection_is_joined_by_another(channels: int) -> None:
    dialler = Dialler(room=10)
    pool = TargetPool(dialler)
    await asyncio.gather(*(pool.use(GRANT, WEB, open_one) for _ in range(channels)))
    assert sum(10 - connection.room for connection in dialler.made) == channels
    assert len(dialler.made) == -(-channels // 10)


async def test_a_target_that_opens_nothing_is_named() -> None:
    pool = TargetPool(Dialler(room=0))
    with pytest.raises(TargetUnreachable, match="web refused the channel: open failed"):
        await pool.use(GRANT, WEB, open_one)


async def test_a_failed_dial_is_tried_anew_by_the_next_channel() -> None:
    dialler = Dialler(room=10, fail=1)
    pool = TargetPool(dialler)
    with pytest.raises(TargetUnreachable, match="down"):
        await pool.use(GRANT, WEB, open_one)
    await pool.use(GRANT, WEB, open_one)
    assert len(dialler.made) == 1


async def test_a_dead_connection_is_not_used_again() -> None:
    dialler = Dialler(room=10)
    pool = TargetPool(dialler)
    (await pool.use(GRANT, WEB, open_one)).close()
    await pool.use(GRANT, WEB, open_one)
    assert len(dialler.made) == 2


async def test_closing_the_pool_closes_what_it_made() -> None:
    dialler = Dialler(room=1)
    pool = TargetPool(dialler)
    await asyncio.gather(*(pool.use(GRANT, WEB, open_one) for _ in range(3)))
    await pool.close()
    assert all(connection.closed for connection in dialler.made)
