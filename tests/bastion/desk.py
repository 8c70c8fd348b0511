"""Approvals ready for use in a test: a store, its thread, the journal and a clock that the test moves."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bastion.approvals import Approvals
from bastion.journal import AuditLog
from bastion.model import Action, Identity, Kind, Verdict
from bastion.store.base import ApprovalRow, JournalEntry, Store
from bastion.store.thread import StoreThread

START = datetime(2026, 11, 22, 20, 49, tzinfo=UTC)


def person(name: str, *groups: str, issuer: str = "corp", subject: str = "", kind: Kind = Kind.HUMAN) -> Identity:
    """Return somebody; the subject is made from the name where none is given."""
    return Identity(name, issuer, subject or f"s-{name}", groups, kind, 1, START + timedelta(days=1))


ALICE = person("alice", "eng", kind=Kind.AGENT)
BOB = person("bob", "sre")
CAROL = person("carol", "sre", "dba")
DAVE = person("dave", "dba")


def verdict(
    approvers: tuple[str, ...] = ("sre",), approvals: int = 1, timeout: float = 600, rule: str = "prod"
) -> Verdict:
    """Return what a rule says that wants an approval."""
    return Verdict(Action.APPROVE, rule, "changes production", approvers, approvals, timeout)


@dataclass
class Clock:
    """The time, as the test says."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Desk:
    """One process's view of the approvals."""

    thread: StoreThread
    clock: Callable[[], datetime]
    audit: AuditLog = field(init=False)
    approvals: Approvals = field(init=False)

    def __post_init__(self) -> None:
        self.audit = AuditLog(self.thread, "node-1", self.clock)
        self.approvals = Approvals(self.thread, self.audit, self.clock)

    async def ask(
        self, command: bytes = b"reboot", who: Identity = ALICE, masked: bytes | None = None, **terms: Any
    ) -> ApprovalRow:
        """Submit a command for web-1, under a verdict with these terms."""
        return await self.approvals.submit(who, "web-1", "deploy", "exec", command, verdict(**terms), masked=masked)

    async def decide(
        self,
        who: Identity,
        row: ApprovalRow,
        *,
        yes: bool = True,
        reason: str = "fine",
        lifetime: timedelta | None = None,
    ) -> ApprovalRow:
        """Let an approver speak."""
        return await self.approvals.decide(who, row.id, approve=yes, reason=reason, lifetime=lifetime, may_approve=True)

    def journal(self) -> list[JournalEntry]:
        """Return all entries."""
        return list(self.thread.store.journal.list())

    def events(self) -> list[str]:
        """Return the types of all entries."""
        return [entry.type for entry in self.journal()]


@asynccontextmanager
async def desk(store: Store, clock: Callable[[], datetime]) -> AsyncIterator[Desk]:
    """Open a desk on a store, and close both at the end."""
    thread = StoreThread(store)
    opened = Desk(thread, clock)
    try:
        yield opened
    finally:
        await opened.approvals.close()
        await opened.audit.close()
        await thread.close()
