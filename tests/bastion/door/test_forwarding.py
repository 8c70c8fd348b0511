"""Requests around forwards at the door, from clients that misbehave: refused one by one, the connection lives on."""

import asyncio
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_REQUEST_FAILURE
from asyncssh.packet import Boolean, String, UInt32

from bastion.door.connection import MAX_VARIABLE, MAX_VARIABLES, MAX_X11_FIELD
from tests.bastion.door.test_connection import Door


async def test_who_cancels_what_is_not_theirs_is_told_no_and_stays() -> None:
    async with Door().listening() as door, await door.connect() as connection:
        raw: Any = connection
        for request, *arguments in (
            (b"cancel-tcpip-forward", String("localhost"), UInt32(8080)),
            (b"cancel-tcpip-forward", String(b"\xff"), UInt32(8080)),
            (b"cancel-streamlocal-forward@openssh.com", String("/x")),
            (b"tcpip-forward", String("localhost"), UInt32(0)),
            (b"streamlocal-forward@openssh.com", String("/x")),
        ):
            answer, _ = await raw._make_global_request(request, *arguments)
            assert answer == MSG_REQUEST_FAILURE
        assert await runs(connection)


async def runs(connection: asyncssh.SSHClientConnection) -> bool:
    result = await connection.run("still here", encoding=None)
    return result.stdout == b"still here"


@pytest.mark.parametrize(
    ("request_name", "arguments"),
    [
        (b"auth-agent-req@openssh.com", ()),
        (b"x11-req", (Boolean(False), String("MIT-MAGIC-COOKIE-1"), String("00"), UInt32(0))),
        (b"x11-req", (Boolean(False), String("x" * (MAX_X11_FIELD + 1)), String("00"), UInt32(0))),
        (b"x11-req", (Boolean(False), String("x"), String("00" * MAX_X11_FIELD), UInt32(0))),
    ],
)
async def test_a_session_that_forwards_nothing_refuses_and_goes_on(
    request_name: bytes, arguments: tuple[bytes, ...]
) -> None:
    async with Door().listening() as door, await door.connect() as connection:
        channel = await bare(connection)
        assert await channel._make_request(request_name, *arguments) is False
        assert await channel._make_request(b"exec", String("still here")) is True
        assert await runs(connection)


async def test_variables_are_bounded_in_number_and_size() -> None:
    async with Door().listening() as door, await door.connect() as connection:
        channel = await bare(connection)
        assert await channel._make_request(b"env", String("A"), String("x" * MAX_VARIABLE)) is False
        answers = [await channel._make_request(b"env", String(f"N{n}"), String("x")) for n in range(MAX_VARIABLES + 5)]
        assert answers == [True] * MAX_VARIABLES + [False] * 5
        assert await runs(connection)


async def bare(connection: asyncssh.SSHClientConnection) -> Any:
    """Return a session channel on which nothing was asked for yet."""
    channel: Any = asyncssh.SSHClientChannel(
        connection, asyncio.get_running_loop(), "strict", None, "strict", 1 << 20, 1 << 15
    )
    await channel._open(b"session")
    channel._session = asyncssh.SSHClientSession()
    return channel
