"""Forwards of one leg with a real journal, grant and rules; what they join to is played by the test."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest

from bastion.approvals import Approvals
from bastion.audit import EventType
from bastion.auth.access import DENIED, Access
from bastion.channel.bridge import Bridge
from bastion.channel.forward import Passage
from bastion.channel.live import Live
from bastion.channel.services import Ruling, Services
from bastion.errors import AccessDenied, TargetUnreachable, UnavailableError
from bastion.journal import AuditLog
from bastion.model import ChannelKind, Grant
from bastion.policy.rules import RuleSet
from bastion.session import forwards
from bastion.session.connection import ClientConnection, Way
from bastion.session.forwards import INTERNAL, Forwards
from bastion.store.memory import MemoryStore
from bastion.store.thread import StoreThread
from tests.bastion.configs import WEB, config
from tests.bastion.desk import ALICE, START, Clock

ROLE = """
[roles.engineer]
groups = ["eng"]
targets = ["web-1"]
logins = ["deploy"]
channels = [{channels}]
default = "{default}"
"""
RULE = """
[[rules]]
name = "no-metadata"
action = "deny"
regex = ["^169\\\\.254\\\\."]
reason = "holds credentials"

[[rules]]
name = "ask"
action = "approve"
commands = ["deploy **"]
approvers = ["sre"]
"""
PLACE = Passage(ChannelKind.LOCAL_FORWARD, "db:5432", "127.0.0.1:40000")
LISTEN = Passage(ChannelKind.REMOTE_FORWARD, "localhost:8080")
PROHIBITED = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
FAILED = asyncssh.OPEN_CONNECT_FAILED


class Bench:
    """One leg of alice's to deploy@web-1."""

    def __init__(self, thread: StoreThread, channels: str, default: str) -> None:
        self.clock = Clock()
        self.thread = thread
        self.audit = AuditLog(thread, "node", self.clock)
        asked = config(f"{WEB}{ROLE.format(channels=channels, default=default)}{RULE}")
        needed: dict[str, Any] = {field.name: None for field in dataclasses.fields(Ruling)}
        ruling = Ruling(**{**needed, "config": asked, "access": Access(asked), "rules": RuleSet(asked.rules)})
        needed = {field.name: None for field in dataclasses.fields(Services) if field.default is dataclasses.MISSING}
        self.services = Services(
            **{
                **needed,
                "ruling": ruling,
                "approvals": Approvals(thread, self.audit, self.clock),
                "audit": self.audit,
                "thread": thread,
                "live": Live(),
                "clock": self.clock,
            }
        )
        nothing: Any = None
        self.client = ClientConnection(self.services, ALICE, "127.0.0.1", nothing)
        self.forwards = Forwards(self.client, Way("web-1", "deploy"))
        self.joined: list[Bridge] = []
        leg: Any = self
        self.client.legs.add(leg)

    def close(self) -> None:
        self.forwards.close()

    async def join(self, bridge: Bridge, grant: Grant) -> None:
        opened = [event for event in self.events() if event.type == EventType.FORWARD_OPEN]
        assert len(opened) > len(self.joined), "the journal comes first"
        assert grant.login == "deploy"
        self.joined.append(bridge)

    async def open(self, passage: Passage = PLACE) -> Bridge:
        return await self.forwards.open(passage, self.join, lambda: None)

    def events(self) -> list[Any]:
        return list(self.thread.store.journal.list())

    async def books(self) -> list[Any]:
        """Return the journal once everything is written."""
        while self.client._tasks:
            await asyncio.wait(set(self.client._tasks))
        return self.events()


@asynccontextmanager
async def bench(channels: str = '"forward", "agent"', default: str = "allow") -> AsyncIterator[Bench]:
    thread = StoreThread(MemoryStore())
    made = Bench(thread, channels, default)
    try:
        yield made
    finally:
        await made.client.close()
        await made.services.approvals.close()
        await thread.close()


async def refused(opening: Any) -> tuple[int, str]:
    with pytest.raises(asyncssh.ChannelOpenError) as caught:
        await opening
    return caught.value.code, caught.value.reason


async def test_a_forward_is_journalled_when_it_opens_and_when_it_ends() -> None:
    async with bench() as made:
        bridge = await made.open()
        assert made.services.live.ids() == {made.events()[-1].session}
        bridge.client.received, bridge.target.received = 3, 5
        bridge.abort("closed")
        opened, closed = await made.books()
    assert (opened.type, closed.type, opened.session) == ("forward.open", "forward.close", closed.session)
    facts = {"kind": "local-forward", "place": "db:5432", "origin": "127.0.0.1:40000", "target": "web-1"}
    assert facts.items() <= opened.data.items()
    assert {**facts, "bytes_in": 3, "bytes_out": 5, "why": "closed", "login": "deploy"}.items() <= closed.data.items()
    assert closed.data["seconds"] >= 0
    assert (made.services.live.ids(), len(made.forwards)) == (frozenset(), 0)


