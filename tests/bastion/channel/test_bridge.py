"""The pump of forwards between two channels that the test plays: order, back-pressure, half-close, and every end."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.channel.bridge import DONE, FAILED, SPEAKS_SSH, Bridge, End


class Channel:
    """Does to its end what asyncssh's channels do, and keeps what the end does to it."""

    def __init__(self, end: End, high: int = 8) -> None:
        self.end = end
        self.high = high
        self.sent = b""
        self.unsent = b""  # the peer's window is used up
        self.window = 1 << 30
        self.unread: list[bytes] = []
        self.paused = False
        self.congested = False
        self.eof = self.got_eof = self.told_eof = False
        self.state = "open"
        self.broken = False

    def write(self, data: bytes) -> None:
        assert self.state == "open"
        assert not self.eof
        if self.broken:
            raise BrokenPipeError("no")
        self.unsent += data
        self.flush()

    def flush(self) -> None:
        self.sent += self.unsent[: self.window]
        self.unsent, self.window = self.unsent[self.window :], max(self.window - len(self.unsent), 0)
        if self.congested and len(self.unsent) <= self.high // 4:
            self.congested = False
            self.end.resume_writing()
        elif not self.congested and len(self.unsent) > self.high:
            self.congested = True
            self.end.pause_writing()
        if self.state == "closing" and not self.unsent:
            self.state = "closed"

    def write_eof(self) -> None:
        self.eof = True

    def is_closing(self) -> bool:
        return self.state != "open" or self.eof

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
        self.deliver()

    def close(self) -> None:
        if self.state == "open":
            self.state = "closing"
            self.unread.clear()
            self.flush()

    def abort(self) -> None:
        self.state = "closed"
        self.unread.clear()

    # What the other side of the channel does

    def deliver(self) -> None:
        while self.unread and not self.paused:
            self.end.data_received(self.unread.pop(0), None)
        if self.got_eof and not self.unread and not self.told_eof:
            self.told_eof = True
            assert self.end.eof_received()

    def data(self, data: bytes) -> None:
        if self.state == "open" and not self.got_eof:
            self.unread.append(data)
            self.deliver()

    def ends(self) -> None:
        self.got_eof = True
        self.deliver()

    def gone(self) -> None:
        self.state = "closed"
        self.end.connection_lost(None)


class Pair:
    """A bridge whose target end opened first, as in a local forward."""

    def __init__(self, *, joined: bool = True) -> None:
        self.why: list[str] = []
        self.bridge = Bridge(self.why.append)
        self.client = Channel(self.bridge.client)
        self.target = Channel(self.bridge.target)
        self.bridge.target.connection_made(self.target)
        if joined:
            self.join()

    def join(self) -> None:
        self.bridge.client.connection_made(self.client)


def test_bytes_pass_both_ways_and_are_counted() -> None:
    pair = Pair()
    pair.client.data(b"GET /")
    pair.target.data(b"200")
    pair.target.data(b" OK")
    assert (pair.target.sent, pair.client.sent) == (b"GET /", b"200 OK")
    assert (pair.bridge.client.received, pair.bridge.target.received) == (5, 6)


def test_warpgate_2328_bytes_a_server_sends_first_are_not_lost() -> None:
    pair = Pair(joined=False)
    pair.target.data(b"220 ")
    pair.target.data(b"hello")
    assert pair.bridge.target.received == 0
    pair.join()
    assert pair.client.sent == b"220 hello"


def test_a_server_that_spoke_and_ended_before_the_client_was_there_is_heard() -> None:
    pair = Pair(joined=False)
    pair.target.data(b"bye")
    pair.target.ends()
    pair.join()
    assert (pair.client.sent, pair.client.eof) == (b"bye", True)


def test_an_end_before_the_client_was_there_is_passed_on() -> None:
    pair = Pair(joined=False)
    pair.target.ends()
    assert not pair.client.eof
    pair.join()
    assert pair.client.eof


def test_a_target_that_closed_before_the_client_was_there_closes_the_client() -> None:
    pair = Pair(joined=False)
    pair.target.gone()
    assert pair.why == []
    pair.join()
    assert pair.client.state == "closed"
    pair.client.gone()
    assert pair.why == [DONE]


@pytest.mark.parametrize(("slow", "fast"), [("client", "target"), ("target", "client")])
def test_a_slow_reader_slows_the_other_side(slow: str, fast: str) -> None:
    pair = Pair()
    reader: Channel = getattr(pair, slow)
    writer: Channel = getattr(pair, fast)
    reader.window = 10
    for _ in range(100):
        writer.data(b"0123456789")
    assert writer.paused
    assert len(reader.unsent) <= reader.high + 10, "what is kept does not grow with what comes"
    for _ in range(200):
        reader.window += 10
        reader.flush()
    assert reader.sent == b"0123456789" * 100
    assert not writer.paused


