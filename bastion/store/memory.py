"""A store that forgets: for tests. It keeps the same promises as the others, within one process."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from bastion.audit import Event, Head, JournalEntry, chain
from bastion.errors import NotFoundError
from bastion.store.base import (
    ApprovalDecision,
    ApprovalRow,
    ApprovalScope,
    ApprovalState,
    ApprovalStore,
    CertificateRow,
    CertificateStore,
    JournalStore,
    OrderKind,
    OrderRow,
    OrderStore,
    SessionRow,
    SessionStore,
    Viewer,
    WorkerRow,
    WorkerStore,
)
from bastion.store.tables import storable

_LIVE = (ApprovalState.PENDING, ApprovalState.APPROVED)


@dataclass(slots=True)
class _Data:
    """Everything kept; `copy` is what a transaction goes back to."""

    sessions: dict[str, SessionRow] = field(default_factory=dict)
    approvals: dict[str, tuple[int, ApprovalRow]] = field(default_factory=dict)  # with the revision of the last change
    revision: int = 0
    journal: list[JournalEntry] = field(default_factory=list)
    certificates: dict[int, CertificateRow] = field(default_factory=dict)
    workers: dict[str, WorkerRow] = field(default_factory=dict)
    orders: list[OrderRow] = field(default_factory=list)
    last_order: int = 0

    def copy(self) -> "_Data":
        return replace(
            self,
            sessions=dict(self.sessions),
            approvals=dict(self.approvals),
            journal=list(self.journal),
            certificates=dict(self.certificates),
            workers=dict(self.workers),
            orders=list(self.orders),
        )


class MemoryStore:
    """A `Store` in memory."""

    def __init__(self) -> None:
        self.data = _Data()
        self.lock = threading.RLock()
        self.sessions: SessionStore = MemorySessions(self)
        self.approvals: ApprovalStore = MemoryApprovals(self)
        self.journal: JournalStore = MemoryJournal(self)
        self.certificates: CertificateStore = MemoryCertificates(self)
        self.workers: WorkerStore = MemoryWorkers(self)
        self.orders: OrderStore = MemoryOrders(self)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store.transaction`."""
        with self.lock:
            before = self.data.copy()
            try:
                yield
            except BaseException:
                self.data = before
                raise

    def check(self) -> None:
        """See `Store.check`."""

    def close(self) -> None:
        """See `Store.close`."""