@pytest.mark.parametrize("kind", [kind for kind in ChannelKind if "-" in kind or kind in ("agent", "x11")])
async def test_each_kind_must_be_granted(kind: ChannelKind) -> None:
    async with bench('"shell", "exec", "sftp"') as made:
        code, reason = await refused(made.open(Passage(kind, "x")))
        (denied,) = await made.books()
    assert (code, reason) == (PROHIBITED, f"{kind} channels are not open to you on web-1")
    assert (denied.type, denied.data["kind"], denied.data["why"]) == ("forward.denied", kind, reason)


async def test_forward_grants_the_four_and_neither_agent_nor_x11() -> None:
    async with bench('"forward"') as made:
        for kind in ("local-forward", "remote-forward", "local-socket", "remote-socket"):
            await made.open(Passage(ChannelKind(kind), "x"))
        for kind in ("agent", "x11"):
            assert (await refused(made.open(Passage(ChannelKind(kind), "x"))))[0] == PROHIBITED
            assert not made.forwards.may(ChannelKind(kind))


async def test_access_is_checked_at_each_open() -> None:
    async with bench() as made:
        await made.open()
        made.services.draining = True
        assert await refused(made.open()) == (FAILED, "the bastion is being stopped; try again in a moment")
        made.services.draining = False
        made.clock.now = ALICE.expires
        assert (await refused(made.open()))[1] == "your certificate expired meanwhile; run: bastion login"
        made.clock.now = START
        made.client.refusal = UnavailableError("no")
        assert await refused(made.open()) == (FAILED, "no")
        made.client.refusal = None
        other = config(WEB + ROLE.format(channels='"exec"', default="allow"))
        made.services.ruling = dataclasses.replace(made.services.ruling, config=other, access=Access(other))
        assert (await refused(made.open()))[0] == PROHIBITED
        assert len(made.joined) == 1


async def test_a_place_nobody_may_go_to() -> None:
    def never() -> None:
        raise AccessDenied("not there")

    async with bench() as made:
        assert await refused(made.forwards.open(PLACE, made.join, never)) == (PROHIBITED, "not there")
        assert [event.type for event in await made.books()] == ["forward.denied"]


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (asyncssh.ChannelOpenError(FAILED, "Connection refused"), FAILED, "Connection refused"),
        (asyncssh.ChannelOpenError(PROHIBITED, "no\x1b[2J\nway"), PROHIBITED, r"no\x1b[2J\nway"),
        (asyncssh.ChannelOpenError(FAILED, "x" * 5000), FAILED, "x" * 200),
        (TargetUnreachable("web-1 does not answer"), FAILED, "web-1 does not answer"),
        (RuntimeError("secret detail"), FAILED, INTERNAL),
    ],
)
async def test_a_far_side_that_fails_is_named_and_journalled(error: Exception, code: int, reason: str) -> None:
    async def fail(_bridge: Bridge, _grant: Grant) -> None:
        raise error

    async with bench() as made:
        assert await refused(made.forwards.open(PLACE, fail)) == (code, reason)
        opened, closed = await made.books()
        assert (opened.type, closed.type, closed.data["why"]) == ("forward.open", "forward.close", reason)
        assert (made.services.live.ids(), len(made.forwards)) == (frozenset(), 0)


async def test_what_cannot_be_journalled_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise UnavailableError("the journal is full")

    async with bench() as made:
        monkeypatch.setattr(made.audit, "record", full)
        assert await refused(made.open()) == (FAILED, "the journal is full")
        await made.books()
        assert made.joined == []
        assert (made.services.live.ids(), len(made.forwards)) == (frozenset(), 0)
        assert await made.forwards.listen(LISTEN, listens(), lambda: None) is False


async def test_a_client_that_goes_while_a_forward_opens_leaves_nothing() -> None:
    async with bench() as made:

        async def slow(bridge: Bridge, _grant: Grant) -> None:
            made.joined.append(bridge)
            made.forwards.close()

        assert (await refused(made.forwards.open(PLACE, slow)))[0] == FAILED
        assert made.joined[0].over
        assert [event.data.get("why") for event in await made.books()] == [None, "the client is gone"]


