"""Opens the store that a URL names. SQLite today; the URL's scheme decides.

The file of an SQLite database is created with mode 0600, its folder (one level, where it is missing) with 0700. A
database whose schema is not this code's is refused, see `bastion.store.schema`.
"""

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from bastion.errors import ConfigError
from bastion.store import schema
from bastion.store.base import Store
from bastion.store.database import BUSY_TIMEOUT, Database, unavailable
from bastion.store.sql import SQLStore


def open_store(url: str, *, busy_timeout: float = BUSY_TIMEOUT) -> Store:
    """Open the store at a URL such as `sqlite:////var/lib/bastion/bastion.db`, creating it where there is none.

    `busy_timeout` is how many seconds to wait for another process's lock. Raise ConfigError where the URL, the file's
    place or its schema is wrong, UnavailableError where it can't be read or written now.
    """
    database = _connect(url, busy_timeout)
    try:
        schema.create_or_check(database)
    except BaseException:
        database.close()
        raise
    return SQLStore(database)


def upgrade(url: str, *, busy_timeout: float = BUSY_TIMEOUT) -> str:
    """Bring the database at a URL to the newest schema; return the version it had, "" for a new one."""
    database = _connect(url, busy_timeout)
    try:
        return schema.upgrade(database)
    finally:
        database.close()


def _connect(url: str, busy_timeout: float) -> Database:
    parsed = _parse(url)
    path = Path(parsed.database or "")
    _create(path)
    _write_ahead(path, busy_timeout)
    return Database(parsed, busy_timeout)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("store.database: not a URL; write sqlite:///FILE") from error
    if parsed.drivername != "sqlite":
        raise ConfigError(f"store.database: no store for {parsed.drivername}://; write sqlite:///FILE")
    if parsed.database in (None, "", ":memory:") or parsed.query or parsed.host:
        raise ConfigError("store.database: names no file; write sqlite:///FILE")
    return parsed


def _create(path: Path) -> None:
    """Make the file, empty and for its owner alone, and its folder; leave both as they are where they exist."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        # by name: opening and closing a file of SQLite's would drop this process's locks on it
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise ConfigError(f"the folder {path.parent} for the database does not exist; create it") from error
    except OSError as error:
        raise ConfigError(f"the database {path} cannot be opened: {error.strerror}") from error
    if mode & 0o007:
        raise ConfigError(f"the database {path} is open to everyone on this machine; run: chmod 600 {path}")


def _write_ahead(path: Path, timeout: float) -> None:
    """Switch the file to write-ahead logging, which stays with it; readers then never wait for a writer."""
    deadline = time.monotonic() + timeout
    while not _switched(path, timeout, last=time.monotonic() >= deadline):
        time.sleep(0.01)


def _switched(path: Path, timeout: float, *, last: bool) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=timeout, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError as error:
        # SQLite doesn't wait here when two processes open a new file at once
        if last or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise unavailable(str(path), error) from error
        return False
    return True
