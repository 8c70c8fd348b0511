"""The store in an SQL database: sessions, journal and certificates; the rest stands in `sql_*.py` beside this file.

Written in SQLAlchemy Core, the same for every database; what differs between them is in `database.py`. Rows that are
read to be changed are locked first (SQLite locks the whole file when a writer begins).

What every login and every session asks is put together once, here below: for SQLAlchemy, building a statement anew and
finding its text in the cache is more work than to run it.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, insert, select, update

from bastion.audit import Event, Head, JournalEntry, canonical, chain
from bastion.errors import NotFoundError, UnavailableError
from bastion.model import Kind
from bastion.store import tables
from bastion.store.base import (
    ApprovalStore,
    CertificateRow,
    CertificateStore,
    JournalStore,
    OrderStore,
    SessionRow,
    SessionStore,
    WorkerStore,
)
from bastion.store.database import Database, columns
from bastion.store.sql_approvals import SQLApprovals
from bastion.store.sql_workers import SQLOrders, SQLWorkers

_ADD_SESSION = insert(tables.sessions)
_FINISH_SESSION = update(tables.sessions).where(tables.sessions.c.id == bindparam("which"))
_HEAD = select(tables.journal_head.c.seq, tables.journal_head.c.hash)
_LOCK_HEAD = _HEAD.with_for_update()
_MOVE_HEAD = update(tables.journal_head)
_APPEND = insert(tables.journal)
_REVOKED = select(tables.certificates.c.revoked).where(tables.certificates.c.serial == bindparam("which"))


class SQLStore:
    """A `Store` in one SQL database whose schema is current."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.sessions: SessionStore = SQLSessions(database)
        self.approvals: ApprovalStore = SQLApprovals(database)
        self.journal: JournalStore = SQLJournal(database)
        self.certificates: CertificateStore = SQLCertificates(database)
        self.workers: WorkerStore = SQLWorkers(database)
        self.orders: OrderStore = SQLOrders(database)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store.transaction`."""
        with self._database.write():
            yield

    def check(self) -> None:
        """See `Store.check`. Writes, as a full disk or a lock shows only then."""
        clock = tables.approval_clock
        with self._database.write() as connection:
            connection.execute(update(clock).values(revision=clock.c.revision))

    def close(self) -> None:
        """See `Store.close`."""
        self._database.close()


class SQLSessions:
    """See `SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: SessionRow) -> None:
        """See `SessionStore.add`."""
        with self._database.write() as connection:
            connection.execute(_ADD_SESSION, _session_values(row))

    def finish(self, row: SessionRow) -> None:
        """See `SessionStore.finish`. Raise NotFoundError where it was never added."""
        with self._database.write() as connection:
            done = connection.execute(_FINISH_SESSION, _session_values(row) | {"which": row.id})
            if done.rowcount != 1:
                raise NotFoundError(f"there is no session {row.id}")

    def get(self, session_id: str) -> SessionRow | None:
        """See `SessionStore.get`."""
        table = tables.sessions
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.id == session_id)).first()
        return None if row is None else _session(row)

    def list(
        self, *, identity: tuple[str, str] | None = None, limit: int = 100, live: bool | None = None
    ) -> Sequence[SessionRow]:
        """See `SessionStore.list`."""
        table = tables.sessions
        query = select(table).order_by(table.c.started.desc(), table.c.id.desc()).limit(limit)
        if identity is not None:
            query = query.where(table.c.identity == identity[0], table.c.issuer == identity[1])
        if live is not None:
            query = query.where(table.c.ended.is_(None) if live else table.c.ended.is_not(None))
        with self._database.read() as connection:
            return [_session(row) for row in connection.execute(query)]

    def close_orphans(self, now: datetime, workers: Collection[str]) -> Sequence[SessionRow]:
        """See `SessionStore.close_orphans`."""
        table = tables.sessions
        left = and_(table.c.ended.is_(None), table.c.worker.in_(workers))
        with self._database.write() as connection:
            rows = [replace(_session(row), ended=now) for row in connection.execute(select(table).where(left))]
            if rows:
                connection.execute(update(table).where(left).values(ended=now))
        return rows


