"""What the bastion keeps, by noun, and the protocol every store follows.

Methods are synchronous and may block; each is one transaction, or part of the one opened by `Store.transaction`.
`open_store` (in `opening.py`) picks the store by URL scheme, and the server calls it through `StoreThread`, never from
the event loop itself. Times are aware UTC datetimes, ids are strings, sizes bytes. A store that cannot answer raises
`UnavailableError`.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bastion.audit import Event, Head, JournalEntry
from bastion.model import Kind

__all__ = [
    "ApprovalDecision",
    "ApprovalRow",
    "ApprovalState",
    "ApprovalStore",
    "CertificateRow",
    "CertificateStore",
    "JournalEntry",
    "JournalStore",
    "OrderKind",
    "OrderRow",
    "OrderStore",
    "SessionRow",
    "SessionStore",
    "Store",
    "Viewer",
    "WorkerRow",
    "WorkerStore",
]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One recorded channel. `ended` is None while it lives; `exit_status` is None where there was none.

    `exit_status` is the text of a number ("0") or of a signal ("SIGTERM"). `recording` is the file's path below the
    recordings folder, empty where none was made. `masked` counts masked values by type, as in {"email": 2}.
    `worker` is the id of the process it lives in.
    """

    id: str
    connection: str
    identity: str
    issuer: str
    kind: Kind
    target: str
    login: str
    channel: str
    command: str
    started: datetime
    ended: datetime | None = None
    exit_status: str | None = None
    verdict: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    recording: str = ""
    sha256: str = ""
    masked: tuple[tuple[str, int], ...] = ()
    worker: str = ""


class ApprovalState(StrEnum):
    """States of an approval; pending is the first, the rest but `approved` are final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    USED = "used"


class ApprovalScope(StrEnum):
    """How often an approval may be used within its lifetime; chosen by who approves."""

    ONCE = "once"
    COMMAND = "command"  # this exact command, as often as wanted
    SESSION = "session"  # the same, but only within the connection that asked


@dataclass(frozen=True, slots=True)
class ApprovalDecision:
    """What one person said of an approval."""

    who: str
    issuer: str
    subject: str
    approve: bool
    reason: str
    time: datetime


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A held command. `digest` binds it to (identity, target, login, channel kind, exact bytes).

    `requester` is the name, `issuer` and `subject` tell people apart. `approvals` is how many different people must
    agree. `expires` is when a pending one lapses, and once approved, when the approval itself lapses. `connection` is
    the client connection that asked, `session` the recorded channel; empty where there was none. `masked` takes the
    place of `command` as soon as it is neither pending nor approved any more.
    """

    id: str
    digest: str
    state: ApprovalState
    rule: str
    requester: str
    issuer: str
    subject: str
    kind: Kind
    target: str
    login: str
    channel: str
    command: bytes
    reason: str
    approvers: tuple[str, ...]
    approvals: int
    created: datetime
    expires: datetime
    decisions: tuple[ApprovalDecision, ...] = ()
    scope: ApprovalScope = ApprovalScope.ONCE
    connection: str = ""
    session: str = ""
    masked: bytes = b""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at approvals: sees the own requests, and those whose approvers include one of `groups`."""

    issuer: str
    subject: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One issued user certificate."""

    serial: int
    identity: str
    issuer: str
    subject: str
    kind: Kind
    fingerprint: str
    issued: datetime
    expires: datetime
    revoked: datetime | None = None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A process that serves sessions.

    `space` names what `pid` is unique in (a machine since it was started, and its namespace of processes), `born` tells
    processes of one pid apart. `seen` is when it last said that it lives.
    """

    id: str
    node: str
    space: str
    pid: int
    born: str
    seen: datetime


class OrderKind(StrEnum):
    """What workers can be told to do, each for what it has."""

    KILL = "kill"  # a session
    DISCONNECT = "disconnect"  # the connections that a certificate opened


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order to all workers. `subject` is a session's id or a certificate's serial, `by` who gave the order."""

    number: int
    kind: OrderKind
    subject: str
    by: str
    reason: str
    given: datetime


class SessionStore(Protocol):
    """Sessions, newest first in listings."""

    def add(self, row: SessionRow) -> None:
        """Store a new session."""

    def finish(self, row: SessionRow) -> None:
        """Replace the row of a session that ended."""

    def get(self, session_id: str) -> SessionRow | None:
        """Return one session, or None."""

    def list(
        self, *, identity: tuple[str, str] | None = None, limit: int = 100, live: bool | None = None
    ) -> Sequence[SessionRow]:
        """Return sessions, newest first; `identity` is (name, issuer)."""

    def close_orphans(self, now: datetime, workers: Collection[str]) -> Sequence[SessionRow]:
        """End every session that these workers, which are dead, left open, and return them."""


