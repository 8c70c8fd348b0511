"""The relay with a real pipeline, ledger and store, between a client and a target that the test plays."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bastion.approvals import Approvals
from bastion.audit import EventType
from bastion.auth.access import Access
from bastion.channel.early import EARLY_LIMIT
from bastion.channel.ledger import Ledger, Origin
from bastion.channel.live import Live
from bastion.channel.relay import Relay
from bastion.channel.requests import ChannelRequest, Terminal
from bastion.channel.services import Ruling, Services
from bastion.config.schema import Address, Config, Credential, Rule, StoreConfig, Target
from bastion.errors import TargetUnreachable, UnavailableError
from bastion.inspectors.mask import Masking
from bastion.inspectors.pipeline import Pipeline
from bastion.journal import AuditLog
from bastion.masking.masker import MaskingPolicies
from bastion.model import Action, ChannelKind, Grant, Stream
from bastion.policy.rules import RuleSet
from bastion.protocols.exec import ExecCodec
from bastion.reading import CommandReader
from bastion.store.memory import MemoryStore
from bastion.store.thread import StoreThread
from recorder.storage import DiskStorage
from tests.bastion.desk import ALICE, BOB, START, Clock

WEB = Target("web-1", "ssh", Address("127.0.0.1", 22), Credential("certificate"), host_keys=("k",))
RULES = (
    Rule("wipe", Action.DENY, commands=("mkfs.* **",), reason="destroys data"),
    Rule("prod", Action.APPROVE, commands=("deploy **",), approvers=("sre",), timeout=timedelta(minutes=10)),
)


class Client:
    """Keeps what the relay does to the client."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.eof = False
        self.reading = True
        self.ended: asyncio.Future[tuple[str | None, object]] = asyncio.get_running_loop().create_future()

    def send(self, stream: Stream, data: bytes) -> None:
        if stream is Stream.STDERR:
            self.err += data
        else:
            self.out += data

    def send_eof(self) -> None:
        self.eof = True

    def read(self, reading: bool) -> None:
        self.reading = reading

    def exit(self, status: str | None, signal: tuple[bool, str, str] | None) -> None:
        self.ended.set_result((status, signal))


class TargetChannel:
    """Keeps what the relay does to the target."""

    def __init__(self) -> None:
        self.got = b""
        self.eof = False
        self.closed = False
        self.paused = False

    def write(self, data: bytes) -> None:
        self.got += data

    def write_eof(self) -> None:
        self.eof = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Pool:
    """Opens one target channel when the test lets it, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.channel = TargetChannel()
        self.opened = 0
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.error = error

    async def use(self, grant: Grant, target: Target, open_channel: object) -> Any:
        await self.may_open.wait()
        self.opened += 1
        if self.error is not None:
            raise self.error
        return self.channel


class Bench:
    """One channel with everything around it."""

    def __init__(self, folder: Path, thread: StoreThread, command: bytes, pool: Pool, **request: Any) -> None:
        self.thread = thread
        self.clock = Clock()
        self.pool = pool
        self.client = Client()
        audit = AuditLog(thread, "node", self.clock)
        config = Config(folder / "bastion.toml", StoreConfig("", folder), targets={"web-1": WEB})
        nothing: Any = None
        self.services = Services(
            ruling=Ruling(config, Access(config), RuleSet(RULES), MaskingPolicies(config), nothing),
            keys=nothing,
            reader=CommandReader(),
            approvals=Approvals(thread, audit, self.clock),
            audit=audit,
            thread=thread,
            recordings=DiskStorage(folder / "recordings"),
            dialer=nothing,
            live=Live(),
            clock=self.clock,
        )
        self.folder = folder
        asked = ChannelRequest(ChannelKind.EXEC, command, request.get("terminal"), request.get("env", ()))
        identity = replace(ALICE, expires=START + timedelta(days=1))
        grant = Grant(identity, "web-1", "deploy", frozenset(ChannelKind), Action.ALLOW)
        self.ledger = Ledger(self.services, grant, Origin("c1", "127.0.0.1"), asked)
        terminal = asked.terminal is not None
        codec = ExecCodec(command, terminal=terminal)
        pipeline = Pipeline(codec, Masking({}, terminal=terminal), terminal=terminal, record_input=not terminal)
        any_pool: Any = pool
        self.relay = Relay(self.services, grant, asked, pipeline, self.ledger, any_pool, self.client)

    async def until(self, condition: Any) -> None:
        """Let the loop turn until something holds."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is awaited lies in other objects, without an event
                await asyncio.sleep(0.001)

    async def opened(self) -> None:
        self.relay.start()
        await self.until(lambda: self.relay._target is not None)

    def events(self) -> list[str]:
        return [entry.type for entry in self.thread.store.journal.list()]

    def recorded(self) -> list[list[Any]]:
        files = list((self.folder / "recordings").rglob("*.cast"))
        return [json.loads(line) for line in files[0].read_text().splitlines()[1:]]