class SQLJournal:
    """See `JournalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, events: Sequence[Event], time: datetime, node: str = "") -> Sequence[JournalEntry]:
        """See `JournalStore.append`."""
        if not events:
            return []
        with self._database.write() as connection:
            last = connection.execute(_LOCK_HEAD).first()
            if last is None:
                raise UnavailableError("the journal has lost its head; restore the database from a backup")
            entries: list[JournalEntry] = []
            seq, prev = last.seq, last.hash
            for event in events:
                entry = chain(event, seq + 1, time, node, prev)
                seq, prev = entry.seq, entry.hash
                entries.append(entry)
            values = [columns(entry) | {"data": canonical(entry.data).decode()} for entry in entries]
            connection.execute(_APPEND, values)
            connection.execute(_MOVE_HEAD, {"seq": seq, "hash": prev})
        return entries

    def list(
        self, *, after: int = 0, limit: int = 1000, types: Sequence[str] = (), newest: bool = False
    ) -> Sequence[JournalEntry]:
        """See `JournalStore.list`."""
        table = tables.journal
        query = select(table).where(table.c.seq > after).limit(limit)
        query = query.order_by(table.c.seq.desc() if newest else table.c.seq)
        if types:
            query = query.where(table.c.type.in_(types))
        with self._database.read() as connection:
            entries = [_entry(row) for row in connection.execute(query)]
        return entries[::-1] if newest else entries

    def head(self) -> Head:
        """See `JournalStore.head`."""
        with self._database.read() as connection:
            row = connection.execute(_HEAD).first()
        if row is None:
            raise UnavailableError("the journal has lost its head; restore the database from a backup")
        return Head(row.seq, row.hash)


class SQLCertificates:
    """See `CertificateStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: CertificateRow) -> None:
        """See `CertificateStore.add`."""
        with self._database.write() as connection:
            connection.execute(insert(tables.certificates), columns(row) | {"serial": str(row.serial)})

    def list(self, *, identity: str | None = None, limit: int = 100) -> Sequence[CertificateRow]:
        """See `CertificateStore.list`."""
        table = tables.certificates
        query = select(table).order_by(table.c.issued.desc(), table.c.serial.desc()).limit(limit)
        if identity is not None:
            query = query.where(table.c.identity == identity)
        with self._database.read() as connection:
            return [_certificate(row) for row in connection.execute(query)]

    def is_revoked(self, serial: int) -> bool:
        """See `CertificateStore.is_revoked`."""
        with self._database.read() as connection:
            row = connection.execute(_REVOKED, {"which": str(serial)}).first()
        return row is None or row.revoked is not None

    def revoke(self, serial: int, now: datetime) -> bool:
        """See `CertificateStore.revoke`. The first revocation's time stays."""
        table = tables.certificates
        with self._database.write() as connection:
            query = select(table.c.revoked).where(table.c.serial == str(serial)).with_for_update()
            row = connection.execute(query).first()
            if row is not None and row.revoked is None:
                connection.execute(update(table).where(table.c.serial == str(serial)).values(revoked=now))
        return row is not None


def _session_values(row: SessionRow) -> dict[str, Any]:
    return columns(row) | {"masked": json.dumps(dict(row.masked))}


def _session(row: Row[Any]) -> SessionRow:
    values = dict(row._mapping)  # noqa: SLF001 - a public name of SQLAlchemy's, underlined not to hide columns
    masked = tuple(json.loads(values.pop("masked")).items())
    return SessionRow(**values | {"kind": Kind(values["kind"]), "masked": masked})


def _certificate(row: Row[Any]) -> CertificateRow:
    values = dict(row._mapping)  # noqa: SLF001 - see `_session`
    return CertificateRow(**values | {"kind": Kind(values["kind"]), "serial": int(values["serial"])})


def _entry(row: Row[Any]) -> JournalEntry:
    values = dict(row._mapping)  # noqa: SLF001 - see `_session`
    return JournalEntry(**values | {"data": _data(values["data"])})


def _data(text: str) -> dict[str, Any]:
    """Return an entry's data; a text that `append` cannot have written is kept whole, so that verifying shows it."""
    try:
        data = json.loads(text)
        if isinstance(data, dict) and canonical(data).decode() == text:
            return data
    except (TypeError, ValueError):
        pass
    return {"unreadable": text}
