"""The server at the door, alone: what callers begin and never finish holds no place for ever."""

from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest

from bastion.door import outer
from bastion.door.connection import DoorConnection
from bastion.door.doorstep import Line
from bastion.door.limits import MAX_AT_BROWSER_ADDRESS, DoorLimits
from bastion.door.outer import MAX_EXCHANGES, OuterServer
from bastion.door.throttle import Throttle


class Connection(DoorConnection):
    """A connection that goes nowhere."""

    def __init__(self) -> None:
        self.waits = 0

    def __del__(self) -> None:
        """Nothing is open."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("2001:db8::7", 1) if name == "peername" else default

    def wait_for_person(self) -> None:
        self.waits += 1

    def send_auth_banner(self, msg: str, lang: str = "en-US") -> None:
        pass


class Exchange:
    """A login that sends everybody to a browser."""

    def __init__(self, _ruling: object, _clock: object, to_browser: Any) -> None:
        self._to_browser = to_browser

    async def challenge(self, _submethods: str) -> Any:
        self._to_browser()
        return ("", "", "", [])


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(outer, "LoginExchange", Exchange)
    limits = DoorLimits()
    noted: list[Any] = []

    async def record(event: Any) -> None:
        noted.append(event)

    services = SimpleNamespace(ruling=None, clock=None, audit=SimpleNamespace(record=record))
    line = Line(limits, Throttle(), lambda: 0.0)
    return SimpleNamespace(limits=limits, line=line, services=services, callers=set(), noted=noted)


def caller(host: Any) -> OuterServer:
    """Return the server of a new connection."""
    host.limits.admit("2001:db8::")
    server = OuterServer(host)
    server.connection_made(Connection())
    return server


async def test_logins_begun_again_and_again_take_one_place_at_the_browser(host: Any) -> None:
    for _ in range(MAX_AT_BROWSER_ADDRESS * 2):
        server = caller(host)
        for number in range(MAX_EXCHANGES):
            server.begin_auth(f"name-{number}")
            await server.get_kbdint_challenge("", "", "")
        server.connection_lost(None)
    assert host.limits.to_browser("2001:db8::")
    assert host.callers == set()


async def test_a_connection_may_begin_only_so_many_logins(host: Any) -> None:
    server = caller(host)
    for _ in range(MAX_EXCHANGES):
        await server.get_kbdint_challenge("", "", "")
    with pytest.raises(asyncssh.DisconnectError, match="too many logins"):
        await server.get_kbdint_challenge("", "", "")
    assert [event.data["how"] for event in host.noted] == ["login"]


async def test_one_network_of_ipv6_is_one_caller(host: Any) -> None:
    servers = [caller(host) for _ in range(MAX_AT_BROWSER_ADDRESS)]
    for server in servers:
        await server.get_kbdint_challenge("", "", "")
    with pytest.raises(asyncssh.DisconnectError, match="too many people"):
        await caller(host).get_kbdint_challenge("", "", "")
