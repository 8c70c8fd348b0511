"""What tests of commands need: a control plane over the memory store with real services, and a terminal in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bastion.approvals import Approvals
from bastion.auth.access import Access
from bastion.config.schema import Address, Config, Credential, Role, Selector, ServerConfig, StoreConfig, Target
from bastion.control.services import Control, ControlServices
from bastion.journal import AuditLog
from bastion.model import Action, ChannelKind, ControlRight, Grant, Identity, Kind, Verdict
from bastion.policy.understanding import Command, Understanding, literal
from bastion.store.base import ApprovalRow, CertificateRow, SessionRow
from bastion.store.memory import MemoryStore
from bastion.store.thread import StoreThread
from cli.server import run_command
from recorder.storage import DiskStorage

NOW = datetime(2026, 11, 22, 20, 49, tzinfo=UTC)
HOST_CA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH0000000000000000000000000000000000000000000 host_ca"


def identity(name: str, *groups: str, kind: Kind = Kind.HUMAN, serial: int = 7) -> Identity:
    """Return somebody; the subject is made from the name."""
    return Identity(name, "corp", f"sub-{name}", groups, kind, serial, NOW + timedelta(hours=8))


ALICE = identity("alice", "sre", serial=11)  # decides, replays, audits, kills, revokes
BOB = identity("bob", "eng", serial=22)
CAROL = identity("carol", "approvers-elsewhere", serial=33)  # holds `approve`, is no approver of prod-change
ROBOT = identity("robot", "agents", kind=Kind.AGENT, serial=44)

CONFIG = Config(
    path=Path("/etc/bastion/bastion.toml"),
    store=StoreConfig("sqlite:////var/bastion.db", Path("/var/recordings")),
    server=ServerConfig(names=("bastion.example.com", "gate")),
    targets={
        "web-1": Target("web-1", "ssh", Address("10.0.0.5", 22), Credential("certificate"), (("env", "prod"),)),
        "orders": Target("orders", "postgres", Address("10.0.0.9", 5432), Credential("password", "app")),
        "vault": Target("vault", "ssh", Address("10.0.0.7", 22), Credential("certificate")),
    },
    roles={
        "engineer": Role(
            "engineer",
            ("eng", "agents"),
            (Selector(name="web-1"), Selector(name="orders")),
            ("deploy",),
            frozenset({ChannelKind.SHELL, ChannelKind.EXEC, ChannelKind.FORWARD}),
        ),
        "approver": Role("approver", ("sre",), control=frozenset(ControlRight)),
        "other": Role("other", ("approvers-elsewhere",), control=frozenset({ControlRight.APPROVE})),
    },
)
NEEDS_APPROVAL = Verdict(Action.APPROVE, "prod-change", "changes production", ("sre",), 1, 600.0)


class MemoryTerminal:
    """A terminal that keeps what was written; `keys` are what the caller types."""

    def __init__(self, *, tty: bool = False, columns: int = 80, rows: int = 24, color: bool = False) -> None:
        self.is_tty = tty
        self.color = color
        self.term = "xterm-256color" if tty else ""
        self.columns = columns
        self.rows = rows
        self.closed = asyncio.Event()
        self.keys: asyncio.Queue[bytes] = asyncio.Queue()
        self.written = asyncio.Event()
        self._out = b""
        self._err = b""

    def write(self, data: bytes) -> None:
        self._out += data
        self.written.set()

    def error(self, data: bytes) -> None:
        self._err += data

    async def drain(self) -> None:
        await asyncio.sleep(0)

    async def read(self, timeout: float | None = None) -> bytes | None:  # noqa: ASYNC109 - as the protocol says
        try:
            async with asyncio.timeout(timeout):
                return await self.keys.get()
        except TimeoutError:
            return None

    @property
    def out(self) -> str:
        return self._out.decode()

    @property
    def err(self) -> str:
        return self._err.decode()

    async def until(self, condition: Callable[[str], bool]) -> str:
        """Wait until what was written satisfies a condition."""
        async with asyncio.timeout(10):
            while not condition(self.out):
                self.written.clear()
                await self.written.wait()
        return self.out


@dataclass
class FakeLive:
    """Live sessions that can be cut; remembers what was asked of it."""

    live: set[str] = field(default_factory=set)
    killed: list[tuple[str, str, str]] = field(default_factory=list)
    disconnected: list[tuple[frozenset[int], str]] = field(default_factory=list)

    async def kill(self, session_id: str, *, by: str, reason: str) -> bool:
        self.killed.append((session_id, by, reason))
        return session_id in self.live

    async def disconnect(self, serials: frozenset[int], *, by: str) -> int:
        self.disconnected.append((serials, by))
        return 1


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class World:
    """One bastion's control plane."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.config = CONFIG
        self.store = MemoryStore()
        self.thread = StoreThread(self.store)
        self.audit = AuditLog(self.thread, "node-1", lambda: self.now)
        self.approvals = Approvals(self.thread, self.audit, lambda: self.now)
        self.live = FakeLive()
        self.recordings = DiskStorage(folder)
        self.services = ControlServices(
            config=lambda: self.config,
            access=lambda: Access(self.config),
            judge=self.judge,
            understand=self.understand,
            masked=lambda _grant, command: command,
            approvals=self.approvals,
            audit=self.audit,
            thread=self.thread,
            live=self.live,
            recordings=self.recordings,
            host_ca=HOST_CA,
            port=2222,
            clock=lambda: self.now,
        )

    async def understand(self, command: bytes) -> Understanding:
        """Say that a command runs its words."""
        text = command.decode("utf-8", "replace")
        return Understanding(text, (Command(tuple(literal(word) for word in text.split())),))

    async def judge(self, grant: Grant, command: bytes) -> Verdict:
        """What the rules of this world say: by the command's first letter."""
        if command.startswith(b"deny"):
            return Verdict(Action.DENY, "never", "not here")
        if command.startswith(b"ask"):
            return Verdict(Action.APPROVE, "prod", "changes production", ("sre",), 1, 600)
        return Verdict(Action.ALLOW)

    def control(self, who: Identity) -> Control:
        return Control(who, self.services)

    async def run(self, who: Identity, line: str, terminal: MemoryTerminal | None = None) -> Ran:
        """Run a command line as somebody, without a terminal unless one is given."""
        terminal = terminal or MemoryTerminal()
        status = await run_command(line, self.control(who), terminal)
        return Ran(status, terminal.out, terminal.err)

    async def ask(
        self,
        who: Identity = BOB,
        command: bytes = b"systemctl stop nginx",
        verdict: Verdict = NEEDS_APPROVAL,
        session: str = "",
    ) -> ApprovalRow:
        """Submit a request for approval."""
        return await self.approvals.submit(who, "web-1", "deploy", "exec", command, verdict, "c1", session)

    def events(self) -> Sequence[tuple[str, str]]:
        """Return (type, identity) of the journal's entries."""
        return [(entry.type, entry.identity) for entry in self.store.journal.list()]

    def add_session(self, session_id: str, who: Identity = BOB, **changes: Any) -> SessionRow:
        """Store a session that ended with status 0 after a minute, unless told otherwise."""
        row = SessionRow(
            id=session_id,
            connection="c1",
            identity=who.name,
            issuer=who.issuer,
            kind=who.kind,
            target="web-1",
            login="deploy",
            channel="exec",
            command="uptime",
            started=NOW - timedelta(minutes=5),
            ended=NOW - timedelta(minutes=4),
            exit_status="0",
            verdict="allow",
            bytes_in=10,
            bytes_out=1234,
            masked=(("email", 2),),
        )
        row = replace(row, **changes)
        self.store.sessions.add(row)
        return row

    def add_certificate(self, who: Identity, serial: int, **changes: Any) -> CertificateRow:
        """Store a valid certificate of somebody."""
        expires = NOW + timedelta(hours=8)
        row = CertificateRow(serial, who.name, who.issuer, who.subject, who.kind, "SHA256:x", NOW, expires)
        row = replace(row, **changes)
        self.store.certificates.add(row)
        return row


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    """Open a control plane and close it properly."""
    world = World(folder)
    try:
        yield world
    finally:
        await world.approvals.close()
        await world.audit.close()
        await world.thread.close()
