"""A real shell on a real pty, behind a real relay with rules and approvals: all of the bastion but ssh itself.

For scripted typing, where starting ssh and sshd for each would take too long. What runs is decided by side effects:
commands of the situations leave marker files.
"""

import asyncio
import contextlib
import fcntl
import os
import pty
import select
import shlex
import shutil
import signal
import struct
import termios
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bastion.approvals import Approvals
from bastion.auth.access import Access
from bastion.channel.codecs import codec_for
from bastion.channel.ledger import Ledger, Origin
from bastion.channel.lines import LineGate, Ruled
from bastion.channel.live import Live
from bastion.channel.relay import Relay
from bastion.channel.requests import ChannelRequest, Terminal
from bastion.channel.services import Ruling, Services
from bastion.config.schema import Address, Config, Credential, Rule, StoreConfig, Target
from bastion.inspectors.mask import Masking
from bastion.inspectors.pipeline import Pipeline
from bastion.journal import AuditLog
from bastion.masking.masker import MaskingPolicies
from bastion.model import Action, ChannelKind, Grant, ShellGate, Stream
from bastion.policy.rules import RuleSet
from bastion.protocols.base import Boot, Event, Line
from bastion.reading import CommandReader
from bastion.store.memory import MemoryStore
from bastion.store.thread import StoreThread
from recorder.storage import DiskStorage
from tests.bastion.desk import ALICE, BOB, START, Clock

WEB = Target("web-1", "ssh", Address("127.0.0.1", 22), Credential("certificate"), host_keys=("k",))
RULES = (
    Rule("flagged", Action.DENY, commands=("touch **",), reason="leaves a mark"),
    Rule("asked", Action.APPROVE, commands=("mkdir **",), approvers=("sre",), timeout=timedelta(minutes=10)),
)
SHELLS: Mapping[str, Sequence[str]] = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "dash": ("dash", "-i"),
}