@pytest.mark.parametrize(("first", "second"), [("client", "target"), ("target", "client")])
def test_each_direction_ends_by_itself(first: str, second: str) -> None:
    pair = Pair()
    one: Channel = getattr(pair, first)
    other: Channel = getattr(pair, second)
    one.data(b"question")
    one.ends()
    assert (other.sent, other.eof, other.state) == (b"question", True, "open")
    other.data(b"answer")
    assert one.sent == b"answer"
    other.ends()
    assert (one.eof, one.state, other.state) == (True, "closed", "closed")
    one.gone()
    assert pair.why == []
    other.gone()
    assert pair.why == [DONE]


def test_what_a_closed_side_sent_still_arrives() -> None:
    pair = Pair()
    pair.client.window = 3
    pair.target.data(b"last words")
    pair.target.gone()
    assert (pair.client.sent, pair.client.state, pair.why) == (b"las", "closing", [])
    pair.client.window = 100
    pair.client.flush()
    assert (pair.client.sent, pair.client.state) == (b"last words", "closed")
    pair.client.gone()
    assert pair.why == [DONE]


@pytest.mark.parametrize("side", ["client", "target"])
@pytest.mark.parametrize("cuts", [[b"SSH-2.0-OpenSSH_9.2\r\n"], [b"S", b"SH", b"-2.0-x\r\n"], [b"SSH", b"-"]])
def test_ssh_in_a_forward_is_cut(side: str, cuts: list[bytes]) -> None:
    pair = Pair()
    speaker: Channel = getattr(pair, side)
    for cut in cuts:
        speaker.data(cut)
    passed = pair.target.sent + pair.client.sent
    assert not passed.startswith(b"SSH-")
    assert len(passed) < 4
    assert pair.why == [SPEAKS_SSH]
    assert (pair.client.state, pair.target.state) == ("closed", "closed")


@pytest.mark.parametrize("data", [b"S", b"SSL", b"SSH ", b"ssh-", b" SSH-", b"\0\0\0\x0bSSH-2"])
def test_what_only_resembles_ssh_passes_at_once(data: bytes) -> None:
    """PostgreSQL answers a TLS request with the one byte S, and waits."""
    pair = Pair()
    pair.target.data(data)
    assert pair.client.sent == data
    pair.target.data(b"SSH-2.0-later is not how ssh begins")
    assert pair.why == []
    assert pair.client.sent == data + b"SSH-2.0-later is not how ssh begins"


def test_a_cut_or_killed_forward_is_over_at_once() -> None:
    pair = Pair()
    pair.client.window = 0
    pair.target.data(b"unsent")
    pair.bridge.abort("session ended by bob")
    assert pair.why == ["session ended by bob"]
    assert (pair.client.state, pair.target.state) == ("closed", "closed")
    pair.client.gone()
    pair.target.gone()
    assert pair.why == ["session ended by bob"]


def test_a_client_that_comes_after_the_kill_finds_nothing() -> None:
    pair = Pair(joined=False)
    pair.bridge.abort("stopped")
    pair.join()
    assert pair.client.state == "closed"


@pytest.mark.parametrize("side", ["client", "target"])
def test_an_exception_ends_this_forward_and_raises_nowhere(side: str) -> None:
    pair = Pair()
    broken: Channel = getattr(pair, side)
    broken.broken = True
    other = pair.target if side == "client" else pair.client
    other.data(b"x")
    assert pair.why == [FAILED]
    assert (pair.client.state, pair.target.state) == ("closed", "closed")


def opens_window(channel: Channel) -> None:
    channel.window = 30
    channel.flush()


STEPS: list[Callable[[Channel], None]] = [
    lambda channel: channel.data(b"abc"),
    lambda channel: channel.data(b"x" * 20),
    lambda channel: channel.ends(),
    lambda channel: channel.gone() if channel.end.channel is not None else None,
    lambda channel: setattr(channel, "window", 0),
    opens_window,
]


@given(
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(["client", "target"]), st.integers(0, len(STEPS) - 1)), max_size=30),
)
def test_in_whatever_order_nothing_is_reordered_and_the_end_comes_once(
    joined: bool, steps: list[tuple[str, int]]
) -> None:
    pair = Pair(joined=joined)
    written = {"client": b"", "target": b""}
    for side, step in steps:
        channel: Channel = getattr(pair, side)
        if not joined and side == "client":
            continue
        before = channel.state == "open" and not channel.got_eof
        STEPS[step](channel)
        if before and step < 2:
            written[side] += (b"abc", b"x" * 20)[step]
    if not joined:
        pair.join()
    assert written["client"].startswith(pair.target.sent + pair.target.unsent)
    assert written["target"].startswith(pair.client.sent + pair.client.unsent)
    for channel in (pair.client, pair.target):
        if channel.end.channel is not None:
            channel.gone()
    assert pair.why == [DONE]
    assert pair.bridge.over