async def test_the_number_of_forwards_is_bounded_however_fast_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwards, "MAX_FORWARDS", 3)
    async with bench() as made:
        results = await asyncio.gather(*(made.open() for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(result, Bridge) for result in results) == 3
        code, reason = await refused(made.open())
        assert (code, reason) == (FAILED, "3 connections of yours are forwarded already; close some")
        made.joined[0].abort("closed")
        await made.open()


async def test_kill_ends_a_forward_and_says_by_whom() -> None:
    async with bench() as made:
        bridge = await made.open()
        (forward,) = made.services.live.ids()
        assert await made.services.live.kill(forward, by="the bastion", reason="it is being stopped")
        assert bridge.over
        assert (await made.books())[-1].data["why"] == "ended by the bastion: it is being stopped"


async def test_cutting_ends_all_that_is_open() -> None:
    async with bench() as made:
        bridges = [await made.open() for _ in range(3)]
        made.forwards.cut("ended by bob: enough")
        assert all(bridge.over for bridge in bridges)
        await made.open()


@pytest.mark.parametrize(("target", "login"), [("web-1", "root"), ("web-1", ""), ("web-2", "deploy"), ("", "deploy")])
async def test_teleport_10_3_15_a_forward_needs_the_same_account_as_a_shell(target: str, login: str) -> None:
    async with bench() as made:
        made.forwards = Forwards(made.client, Way(target, login))
        assert await refused(made.open()) == (PROHIBITED, DENIED)
        assert await made.forwards.listen(LISTEN, listens(), lambda: None) is False
        assert not made.forwards.may(ChannelKind.AGENT)
        assert {event.type for event in await made.books()} == {"forward.denied"}


# What the rules say


async def test_a_rule_may_deny_a_place() -> None:
    async with bench() as made:
        code, reason = await refused(made.open(Passage(ChannelKind.LOCAL_FORWARD, "169.254.169.254:80")))
        assert (code, reason) == (PROHIBITED, "denied by rule no-metadata: holds credentials")
        await made.open()


async def test_cve_2023_45140_where_commands_are_denied_by_default_forwards_are() -> None:
    async with bench(default="deny") as made:
        assert await refused(made.open()) == (PROHIBITED, "denied by rule default: no rule allows it")
        assert await made.forwards.listen(LISTEN, listens(), lambda: None) is False
        assert made.joined == []


async def test_cve_2023_45140_where_commands_wait_for_approval_forwards_do() -> None:
    async with bench(default="approve") as made:
        for _ in range(2):
            code, reason = await refused(made.open())
            assert code == PROHIBITED
            assert reason.startswith("approval ")
        assert len(made.thread.store.approvals.list()) == 1, "trying again does not ask again"
        await made.forwards.open(Passage(ChannelKind.AGENT, "client"), made.join)


# Listening


class Listener(asyncssh.SSHListener):
    """What a target listens with."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def get_port(self) -> int:
        return 4711

    def close(self) -> None:
        self.closed = True


def listens(error: Exception | None = None, made: list[Listener] | None = None) -> Any:
    async def start(_grant: Grant) -> asyncssh.SSHListener:
        if error is not None:
            raise error
        listener = Listener()
        if made is not None:
            made.append(listener)
        return listener

    return start


async def test_listening_is_journalled_until_it_is_cancelled() -> None:
    async with bench() as made:
        listening = await made.forwards.listen(LISTEN, listens(), lambda: None)
        assert isinstance(listening, asyncssh.SSHListener)
        assert listening.get_port() == 4711
        listening.close()
        begun, ended = await made.books()
    assert (begun.type, ended.type) == ("forward.listen", "forward.cancel")
    assert (begun.data["place"], ended.data["port"]) == ("localhost:8080", 4711)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (asyncssh.ChannelListenError("no"), "the target refuses to listen there"),
        (TargetUnreachable("web-1 does not answer"), "web-1 does not answer"),
        (RuntimeError("x"), INTERNAL),
    ],
)
async def test_a_target_that_does_not_listen(error: Exception, why: str) -> None:
    async with bench() as made:
        assert await made.forwards.listen(LISTEN, listens(error), lambda: None) is False
        assert [event.data.get("why") for event in await made.books()] == [None, why]


async def test_the_number_of_listeners_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwards, "MAX_LISTENERS", 2)
    async with bench() as made:
        first = await made.forwards.listen(LISTEN, listens(), lambda: None)
        assert await made.forwards.listen(LISTEN, listens(), lambda: None)
        assert await made.forwards.listen(LISTEN, listens(), lambda: None) is False
        await made.open()
        assert isinstance(first, asyncssh.SSHListener)
        first.close()
        assert await made.forwards.listen(LISTEN, listens(), lambda: None)


async def test_a_client_that_goes_while_a_target_starts_to_listen() -> None:
    async with bench() as made:
        opened: list[Listener] = []
        made.forwards.close()
        assert await made.forwards.listen(LISTEN, listens(made=opened), lambda: None) is False
        assert opened[0].closed