@asynccontextmanager
async def bench(folder: Path, command: bytes = b"id", pool: Pool | None = None, **request: Any) -> AsyncIterator[Bench]:
    thread = StoreThread(MemoryStore())
    made = Bench(folder, thread, command, pool or Pool(), **request)
    try:
        yield made
    finally:
        await made.services.reader.close()
        await made.services.approvals.close()
        await thread.close()


async def test_bytes_go_through_both_ways_and_the_books_are_closed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.opened()
        b.relay.client_data(b"in")
        b.relay.client_eof()
        b.relay.target_data(Stream.STDOUT, b"out")
        b.relay.target_data(Stream.STDERR, b"err")
        b.relay.target_exit("7", None)
        b.relay.target_eof()
        b.relay.target_closed(None)
        assert await b.client.ended == ("7", None)
        assert (b.client.out, b.client.err) == (b"out", b"err")
        assert (b.pool.channel.got, b.pool.channel.eof) == (b"in", True)
        assert [event[1:] for event in b.recorded()[:3]] == [["i", "in"], ["o", "out"], ["e", "err"]]
        row = b.thread.store.sessions.get(b.ledger.session_id)
        assert row is not None
        assert (row.exit_status, row.bytes_in, row.bytes_out, row.verdict) == ("7", 2, 6, "allow")
        assert len(row.sha256) == 64
        assert b.events() == ["access.granted", "channel.open", "command.verdict", "channel.close"]
        assert b.services.live.ids() == frozenset()


async def test_bytes_sent_before_the_target_is_up_are_kept_in_order(tmp_path: Path) -> None:
    pool = Pool()
    pool.may_open.clear()
    async with bench(tmp_path, pool=pool) as b:
        b.relay.start()
        b.relay.client_data(b"first ")
        b.relay.client_data(b"second")
        b.relay.client_eof()
        pool.may_open.set()
        await b.until(lambda: pool.channel.eof)
        assert pool.channel.got == b"first second"


async def test_a_client_that_sends_much_before_the_target_is_up_is_not_read(tmp_path: Path) -> None:
    pool = Pool()
    pool.may_open.clear()
    async with bench(tmp_path, pool=pool) as b:
        b.relay.start()
        b.relay.client_data(bytes(EARLY_LIMIT + 1))
        assert not b.client.reading
        pool.may_open.set()
        await b.until(lambda: b.client.reading)
        assert len(pool.channel.got) == EARLY_LIMIT + 1


async def test_a_denied_command_opens_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, b"mkfs.ext4 /dev/sda1") as b:
        b.relay.start()
        b.relay.client_data(b"y\n")
        assert await b.client.ended == ("126", None)
        assert b.client.err == b"bastion: denied by rule wipe: destroys data\n"
        assert b.pool.opened == 0
        row = b.thread.store.sessions.get(b.ledger.session_id)
        assert row is not None
        assert row.verdict == "deny"


async def test_an_approved_command_runs_and_the_approval_is_used(tmp_path: Path) -> None:
    async with bench(tmp_path, b"deploy v1") as b:
        b.relay.start()
        await b.until(lambda: b"waiting for approval" in b.client.err)
        assert b.pool.opened == 0
        (row,) = b.thread.store.approvals.list()
        await b.services.approvals.decide(BOB, row.id, approve=True, reason="", lifetime=None, may_approve=True)
        await b.until(lambda: b.relay._target is not None)
        (used,) = b.thread.store.approvals.list()
        assert used.state == "used"


async def test_who_does_not_wait_is_told_to_come_back(tmp_path: Path) -> None:
    async with bench(tmp_path, b"deploy v1", env=(("BASTION_WAIT", "0"),)) as b:
        b.relay.start()
        assert await b.client.ended == ("75", None)
        (row,) = b.thread.store.approvals.list()
        assert row.state == "pending"
        assert b.client.err.decode() == (
            f"bastion: approval {row.id} is still open; run the same command again once it is approved\n"
        )