class _Part:
    """One noun of the store."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store


class MemorySessions(_Part):
    """See `SessionStore`."""

    def add(self, row: SessionRow) -> None:
        """See `SessionStore.add`."""
        with self._store.lock:
            self._store.data.sessions[row.id] = _clean(row)

    def finish(self, row: SessionRow) -> None:
        """See `SessionStore.finish`. Raise NotFoundError where it was never added."""
        with self._store.lock:
            if row.id not in self._store.data.sessions:
                raise NotFoundError(f"there is no session {row.id}")
            self._store.data.sessions[row.id] = _clean(row)

    def get(self, session_id: str) -> SessionRow | None:
        """See `SessionStore.get`."""
        with self._store.lock:
            return self._store.data.sessions.get(session_id)

    def list(
        self, *, identity: tuple[str, str] | None = None, limit: int = 100, live: bool | None = None
    ) -> Sequence[SessionRow]:
        """See `SessionStore.list`."""
        with self._store.lock:
            rows = [
                row
                for row in self._store.data.sessions.values()
                if identity in (None, (row.identity, row.issuer)) and live in (None, row.ended is None)
            ]
        return sorted(rows, key=lambda row: (row.started, row.id), reverse=True)[:limit]

    def close_orphans(self, now: datetime, workers: Collection[str]) -> Sequence[SessionRow]:
        """See `SessionStore.close_orphans`."""
        with self._store.lock:
            left = [row for row in self._store.data.sessions.values() if row.ended is None and row.worker in workers]
            rows = [replace(row, ended=now) for row in left]
            self._store.data.sessions.update({row.id: row for row in rows})
        return rows


class MemoryApprovals(_Part):
    """See `ApprovalStore`."""

    def add(self, row: ApprovalRow) -> ApprovalRow:
        """See `ApprovalStore.add`."""
        with self._store.lock:
            for found in self._rows():
                if found.digest == row.digest and found.state in _LIVE:
                    if found.expires > row.created:
                        return found
                    self._keep(replace(found, state=ApprovalState.EXPIRED))
            return self._keep(row)

    def get(self, approval_id: str) -> ApprovalRow | None:
        """See `ApprovalStore.get`."""
        with self._store.lock:
            return self._store.data.approvals.get(approval_id, (0, None))[1]

    def list(
        self, *, states: Sequence[ApprovalState] = (), limit: int = 100, viewer: Viewer | None = None
    ) -> Sequence[ApprovalRow]:
        """See `ApprovalStore.list`."""
        with self._store.lock:
            rows = [row for row in self._rows() if not states or row.state in states]
        if viewer is not None:
            rows = [row for row in rows if _visible(row, viewer)]
        return sorted(rows, key=lambda row: (row.created, row.id), reverse=True)[:limit]

    def count_pending(self, issuer: str, subject: str, now: datetime) -> int:
        """See `ApprovalStore.count_pending`."""
        with self._store.lock:
            own = [row for row in self._rows() if (row.issuer, row.subject) == (issuer, subject)]
        return sum(row.state is ApprovalState.PENDING and row.expires > now for row in own)

    def decide(
        self,
        approval_id: str,
        decision: ApprovalDecision,
        expires: datetime,
        scope: ApprovalScope = ApprovalScope.ONCE,
    ) -> ApprovalRow | None:
        """See `ApprovalStore.decide`."""
        with self._store.lock:
            row = self.get(approval_id)
            if row is None or row.state is not ApprovalState.PENDING or row.expires <= decision.time:
                return None
            people = [(made.issuer, made.subject) for made in row.decisions]
            names = [made.who.casefold() for made in row.decisions]
            if (decision.issuer, decision.subject) in people or decision.who.casefold() in names:
                return None
            row = replace(row, decisions=(*row.decisions, decision))
            if not decision.approve:
                row = replace(row, state=ApprovalState.DENIED)
            elif len(row.decisions) >= row.approvals:
                row = replace(row, state=ApprovalState.APPROVED, expires=expires, scope=scope)
            return self._keep(row)

    def use(self, digest: str, now: datetime, connection: str = "") -> ApprovalRow | None:
        """See `ApprovalStore.use`."""
        with self._store.lock:
            for row in self._rows():
                if row.digest != digest or row.state is not ApprovalState.APPROVED or row.expires <= now:
                    continue
                if row.scope is ApprovalScope.ONCE:
                    self._keep(replace(row, state=ApprovalState.USED))
                    return replace(row, state=ApprovalState.USED)
                if row.scope is ApprovalScope.COMMAND or row.connection == connection:
                    return row
        return None

    def withdraw(self, approval_id: str, now: datetime) -> bool:
        """See `ApprovalStore.withdraw`. One over its time expires and isn't withdrawn."""
        with self._store.lock:
            row = self.get(approval_id)
            if row is None or row.state is not ApprovalState.PENDING or row.expires <= now:
                return False
            self._keep(replace(row, state=ApprovalState.WITHDRAWN))
        return True

    def lapse(self, approval_id: str) -> ApprovalRow | None:
        """See `ApprovalStore.lapse`."""
        with self._store.lock:
            row = self.get(approval_id)
            if row is None or row.state not in _LIVE:
                return None
            return self._keep(replace(row, state=ApprovalState.EXPIRED))

    def expire(self, now: datetime) -> Sequence[ApprovalRow]:
        """See `ApprovalStore.expire`."""
        with self._store.lock:
            over = [row for row in self._rows() if row.state in _LIVE and row.expires <= now]
            return [self._keep(replace(row, state=ApprovalState.EXPIRED)) for row in over]

    def revision(self) -> int:
        """See `ApprovalStore.revision`."""
        with self._store.lock:
            return self._store.data.revision

    def changed(self, after: int) -> Sequence[str]:
        """See `ApprovalStore.changed`."""
        with self._store.lock:
            return [row.id for revision, row in self._store.data.approvals.values() if revision > after]

    def _rows(self) -> Sequence[ApprovalRow]:
        return [row for _, row in self._store.data.approvals.values()]

    def _keep(self, row: ApprovalRow) -> ApprovalRow:
        if row.state not in _LIVE:
            row = replace(row, command=row.masked)
        data = self._store.data
        data.revision += 1
        data.approvals[row.id] = (data.revision, row)
        return row