class ApprovalStore(Protocol):
    """Approvals. Every change of state is atomic: of two racing callers one wins, the other sees the new state.

    The exact bytes of a command are kept for as long as it is pending or approved alone.
    """

    def add(self, row: ApprovalRow) -> ApprovalRow:
        """Store a pending approval and return it.

        Where a live one (pending or approved, not expired) of the same digest exists, store nothing and return that.
        """

    def get(self, approval_id: str) -> ApprovalRow | None:
        """Return one approval with its decisions, or None."""

    def list(
        self, *, states: Sequence[ApprovalState] = (), limit: int = 100, viewer: Viewer | None = None
    ) -> Sequence[ApprovalRow]:
        """Return approvals, newest first; with `viewer`, only those it may see."""

    def count_pending(self, issuer: str, subject: str, now: datetime) -> int:
        """Return how many requests of one person are pending and within their time."""

    def decide(
        self,
        approval_id: str,
        decision: ApprovalDecision,
        expires: datetime,
        scope: ApprovalScope = ApprovalScope.ONCE,
    ) -> ApprovalRow | None:
        """Add one person's decision to a pending approval and return the row after it.

        One denial makes it DENIED; the n-th different person agreeing makes it APPROVED and sets `expires` and
        `scope`. Returns None when it is not pending any more, is over its time at `decision.time`, or that person
        decided before (the same issuer and subject, or the same name whatever its case).
        """

    def use(self, digest: str, now: datetime, connection: str = "") -> ApprovalRow | None:
        """Use the approved, unexpired approval of this digest and return it; None when there is none to use.

        One of scope ONCE becomes USED; what is returned has the exact bytes for the last time. The others stay
        APPROVED; one of scope SESSION counts for the connection that asked alone.
        """

    def withdraw(self, approval_id: str, now: datetime) -> bool:
        """Turn a pending approval into WITHDRAWN; False when it is not pending."""

    def expire(self, now: datetime) -> Sequence[ApprovalRow]:
        """Turn pending and approved ones whose time is over into EXPIRED, and return them."""

    def lapse(self, approval_id: str) -> ApprovalRow | None:
        """Turn a pending or approved one into EXPIRED before its time; None when it is neither."""

    def revision(self) -> int:
        """Return the number of the latest change of any approval, by whatever process."""

    def changed(self, after: int) -> Sequence[str]:
        """Return the ids of the approvals whose latest change has a number above `after`."""


class JournalStore(Protocol):
    """The audit journal: append only, hash-chained (see `bastion.audit`)."""

    def append(self, events: Sequence[Event], time: datetime, node: str = "") -> Sequence[JournalEntry]:
        """Append events in order, in one transaction, and return the entries; `node` names this bastion."""

    def list(
        self, *, after: int = 0, limit: int = 1000, types: Sequence[str] = (), newest: bool = False
    ) -> Sequence[JournalEntry]:
        """Return entries with seq > after in order of seq; with `newest`, the last `limit` of them.

        An entry whose stored `data` is not what this store writes has `{"unreadable": TEXT}`, which no hash fits.
        """

    def head(self) -> Head:
        """Return the end of the chain as kept beside the entries, so that a cut-off end shows."""


class CertificateStore(Protocol):
    """Issued certificates."""

    def add(self, row: CertificateRow) -> None:
        """Store a certificate that was issued."""

    def list(self, *, identity: str | None = None, limit: int = 100) -> Sequence[CertificateRow]:
        """Return certificates, newest first."""

    def is_revoked(self, serial: int) -> bool:
        """Return whether this serial was revoked, or was never issued here."""

    def revoke(self, serial: int, now: datetime) -> bool:
        """Revoke one; False when there is no such serial."""


class WorkerStore(Protocol):
    """The processes that serve."""

    def add(self, row: WorkerRow) -> None:
        """Store a worker that starts."""

    def beat(self, worker_id: str, now: datetime) -> None:
        """Write down that a worker lives. Raise NotFoundError where it was removed."""

    def list(self) -> Sequence[WorkerRow]:
        """Return all workers, by id."""

    def remove(self, worker_id: str) -> None:
        """Forget a worker that ended."""


class OrderStore(Protocol):
    """Orders to all workers, in one order for all."""

    def give(self, kind: OrderKind, subjects: Sequence[str], *, by: str, reason: str, now: datetime) -> None:
        """Store one order for each subject."""

    def latest(self) -> int:
        """Return the number of the latest order, 0 before the first."""

    def after(self, number: int) -> Sequence[OrderRow]:
        """Return the orders with a number above this one, in order."""

    def forget(self, before: datetime) -> None:
        """Remove orders given before a time. Their numbers are not used again."""


class Store(Protocol):
    """Everything the bastion keeps."""

    sessions: SessionStore
    approvals: ApprovalStore
    journal: JournalStore
    certificates: CertificateStore
    workers: WorkerStore
    orders: OrderStore

    def transaction(self) -> AbstractContextManager[None]:
        """Make all calls of this thread inside the block one transaction: an exception undoes them all."""

    def check(self) -> None:
        """Raise UnavailableError, with the reason, where the store can't be read and written now."""

    def close(self) -> None:
        """Give connections back."""