class PTYChannel:
    """What the relay sees of a target's channel; behind it a program on a pty."""

    def __init__(self, command: Sequence[str], folder: Path, size: tuple[int, int], env: Mapping[str, str]) -> None:
        self.refused: tuple[str, ...] = ()
        self._events: Relay | None = None
        self._backlog: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self._become(command, folder, env)
        self.change_terminal_size(*size)
        os.set_blocking(self.fd, False)
        self._out, self._over = b"", False
        self._loop.add_reader(self.fd, self._read)

    @staticmethod
    def _become(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever started the tests may ignore it
        os.execvpe(command[0], list(command), dict(env))

    def attach(self, relay: Relay) -> None:
        """Tell who gets the output."""
        self._events = relay
        for data in self._backlog:
            relay.target_data(Stream.STDOUT, data)

    def _read(self) -> None:
        try:
            data = os.read(self.fd, 32768)
        except OSError:
            data = b""
        if not data:
            self._over = True
            self._loop.remove_reader(self.fd)
        elif self._events is None:
            self._backlog.append(data)
        else:
            self._events.target_data(Stream.STDOUT, data)

    def write(self, data: bytes) -> None:
        """Give bytes to the program, as fast as its terminal takes them."""
        self._out += data
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._out:
                self._out = self._out[os.write(self.fd, self._out) :]
        if self._out:
            self._loop.add_writer(self.fd, self._flush)
        else:
            self._loop.remove_writer(self.fd)

    def change_terminal_size(self, columns: int, rows: int, width: int = 0, height: int = 0) -> None:
        """Resize the pty."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))

    @property
    def busy(self) -> bool:
        """Whether any of the programs could run on, or output waits to be read."""
        if self._over:
            return False
        waiting = bool(self._out) or bool(select.select([self.fd], [], [], 0)[0])
        return waiting or any(_state(pid) in "RD" for pid in _family(self.pid))

    @property
    def over(self) -> bool:
        """Whether the program ended."""
        return self._over

    def is_closing(self) -> bool:
        """It is always open."""
        return False

    def write_eof(self) -> None:
        """Terminals have no EOF."""

    def pause_reading(self) -> None:
        """Stop reading."""
        self._loop.remove_reader(self.fd)

    def resume_reading(self) -> None:
        """Read again."""
        self._loop.add_reader(self.fd, self._read)

    def close(self) -> None:
        """End the program."""
        self._loop.remove_reader(self.fd)
        self._loop.remove_writer(self.fd)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        with contextlib.suppress(OSError):
            os.close(self.fd)


def _family(pid: int) -> list[int]:
    """Return a process and all that it started, as far as they are there."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in _family(int(child)))]


def _state(pid: int) -> str:
    """Return the letter the kernel gives for what a process does, `X` where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return "X"


class Typist:
    """The client's side: types, and sees what a user would see."""

    def __init__(self) -> None:
        self.seen = b""
        self.reading = True

    def send(self, stream: Stream, data: bytes) -> None:
        """Take output."""
        self.seen += data

    def send_eof(self) -> None:
        """Nothing more comes."""

    def read(self, reading: bool) -> None:
        """Note whether the relay reads."""
        self.reading = reading

    def exit(self, status: str | None, signal: tuple[bool, str, str] | None) -> None:
        """The channel ended."""


class Shell:
    """One session. `lines` are the lines that were decided, as (line, what the rules said)."""

    def __init__(self, relay: Relay, client: Typist, channel: PTYChannel, services: Services, folder: Path) -> None:
        self.relay = relay
        self.client = client
        self.channel = channel
        self.services = services
        self.folder = folder
        self.lines: list[tuple[Line, Ruled]] = []
        self.people: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        """All output so far."""
        return self.client.seen.decode("utf-8", "replace")

    def type(self, keys: str | bytes) -> None:
        """Send one packet of input."""
        self.relay.client_data(keys.encode() if isinstance(keys, str) else keys)

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the loop turn until something holds."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is awaited lies in other objects, without an event
                await asyncio.sleep(0.002)

    async def expect(self, text: str) -> None:
        """Wait until the user sees a text, and forget all up to it."""
        wanted = text.encode()
        try:
            await self.until(lambda: wanted in self.client.seen)
        except TimeoutError:
            raise AssertionError(f"no {text!r} in {self.client.seen!r}") from None
        self.client.seen = self.client.seen[self.client.seen.index(wanted) + len(wanted) :]

    async def settled(self) -> None:
        """Wait until nothing moves: all programs sleep, all they wrote was shown, all input went on or is asked about.

        Programs that sleep for a time of their own choosing count as still.
        """
        still = 0
        async with asyncio.timeout(10):
            while still < 3:
                before = len(self.client.seen)
                await asyncio.sleep(0.004)
                moved = len(self.client.seen) != before or self.channel.busy
                still = 0 if moved or not (self.drained or self.asking) else still + 1

    @property
    def drained(self) -> bool:
        """Whether all that was typed went on."""
        codec = self.relay._pipeline._codec  # type: ignore[attr-defined]  # only a terminal's codec is used here
        return bool(codec.drained)

    @property
    def asking(self) -> bool:
        """Whether people are asked about a line, and nobody who is there answers."""
        return self.relay._gate._pending is not None and self.people is None

    def made(self, name: str) -> bool:
        """Return whether a marker exists."""
        return (self.folder / name).exists()

    async def decide(self, *, approve: bool) -> None:
        """Answer the one open request."""
        (row,) = [row for row in self.services.thread.store.approvals.list() if row.state == "pending"]
        await self.services.approvals.decide(BOB, row.id, approve=approve, reason="no", lifetime=None, may_approve=True)

    def answer(self, agrees: Callable[[str], bool]) -> None:
        """Have somebody answer all requests at once, by what they are told of each."""

        async def answering() -> None:
            while True:
                await asyncio.sleep(0.004)
                for row in self.services.thread.store.approvals.list():
                    if row.state == "pending":
                        yes = agrees(row.command.decode("utf-8", "replace"))
                        await self.services.approvals.decide(
                            BOB, row.id, approve=yes, reason="no", lifetime=None, may_approve=True
                        )

        self.people = asyncio.create_task(answering())


@asynccontextmanager
async def shell(
    folder: Path,
    command: Sequence[str],
    *,
    gate: ShellGate = ShellGate.MISTAKES,
    rules: Sequence[Rule] = RULES,
    size: tuple[int, int] = (80, 24),
    env: Mapping[str, str] | None = None,
    default: Action = Action.ALLOW,
    reader: CommandReader | None = None,
    profile: str = "",
) -> AsyncIterator[Shell]:
    """Start a program on a pty in a fresh folder, with a relay in front; `reader` is shared where it is given.

    `profile` is for the start-up file of a hooked shell.
    """
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": "$ "}
    plain |= env or {}
    thread = StoreThread(MemoryStore())
    client = Typist()
    services, relay, pool = _relay(folder, thread, client, gate, rules, size, default, reader or CommandReader())
    boot = relay._pipeline._codec.start()  # type: ignore[attr-defined]
    channel = PTYChannel(_booted(boot, command, home, plain, profile), home, size, plain)
    pool.channel = channel
    made = Shell(relay, client, channel, services, home)
    assert isinstance(relay._lines, LineGate)
    _watch(relay._lines, made.lines)
    try:
        relay.start()
        await made.until(lambda: relay._target is not None)
        channel.attach(relay)
        yield made
    finally:
        if made.people is not None:
            made.people.cancel()
        relay.client_closed()
        channel.close()
        if reader is None:
            await services.reader.close()
        await services.approvals.close()
        await services.live.settle(5)
        await thread.close()


def _watch(gate: LineGate, into: list[tuple[Line, Ruled]]) -> None:
    judge = gate.judge

    async def watched(line: Line) -> Ruled:
        ruled = await judge(line)
        into.append((line, ruled))
        return ruled

    gate.judge = watched  # type: ignore[method-assign]  # to see what was decided, without a say in it


def _relay(
    folder: Path,
    thread: StoreThread,
    client: Typist,
    gate: ShellGate,
    rules: Sequence[Rule],
    size: tuple[int, int],
    default: Action,
    reader: CommandReader,
) -> tuple[Services, Relay, Any]:
    clock = Clock()
    audit = AuditLog(thread, "node", clock)
    config = Config(folder / "bastion.toml", StoreConfig("", folder), targets={"web-1": WEB}, rules=tuple(rules))
    nothing: Any = None
    ruling = Ruling(config, Access(config), RuleSet(rules), MaskingPolicies(config), nothing)
    services = Services(
        ruling=ruling,
        keys=nothing,
        reader=reader,
        approvals=Approvals(thread, audit, clock),
        audit=audit,
        thread=thread,
        recordings=DiskStorage(folder / "recordings"),
        dialer=nothing,
        live=Live(),
        clock=clock,
    )
    request = ChannelRequest(ChannelKind.SHELL, b"", Terminal("xterm", *size, 0, 0, ()), ())
    identity = replace(ALICE, expires=START + timedelta(days=1))
    grant = Grant(identity, "web-1", "deploy", frozenset(ChannelKind), default, shell=gate)
    ledger = Ledger(services, grant, Origin("c1", "127.0.0.1"), request)
    pipeline = Pipeline(
        codec_for(ruling, grant, request), Masking({}, terminal=True), terminal=True, record_input=False
    )

    class Pool:
        channel: PTYChannel | None = None

        async def use(self, *_: object) -> PTYChannel:
            assert self.channel is not None
            return self.channel

    pool: Any = Pool()
    return services, Relay(services, grant, request, pipeline, ledger, pool, client), pool


def _booted(
    events: Sequence[Event], command: Sequence[str], home: Path, env: dict[str, str], profile: str
) -> Sequence[str]:
    """Return what a target would run: the shell, or what a codec has it run in the shell's place."""
    boot = next((event.command for event in events if isinstance(event, Boot)), None)
    if boot is None:
        return command
    (home / ".hushlogin").touch()
    prompt = f"PS1={shlex.quote(env['PS1'])}\n{profile}\n"
    for name in (".bash_profile", ".zshrc", ".profile"):
        (home / name).write_text(prompt, encoding="utf-8")
    env["SHELL"] = shutil.which(command[0]) or command[0]
    return [env["SHELL"], "-c", boot.decode()]