class MemoryJournal(_Part):
    """See `JournalStore`."""

    def append(self, events: Sequence[Event], time: datetime, node: str = "") -> Sequence[JournalEntry]:
        """See `JournalStore.append`."""
        with self._store.lock:
            journal = list(self._store.data.journal)
            for event in events:
                head = _head(journal)
                journal.append(chain(event, head.seq + 1, time, node, head.hash))
            added = journal[len(self._store.data.journal) :]
            self._store.data.journal = journal
        return added

    def list(
        self, *, after: int = 0, limit: int = 1000, types: Sequence[str] = (), newest: bool = False
    ) -> Sequence[JournalEntry]:
        """See `JournalStore.list`."""
        with self._store.lock:
            found = [
                entry for entry in self._store.data.journal if entry.seq > after and (not types or entry.type in types)
            ]
        return found[-limit:] if newest else found[:limit]

    def head(self) -> Head:
        """See `JournalStore.head`."""
        with self._store.lock:
            return _head(self._store.data.journal)


class MemoryCertificates(_Part):
    """See `CertificateStore`."""

    def add(self, row: CertificateRow) -> None:
        """See `CertificateStore.add`."""
        with self._store.lock:
            self._store.data.certificates[row.serial] = row

    def list(self, *, identity: str | None = None, limit: int = 100) -> Sequence[CertificateRow]:
        """See `CertificateStore.list`."""
        with self._store.lock:
            rows = [row for row in self._store.data.certificates.values() if identity in (None, row.identity)]
        return sorted(rows, key=lambda row: (row.issued, row.serial), reverse=True)[:limit]

    def is_revoked(self, serial: int) -> bool:
        """See `CertificateStore.is_revoked`."""
        with self._store.lock:
            row = self._store.data.certificates.get(serial)
        return row is None or row.revoked is not None

    def revoke(self, serial: int, now: datetime) -> bool:
        """See `CertificateStore.revoke`. The first revocation's time stays."""
        with self._store.lock:
            row = self._store.data.certificates.get(serial)
            if row is not None and row.revoked is None:
                self._store.data.certificates[serial] = replace(row, revoked=now)
        return row is not None


class MemoryWorkers(_Part):
    """See `WorkerStore`."""

    def add(self, row: WorkerRow) -> None:
        """See `WorkerStore.add`."""
        with self._store.lock:
            self._store.data.workers[row.id] = row

    def beat(self, worker_id: str, now: datetime) -> None:
        """See `WorkerStore.beat`."""
        with self._store.lock:
            if worker_id not in self._store.data.workers:
                raise NotFoundError(f"there is no worker {worker_id}")
            self._store.data.workers[worker_id] = replace(self._store.data.workers[worker_id], seen=now)

    def list(self) -> Sequence[WorkerRow]:
        """See `WorkerStore.list`."""
        with self._store.lock:
            return [row for _, row in sorted(self._store.data.workers.items())]

    def remove(self, worker_id: str) -> None:
        """See `WorkerStore.remove`."""
        with self._store.lock:
            self._store.data.workers.pop(worker_id, None)


class MemoryOrders(_Part):
    """See `OrderStore`."""

    def give(self, kind: OrderKind, subjects: Sequence[str], *, by: str, reason: str, now: datetime) -> None:
        """See `OrderStore.give`."""
        with self._store.lock:
            data = self._store.data
            for subject in subjects:
                data.last_order += 1
                data.orders.append(OrderRow(data.last_order, kind, subject, storable(by), storable(reason), now))

    def latest(self) -> int:
        """See `OrderStore.latest`."""
        with self._store.lock:
            return max((row.number for row in self._store.data.orders), default=0)

    def after(self, number: int) -> Sequence[OrderRow]:
        """See `OrderStore.after`."""
        with self._store.lock:
            return [row for row in self._store.data.orders if row.number > number]

    def forget(self, before: datetime) -> None:
        """See `OrderStore.forget`."""
        with self._store.lock:
            self._store.data.orders = [row for row in self._store.data.orders if row.given >= before]


def _head(journal: Sequence[JournalEntry]) -> Head:
    return Head(journal[-1].seq, journal[-1].hash) if journal else Head()


def _visible(row: ApprovalRow, viewer: Viewer) -> bool:
    own = (row.issuer, row.subject) == (viewer.issuer, viewer.subject)
    return own or bool(set(row.approvers) & set(viewer.groups))


def _clean(row: SessionRow) -> SessionRow:
    return replace(row, command=storable(row.command))
