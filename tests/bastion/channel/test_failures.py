"""A defect in one channel: it ends that channel, and neither raises towards asyncssh nor harms the next channel."""

from typing import Any

import pytest

from bastion.channel.client import ClientSession
from bastion.channel.target import TargetSession
from bastion.model import Stream
from tests.hostile import raw
from tests.hostile.raw import raw_door, start, until


class Broken:
    """A relay, or what hears of a target, in which everything raises; `kill` only where told."""

    def __init__(self, *, mute: bool = False) -> None:
        self.killed: list[str] = []
        self._mute = mute

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"injected into {name}")

    def kill(self, *, by: str, reason: str) -> None:
        if self._mute:
            raise RuntimeError("injected into kill")
        self.killed.append(f"{by}: {reason}")


class Aborted:
    """A channel that notes its end."""

    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


CLIENT = {
    "data_received": (b"x", None),
    "eof_received": (),
    "terminal_size_changed": (80, 24, 0, 0),
    "signal_received": ("INT",),
    "pause_writing": (),
    "resume_writing": (),
    "connection_lost": (None,),
}
TARGET = {
    "data_received": (b"x", None),
    "eof_received": (),
    "exit_status_received": (0,),
    "exit_signal_received": ("KILL", False, "", ""),
    "pause_writing": (),
    "resume_writing": (),
    "connection_lost": (None,),
}
SAID = ["the bastion: internal error; the server's log has the details"]


@pytest.mark.parametrize("mute", [False, True])
@pytest.mark.parametrize("callback", CLIENT)
def test_what_a_client_brings_about_raises_nothing(callback: str, mute: bool) -> None:
    nobody: Any = None
    session: Any = ClientSession(nobody)
    session._relay, session._channel = Broken(mute=mute), Aborted()
    channel = session._channel
    getattr(session, callback)(*CLIENT[callback])
    if mute:
        assert channel.aborted or callback == "connection_lost"
    else:
        assert session._relay.killed == SAID


def test_a_break_that_fails_is_refused() -> None:
    nobody: Any = None
    session: Any = ClientSession(nobody)
    session._relay = Broken()
    assert session.break_received(100) is False


@pytest.mark.parametrize("mute", [False, True])
@pytest.mark.parametrize("callback", TARGET)
def test_what_a_target_brings_about_raises_nothing(callback: str, mute: bool) -> None:
    events: Any = Broken(mute=mute)
    getattr(TargetSession(events), callback)(*TARGET[callback])
    assert events.killed == ([] if mute else SAID)


class Relay:
    """Echoes, unless its command is `broken`: then it raises at the first byte."""

    def __init__(self, command: bytes, client: ClientSession) -> None:
        self._broken = command == b"broken"
        self._client = client

    def start(self) -> None:
        self._client.send(Stream.STDOUT, raw.pattern(0, 8))

    def client_data(self, data: bytes) -> None:
        if self._broken:
            raise RuntimeError("injected")
        self._client.send(Stream.STDOUT, data)

    def client_closed(self) -> None:
        """Nothing is left to do."""

    def kill(self, *, by: str, reason: str) -> None:
        self._client.exit("1", None)


async def test_an_exception_in_one_channel_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one connection of asyncssh's, which would close it."""

    def session(server: Any) -> Any:
        begin: Any = lambda request, client: Relay(request.command, client)  # noqa: E731 - a stand-in
        return server._connection.bastion_channel(), ClientSession(begin)

    monkeypatch.setattr(raw.Server, "session_requested", session)
    async with raw_door() as door, door.client() as client:
        sound, reader = await start(client, "sound")
        broken, _ = await start(client, "broken")
        await until(lambda: reader.size == 8)
        broken.write(b"x")
        await broken.wait_closed()
        assert broken.get_exit_status() == 1
        sound.write(raw.pattern(8, 100))
        await until(lambda: reader.size == 100)
        assert reader.right
        monkeypatch.undo()
