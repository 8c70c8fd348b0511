"""One SQL database: connections, transactions, and its errors in the bastion's words.

SQLite runs in WAL mode with `synchronous=FULL`: a commit is on the disk before it is reported, as an approval that was
used, or a journal entry that lets a command run, must survive a power cut. Writers take the write lock when they begin
(BEGIN IMMEDIATE), so that none fails half way for another's sake; they wait for it up to the busy timeout.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from bastion.errors import UnavailableError

BUSY_TIMEOUT = 5.0
"""Seconds to wait for a lock that another process holds."""

_MOMENT = 100  # milliseconds that emptying the log may wait for readers; it is tried again with the next change

_REASONS = {
    sqlite3.SQLITE_BUSY: "is locked by another process; stop that process or try again",
    sqlite3.SQLITE_LOCKED: "is locked by another process; stop that process or try again",
    sqlite3.SQLITE_FULL: "cannot grow, the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "is read-only; check owner and mode of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check owner and mode of the file and its folder",
    sqlite3.SQLITE_IOERR: "cannot be read or written (I/O error); check the disk",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is damaged or no database; restore it from a backup",
}


def unavailable(label: str, error: Exception) -> UnavailableError:
    """Return a driver's or pool's error in one line that names the database; the log has the cause."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary result code
    reason = _REASONS.get(code, "did not do what was asked; see the server's log")
    return UnavailableError(
        f"the database {label} {reason}", log=f"the database {label}: {type(cause).__name__}: {cause}"
    )


class Database:
    """Gives transactions on one database; a transaction of a thread inside another joins it."""

    def __init__(self, url: URL, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self.label = (
            str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
        )
        self.engine = _engine(url, busy_timeout)
        self._reading = self.engine.execution_options(write=False)
        self._writing = self.engine.execution_options(write=True)
        self._local = threading.local()
        self._busy_timeout = busy_timeout
        self._forgetting = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database throughout."""
        with self._begin(write=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection whose changes are kept together at the end, or not at all after an exception."""
        with self._begin(write=True) as connection:
            yield connection

    @contextmanager
    def _begin(self, *, write: bool) -> Iterator[Connection]:
        outer: Connection | None = getattr(self._local, "connection", None)
        if outer is not None:
            if write and not outer.get_execution_options()["write"]:
                raise RuntimeError("a transaction that reads cannot turn into one that writes")
            yield outer
            return
        try:
            with (self._writing if write else self._reading).begin() as connection:
                self._local.connection = connection
                try:
                    yield connection
                finally:
                    self._local.connection = None
            if write and self._forgetting:
                self._forgetting = not self._truncate()
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise unavailable(self.label, error) from error

    def forget(self) -> None:
        """Have what the transaction overwrites leave the files as well, as soon as it is over and nobody reads."""
        self._forgetting = True

    def _truncate(self) -> bool:
        """Empty SQLite's write-ahead log, which holds pages as they were; return whether that could be done."""
        if self.engine.dialect.name != "sqlite":
            return True
        try:
            with closing(self.engine.raw_connection()) as pooled:
                connection: Any = pooled.driver_connection
                connection.execute(f"PRAGMA busy_timeout = {_MOMENT}")
                try:
                    return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                finally:
                    connection.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
        except (SQLAlchemyError, sqlite3.Error):
            return False  # what was to be done is done already

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def columns(row: Any) -> dict[str, Any]:
    """Return the fields of a row, a flat dataclass, by name."""
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _engine(url: URL, busy_timeout: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, hide_parameters=True)
    # transactions are begun by `begin` below: the driver would begin them late, and never as IMMEDIATE
    arguments = {"timeout": busy_timeout, "isolation_level": None}
    engine = create_engine(url, hide_parameters=True, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def prepare(driver: Any, _record: object) -> None:
        connection: sqlite3.Connection = driver
        # a text that is no UTF-8 comes from outside the bastion: it must not hide the other rows
        connection.text_factory = lambda raw: raw.decode(errors="backslashreplace")
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("write", False)
        driver: Any = connection.connection  # as each transaction begins so, without SQLAlchemy's care for statements
        driver.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
