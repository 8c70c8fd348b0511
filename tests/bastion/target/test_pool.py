"""Sharing of target connections, with a dialler that keeps count."""

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import OPEN_REQUEST_PTY_FAILED, OPEN_REQUEST_SESSION_FAILED

from bastion.config.schema import Address, Credential, Target, Via
from bastion.errors import TargetUnreachable
from bastion.model import Action, ChannelKind, Grant, Identity, Kind
from bastion.target.pool import TargetPool

WEB = Target("web", "ssh", Address("127.0.0.1", 22), Credential("certificate"), host_keys=("k",))
ALICE = Identity("alice", "corp", "1", (), Kind.HUMAN, 1, dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
GRANT = Grant(ALICE, "web", "deploy", frozenset(ChannelKind), Action.ALLOW)


class Connection:
    """A connection with room for so many channels."""

    def __init__(self, room: int, gateway: Any) -> None:
        self.room = room
        self.gateway = gateway
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
        self.dialled: list[str] = []

    async def dial(
        self, grant: Grant, target: Target, gateway: asyncssh.SSHClientConnection | None = None
    ) -> asyncssh.SSHClientConnection:
        self.dialled.append(target.name)
        return await self._make(gateway)

    async def hop(
        self, grant: Grant, via: Via, gateway: asyncssh.SSHClientConnection | None = None
    ) -> asyncssh.SSHClientConnection:
        self.dialled.append(f"{via.login}@{via.target.name}")
        return await self._make(gateway)

    async def _make(self, gateway: Any) -> asyncssh.SSHClientConnection:
        await asyncio.sleep(0)
        if self.fail:
            self.fail -= 1
            raise TargetUnreachable("down")
        connection: Any = Connection(self.room, gateway)
        self.made.append(connection)
        made: asyncssh.SSHClientConnection = connection
        return made


OUTER = replace(WEB, name="outer")
INNER = replace(WEB, name="inner", via=Via("jump", OUTER))
DB = replace(WEB, name="db", via=Via("app", INNER))
OTHER = replace(DB, name="other")


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


@pytest.mark.parametrize("code", [OPEN_REQUEST_PTY_FAILED, OPEN_REQUEST_SESSION_FAILED])
async def test_what_a_target_does_not_know_is_not_tried_on_another_connection(code: int) -> None:
    dialler = Dialler(room=10)
    pool = TargetPool(dialler)
    await pool.use(GRANT, WEB, open_one)

    async def refuse(_: object) -> None:
        raise asyncssh.ChannelOpenError(code, "Session request failed")

    for _ in range(3):
        with pytest.raises(TargetUnreachable, match="web refused the channel: Session request failed"):
            await pool.use(GRANT, WEB, refuse)
    assert len(dialler.made) == 1


async def test_what_is_behind_a_gateway_shares_the_way_there() -> None:
    dialler = Dialler(room=1)
    pool = TargetPool(dialler)
    grants = {target: replace(GRANT, target=target.name) for target in (DB, OTHER)}
    await asyncio.gather(*(pool.use(grants[target], target, open_one) for target in (DB, OTHER, DB, OTHER)))
    assert dialler.dialled == ["jump@outer", "app@inner", "db", "other", "db", "other"]
    outer, inner, *ends = dialler.made
    assert (outer.gateway, inner.gateway) == (None, outer)
    assert {end.gateway for end in ends} == {inner}
    await pool.close()
    assert all(connection.closed for connection in dialler.made)


async def test_a_gateway_serves_for_nothing_else() -> None:
    """What may be asked of it as a target is another matter: that connection permits less."""
    dialler = Dialler(room=10)
    pool = TargetPool(dialler)
    await pool.use(replace(GRANT, target="inner", login="app"), INNER, open_one)
    await pool.use(replace(GRANT, target="db"), DB, open_one)
    assert dialler.dialled == ["jump@outer", "inner", "app@inner", "db"]


async def test_a_dead_gateway_is_dialled_anew() -> None:
    dialler = Dialler(room=1)
    pool = TargetPool(dialler)
    await pool.use(GRANT, INNER, open_one)
    for connection in dialler.made:
        connection.close()
    await pool.use(GRANT, INNER, open_one)
    assert dialler.dialled == ["jump@outer", "inner"] * 2


async def test_a_failed_gateway_is_tried_anew() -> None:
    dialler = Dialler(room=1, fail=1)
    pool = TargetPool(dialler)
    with pytest.raises(TargetUnreachable, match="down"):
        await pool.use(GRANT, INNER, open_one)
    await pool.use(GRANT, INNER, open_one)
    assert dialler.dialled == ["jump@outer", "jump@outer", "inner"]


async def test_names_that_lead_nowhere_are_forgotten() -> None:
    """Names of a pattern are chosen by the client: they must not fill the memory."""
    dialler = Dialler(room=1, fail=1000)
    pool = TargetPool(dialler)
    for index in range(1000):
        with pytest.raises(TargetUnreachable):
            await pool.use(GRANT, replace(WEB, name=f"web-{index}"), open_one)
    assert len(pool._dialling) == 1