async def test_a_program_is_told_as_json_besides(tmp_path: Path) -> None:
    async with bench(tmp_path, b"deploy v1", env=(("BASTION_JSON", "1"),)) as b:
        b.relay.start()
        await b.until(lambda: b"waiting for approval" in b.client.err)
        (row,) = b.thread.store.approvals.list()
        await b.services.approvals.decide(BOB, row.id, approve=False, reason="not now", lifetime=None, may_approve=True)
        assert await b.client.ended == ("126", None)
        lines = [line.removeprefix("bastion: ") for line in b.client.err.decode().splitlines()]
        waiting, denied = (json.loads(line) for line in lines if line.startswith("{"))
        assert (waiting["approval"], waiting["state"], waiting["rule"]) == (row.id, "waiting", row.rule)
        assert waiting["until"] in b.client.err.decode().splitlines()[1]
        assert denied == {"approval": row.id, "state": "denied", "by": "bob", "reason": "not now"}
        assert len(lines) == 4, "the lines of the contract are there too"


async def test_a_target_that_ends_its_output_and_goes_on_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bastion.channel.relay.EOF_GRACE", 0)
    async with bench(tmp_path) as b:
        await b.opened()
        b.relay.target_data(Stream.STDOUT, b"all")
        b.relay.target_eof()
        await b.until(lambda: b.client.eof)
        b.relay.client_data(b"still read")
        assert b.pool.channel.got == b"still read"


async def test_ctrl_c_on_a_terminal_withdraws(tmp_path: Path) -> None:
    terminal = Terminal("xterm", 80, 24, 0, 0, ())
    async with bench(tmp_path, b"deploy v1", terminal=terminal) as b:
        b.relay.start()
        await b.until(lambda: b"waiting for approval" in b.client.out)
        b.relay.client_data(b"\x03")
        assert await b.client.ended == ("130", None)
        assert b.thread.store.approvals.list()[0].state == "withdrawn"
        assert b.pool.opened == 0


async def test_a_target_that_does_not_answer_is_named_and_journalled(tmp_path: Path) -> None:
    async with bench(tmp_path, pool=Pool(TargetUnreachable("web-1 does not answer"))) as b:
        b.relay.start()
        assert await b.client.ended == ("255", None)
        assert b.client.err == b"bastion: web-1 does not answer\n"
        assert EventType.FAILURE in b.events()


async def test_a_recording_that_fails_ends_the_channel_and_lets_nothing_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path) as b:
        await b.opened()
        import errno
        import os

        def full(_fd: int, _data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("recorder.writer.os.write", full)
        monkeypatch.setattr("recorder.writer.os.writev", full, raising=False)
        b.relay.target_data(Stream.STDOUT, b"secret output")
        assert await b.client.ended == ("255", None)
        assert b.client.out == b""
        assert b"can't be recorded" in b.client.err
        assert b.pool.channel.closed


async def test_an_exception_in_the_core_ends_the_channel_and_shows_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path) as b:
        await b.opened()

        def broken(*_: object) -> None:
            raise ZeroDivisionError("defect")

        monkeypatch.setattr(b.relay._pipeline, "receive", broken)
        b.relay.target_data(Stream.STDOUT, b"secret output")
        assert await b.client.ended == ("255", None)
        assert b.client.out == b""
        assert b.client.err == b"bastion: internal error, so this session ends here; the server's log has the details\n"
        assert b.pool.channel.closed
        assert "failure" in b.events()


async def test_a_journal_that_cannot_be_written_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path) as b:

        def locked(*_: object, **__: object) -> None:
            raise UnavailableError("the database is locked by another process; try again")

        monkeypatch.setattr(b.thread.store.journal, "append", locked)
        b.relay.start()
        assert await b.client.ended == ("75", None)
        assert b.client.err.startswith(b"bastion: the database is locked")
        assert b.pool.opened == 0


async def test_a_slow_client_slows_the_target_and_a_slow_target_the_client(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.opened()
        b.relay.client_congested(True)
        assert b.pool.channel.paused
        b.relay.client_congested(False)
        assert not b.pool.channel.paused
        b.relay.target_congested(True)
        assert not b.client.reading
        b.relay.target_congested(False)
        assert b.client.reading


async def test_a_killed_session_says_who_and_why(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.opened()
        assert await b.services.live.kill(b.ledger.session_id, by="bob", reason="enough\r\n")
        assert await b.client.ended == ("255", None)
        assert b.client.err == b"bastion: session ended by bob: enough\\r\\n\n"
        assert b.pool.channel.closed


async def test_a_client_that_goes_away_closes_the_target_and_the_books(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.opened()
        b.relay.client_closed()
        await b.until(lambda: "channel.close" in b.events())
        assert b.pool.channel.closed
        assert not b.client.ended.done()


@pytest.mark.parametrize("status", ["SIGTERM", "SIGKILL"])
async def test_exit_signals_pass(tmp_path: Path, status: str) -> None:
    async with bench(tmp_path) as b:
        await b.opened()
        b.relay.target_exit(status, (False, "gone", "en"))
        b.relay.target_closed(None)
        assert await b.client.ended == (status, (False, "gone", "en"))
